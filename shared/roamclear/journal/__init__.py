"""The exception journal: every difference that needs a person is one row (product.md row 78)."""
