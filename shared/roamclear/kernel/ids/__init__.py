"""One module per standard with the same verbs: ``compact``, ``validate``, ``is_valid``, ``format``."""
