"""The control window and what partners may say in it (rules.md 6, product.md rows 33-49)."""
