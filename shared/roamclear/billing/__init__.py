"""Periods, runs, the lock, documents and their numbers, VAT (rules.md 6-8, product.md rows 33-71)."""
