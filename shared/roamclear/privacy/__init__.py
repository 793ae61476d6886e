"""What becomes of drivers' data: given up after their term, and found for who may ask."""
