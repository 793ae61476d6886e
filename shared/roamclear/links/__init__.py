"""Mailed links: a random token that redirects to a freshly signed address, is logged and can be revoked."""
