"""The long lists of this room, a page at a time."""
