"""What can go wrong on this machine, said in one sentence."""

from __future__ import annotations


class LocalError(Exception):
    """Shown to the person without a stack trace."""
