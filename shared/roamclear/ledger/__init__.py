"""Double entry: accounts, entries that balance, and the proof (rules.md 8)."""
