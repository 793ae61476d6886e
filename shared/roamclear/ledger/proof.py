"""What the proof of rules.md 8 is made of: equations over stored data, each with both sides."""

from __future__ import annotations

from collections.abc import Iterable

from roamclear.kernel.record import Record
from roamclear.ledger.model import JournalEntry


class Equation(Record):
    """One equation of the proof: ``left`` and ``right`` in minor units or counts of ``unit``."""

    name: str
    scope: str
    unit: str
    left: int
    right: int

    @property
    def holds(self) -> bool:
        """Whether both sides are equal."""
        return self.left == self.right


def balanced(entries: Iterable[JournalEntry]) -> list[Equation]:
    """Debits = credits, per currency (each entry balances by construction; this reads what is stored)."""
    debits: dict[str, int] = {}
    credits: dict[str, int] = {}
    for entry in entries:
        for line in entry.lines:
            side = debits if line.amount.amount_minor > 0 else credits
            side[line.amount.currency] = side.get(line.amount.currency, 0) + abs(line.amount.amount_minor)
    return [
        Equation(name="debits = credits", scope=c, unit=c, left=debits.get(c, 0), right=credits.get(c, 0))
        for c in sorted(debits | credits)
    ]
