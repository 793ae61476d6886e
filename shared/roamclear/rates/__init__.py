"""Exchange rates of the European Central Bank as dated, stored values: a close never calls out (rules.md 10)."""
