"""Closing without closing: previews of runs, and what stands in the way."""
