"""The public OCPI endpoint of partners."""
