"""A partner's own list of sessions against ours, row by row (product.md B1)."""
