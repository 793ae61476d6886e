"""What each payout account is owed, statements, self-billing documents and payment batches (product.md A.6)."""
