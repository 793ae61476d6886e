"""eMSP agreements: parties, prices, dates, and which contract a session belongs to (product.md rows 17-18, 26)."""
