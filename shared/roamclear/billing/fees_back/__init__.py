"""Flat fees of cancelled documents that a later run charges again."""
