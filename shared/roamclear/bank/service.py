"""The bank room's door: read what banks send, write what they take. Pure: bytes in, facts out, and back."""

from __future__ import annotations

from roamclear.bank.camt import read as read_camt
from roamclear.bank.camt import read_events as read_camt_events
from roamclear.bank.container import members as open_members

__all__ = ["open_members", "read_camt", "read_camt_events"]
