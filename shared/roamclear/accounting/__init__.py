"""Journal entries for the bookkeeping of the house: generic CSV, DATEV and FEC."""
