"""A session's life: received, checked, attached, priced, verified or on hold, credited, locked (rules.md 4-6)."""
