"""Whether the statements of an account follow each other without a gap (banking.md 4.2); pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import date
from itertools import pairwise

from roamclear.bank.model import StatementEnd
from roamclear.reconciliation.model import StatementRow

#: Overlapping statements and copies stand between a statement and the one it continues.
_LOOK_BACK = 10


def statement_day(end: StatementEnd) -> date | None:
    """The day a statement closes: its closing balance's, else what its head says."""
    head = end.head
    balances = [balance.on for balance in (end.closing, end.opening) if balance and balance.on]
    days = [*balances, head.to_date, head.from_date, head.created_on]
    return next((day for day in days if day), None)


def statement_key(end: StatementEnd, currency: str, day: date) -> str:
    """Identity of a statement: number or id, opening date and page; ids alone come again in other years."""
    head = end.head
    opening = end.opening
    opened = opening.on if opening and opening.on else day
    name = head.electronic_number or head.legal_number or head.id
    page = f"#{head.page}" if head.page and head.page > 1 else ""
    return f"{head.kind.value}#{currency}#{opened.isoformat()}#{name}{page}"


def statement_digest(keys: Iterable[str], end: StatementEnd) -> str:
    """What a repeat of the statement must equal: its entries, in any order, and its balances."""
    balances = [f"{b.code}{b.amount}" for b in (end.opening, end.closing) if b]
    return hashlib.sha256("\x1f".join([*sorted(keys), *balances]).encode()).hexdigest()[:32]


def place(row: StatementRow) -> str:
    """Where a statement stands in the chain of its account: its day, then its number."""
    return f"{row.day.isoformat()}#{_number(row) or 0:020d}#{row.key}"


def gaps(rows: Sequence[StatementRow]) -> dict[tuple[str, str], str]:
    """Breaks in the chain of one account and currency: (statement before, statement after) and what is wrong.

    A number is missing when two neighbours with numbers are more than one apart; a new count begins each year. A
    statement opens with the closing balance of one before it, or with the opening balance of one that it overlaps.
    """
    chain = sorted((r for r in rows if r.kind == "camt.053"), key=place)
    found = {}
    for before, after in pairwise([row for row in chain if _number(row) is not None]):
        first, second = _number(before) or 0, _number(after) or 0
        if second > first + 1 and after.day.year == before.day.year:
            found[before.key, after.key] = f"statements {first + 1} to {second - 1} are missing"
    for index, after in enumerate(chain):
        near = [row for row in chain[max(0, index - _LOOK_BACK) : index] if row.closing is not None]
        if after.opening is None or not near:
            continue
        if after.opening not in [balance for row in near for balance in (row.closing, row.opening)]:
            before = near[-1]
            text = f"opening balance {after.opening} does not continue closing balance {before.closing}"
            found.setdefault((before.key, after.key), text)
    return found


def _number(row: StatementRow) -> int | None:
    text = row.number or ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
