"""Who did what, before and after, chained per object (rules.md 8)."""
