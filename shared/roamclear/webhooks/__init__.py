"""Telling other systems what happened: subscriptions, deliveries, retries (product.md row 129, J.4)."""
