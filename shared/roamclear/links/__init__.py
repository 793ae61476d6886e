"""Mailed links: a random token that redirects to a freshly signed address, counts its openings and can be revoked."""
