"""Matching cascade and allocations: which money paid which document (rules.md 9)."""
