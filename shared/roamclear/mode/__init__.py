"""Whether this stage may number, send and pay, or was restored and has to be compared first (rules.md 10)."""
