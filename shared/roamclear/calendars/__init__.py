"""Holidays as dated, stored values: by country, by region, and of TARGET (rules.md 10)."""
