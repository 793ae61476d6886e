"""OCPI parties, their credentials and routes: who may write for whom, and read what (rules.md 2)."""
