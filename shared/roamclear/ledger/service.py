"""Posting and reading the ledger."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from roamclear.kernel.context import Context
from roamclear.kernel.errors import InvariantBroken
from roamclear.kernel.money import Money
from roamclear.kernel.time import next_month
from roamclear.kernel.writes import Put
from roamclear.ledger import store
from roamclear.ledger.model import Event, JournalEntry, Line

#: The stream makes a copy within seconds, and within minutes where it has to try again.
SETTLE = timedelta(minutes=15)


def entry(
    ctx: Context,
    *,
    issuer_id: str,
    event: Event,
    subject: str,
    currency: str,
    lines: Iterable[Line],
    memo: str = "",
    mirrors: str | None = None,
) -> Put:
    """The write of a balanced entry for the transaction of its event; lines of zero are left out."""
    kept = tuple(line for line in lines if line.amount)
    made = JournalEntry(
        issuer_id=issuer_id,
        event=event,
        subject=subject,
        at_utc=ctx.now(),
        currency=currency,
        lines=kept,
        memo=memo,
        mirrors=mirrors,
    )
    return store.entry_put(made)


def mirror(ctx: Context, issuer_id: str, event: Event, subject: str, *, as_event: Event, as_subject: str) -> Put:
    """The entry that undoes another one, linked to it."""
    original = store.find(ctx.db, issuer_id, event.value, subject)
    if original is None:
        raise InvariantBroken("there is no entry to undo", event=event.value, subject=subject)
    return entry(
        ctx,
        issuer_id=issuer_id,
        event=as_event,
        subject=as_subject,
        currency=original.currency,
        lines=[line.model_copy(update={"amount": -line.amount}) for line in original.lines],
        memo=f"undoes {event.value} {subject}",
        mirrors=f"{event.value}#{subject}",
    )


def find(ctx: Context, issuer_id: str, event: Event, subject: str) -> JournalEntry | None:
    """One entry or None."""
    return store.find(ctx.db, issuer_id, event.value, subject)


def entries(ctx: Context, issuer_id: str, since: datetime, *, until: datetime | None = None) -> Iterator[JournalEntry]:
    """All entries from the month (UTC) of an instant to that of another, or until now, in order of time."""
    month = since.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    last = until or ctx.now() + timedelta(days=1)
    while month <= last:
        yield from store.of_month(ctx.db, issuer_id, month)
        month = next_month(month)


def copies(ctx: Context, issuer_id: str, since: datetime) -> tuple[int, int]:
    """Entries from the month of an instant on, and how many of them have an equal copy under Object Lock.

    What was posted a moment ago is left alone: its copy is on its way (``SETTLE``).
    """
    before = ctx.now() - SETTLE
    month = since.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    entries = equal = 0
    while month <= ctx.now() + timedelta(days=1):
        found = store.copies_of_month(ctx.db, ctx.objects, issuer_id, month, before=before)
        entries, equal = entries + found[0], equal + found[1]
        month = next_month(month)
    return entries, equal


def balances(items: Iterable[JournalEntry]) -> dict[tuple[str, str], Money]:
    """Debit balance per (account, currency); a credit balance is negative."""
    sums: dict[tuple[str, str], int] = defaultdict(int)
    for item in items:
        for line in item.lines:
            sums[line.account, line.amount.currency] += line.amount.amount_minor
    return {key: Money(value, key[1]) for key, value in sums.items()}
