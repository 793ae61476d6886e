"""The bank room's door: read what banks send, write what they take. Pure: bytes in, facts out, and back.

The XML parser is loaded on the first call that needs it, so that those who only match never pay for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from roamclear.bank.container import members as open_members
from roamclear.bank.keys import given as given_reference
from roamclear.bank.letters import is_reference as is_bank_reference
from roamclear.bank.letters import transliterate
from roamclear.bank.model import CamtFile, Entry, Limits, PaymentFile, StatementEnd, StatementHead, StatusReport
from roamclear.bank.pain_rules import breaches as payment_breaches
from roamclear.bank.remittance import Found, NumberIndex, Strength, find_references, normalise
from roamclear.bank.statuses import Outcome, advances, outcome, status_of

__all__ = [
    "Found",
    "NumberIndex",
    "Outcome",
    "Strength",
    "advances",
    "find_references",
    "given_reference",
    "is_bank_reference",
    "message_kind",
    "normalise",
    "open_members",
    "outcome",
    "payment_breaches",
    "read_camt",
    "read_camt_events",
    "read_status",
    "schema_faults",
    "status_of",
    "transliterate",
    "write_payments",
]


class _Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


def read_camt(data: bytes, limits: Limits | None = None) -> CamtFile:
    """A whole camt file (XML, zip or gzip) in memory; ``InvalidInput`` on doubt about amount, sign or account."""
    from roamclear.bank import camt

    return camt.read(data, limits)


def read_camt_events(stream: _Readable, limits: Limits | None = None) -> Iterator[StatementHead | Entry | StatementEnd]:
    """One camt document as a stream of heads, entries and ends, in flat memory."""
    from roamclear.bank import camt

    return camt.read_events(stream, limits)


def read_status(data: bytes, limits: Limits | None = None) -> StatusReport:
    """The first pain.002 status report of a dropped file (XML, zip or gzip)."""
    from roamclear.bank import pain002

    return pain002.read(next(iter(open_members(data, limits))), limits)


def write_payments(file: PaymentFile) -> bytes:
    """pain.001.001.09, rules and schema checked; the same file gives the same bytes for ever."""
    from roamclear.bank import pain001

    return pain001.write(file)


def schema_faults(data: bytes, version: str = "pain.001.001.09") -> list[str]:
    """What the schema says against a pain message; empty means valid."""
    from roamclear.bank import pain001

    return pain001.schema_faults(data, version)


def message_kind(data: bytes) -> str | None:
    """The ISO name in the first kilobytes of an unpacked document (``camt.053``, ``pain.002``), or None."""
    head: Any = data[:4096].replace(b"\x00", b"")
    for name in (b"camt.052", b"camt.053", b"camt.054", b"pain.002"):
        if name in head:
            return str(name, "ascii")
    return None
