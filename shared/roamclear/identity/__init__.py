"""Actors, roles and issuers: may this actor do this (rules.md 2, product.md E.8)."""
