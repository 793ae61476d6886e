"""Jobs that price many sessions again."""
