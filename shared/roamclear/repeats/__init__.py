"""Requests that may be sent twice: what an Idempotency-Key stood for, and what was answered (product.md J.5)."""
