"""Whether the statements of an account follow each other without a gap (banking.md 4.2); pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import date
from itertools import pairwise

from roamclear.bank.model import StatementEnd
from roamclear.reconciliation.model import StatementRow


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

    A number is missing when both have one and the later one is more than one higher; a new count begins each year.
    The closing balance of one is the opening balance of the next.
    """
    chain = sorted((r for r in rows if r.kind == "camt.053"), key=place)
    found = {}
    for before, after in pairwise(chain):
        reason = _break(before, after)
        if reason:
            found[before.key, after.key] = reason
    return found


def _break(before: StatementRow, after: StatementRow) -> str | None:
    first, second = _number(before), _number(after)
    if first is not None and second is not None and second > first + 1 and after.day.year == before.day.year:
        return f"statements {first + 1} to {second - 1} are missing"
    if before.closing is not None and after.opening is not None and before.closing != after.opening:
        return f"opening balance {after.opening} does not continue closing balance {before.closing}"
    return None


def _number(row: StatementRow) -> int | None:
    text = row.number or ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
