"""Proofs of VAT ids by schedule: asks VIES and stores what it answers (product.md D.2, rules.md 10)."""
