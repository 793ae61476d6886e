"""What a comparison found and what a recovery did."""

from __future__ import annotations

from roamclear.kernel.record import Record
from roamclear.mode.model import Mode


class Difference(Record):
    """One thing that the Object-Lock buckets prove and the tables do not, or not yet."""

    kind: str
    issuer_id: str
    subject: str
    message: str


class Report(Record):
    """A comparison, and, where it was asked for, what was brought forward before it."""

    mode: Mode
    reason: str = ""
    replayed: int = 0
    entries: int = 0
    differences: tuple[Difference, ...] = ()
    broken_equations: tuple[str, ...] = ()
    unanswered: tuple[str, ...] = ()

    @property
    def clean(self) -> bool:
        """Whether nothing stands in the way of NORMAL."""
        return not (self.differences or self.broken_equations or self.unanswered)
