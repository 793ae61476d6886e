"""Giving up the detail of sessions after its term: who charged, where, and at what time of day."""
