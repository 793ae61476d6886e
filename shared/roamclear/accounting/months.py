"""The entries of a calendar month of the issuer's zone, and the balances at its end (product.md row 130).

Balances are kept once per month: entries of a month that is over never change, so the next audit file adds one month
and does not read the ledger from its beginning.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date, timedelta

from roamclear.accounting import rules, store
from roamclear.accounting.model import Balances
from roamclear.identity import service as identity
from roamclear.kernel import numbers_json
from roamclear.kernel.context import Context
from roamclear.kernel.errors import ConditionFailed, InvariantBroken
from roamclear.kernel.time import local_date, next_month
from roamclear.ledger import service as ledger
from roamclear.ledger.model import JournalEntry
from roamclear.ledger.proof import Equation

#: Debit balances in minor units by account of our ledger and currency; a credit balance is negative.
Sums = dict[tuple[str, str], int]


def posted(ctx: Context, issuer_id: str, label: str) -> Iterator[JournalEntry]:
    """The entries posted in a month, in order of posting."""
    start, end = rules.bounds(label, identity.issuer(ctx, issuer_id).zone)
    for entry in ledger.entries(ctx, issuer_id, start, until=end):
        if start <= entry.at_utc < end:
            yield entry


def before(label: str) -> str:
    """The month before.

    >>> before("2026-01")
    '2025-12'
    """
    return (date.fromisoformat(f"{label}-01") - timedelta(days=1)).isoformat()[:7]


def after(label: str) -> str:
    """The month after.

    >>> after("2026-12")
    '2027-01'
    """
    return next_month(date.fromisoformat(f"{label}-01")).isoformat()[:7]


def at_end(ctx: Context, issuer_id: str, label: str) -> Sums:
    """The balances at the end of a month that is over; what is found on the way is kept for the next call.

    Raises:
        InvariantBroken: kept balances are not what they were.
    """
    first = _first(ctx, issuer_id)
    if label < first:
        return {}
    known = store.last_balances(ctx.db, issuer_id, label)
    sums = _read(ctx, known) if known else {}
    month = after(known.label) if known else first
    while month <= label:
        sums = _added(sums, posted(ctx, issuer_id, month))
        _keep(ctx, issuer_id, month, sums)
        month = after(month)
    return sums


def equations(ctx: Context, issuer_id: str) -> list[Equation]:
    """The last kept balances are those of all entries until then."""
    known = store.last_balances(ctx.db, issuer_id, "9999-12")
    if known is None:
        return []
    same = int(hashlib.sha256(_bytes(_counted(ctx, issuer_id, known.label))).hexdigest() == known.sha256)
    name = "balances of audit files = ledger"
    return [Equation(name=name, scope=known.label, unit="digests", left=1, right=same)]


def _counted(ctx: Context, issuer_id: str, label: str) -> Sums:
    """The balances at the end of a month from all entries until then."""
    sums: Sums = {}
    month = _first(ctx, issuer_id)
    while month <= label:
        sums = _added(sums, posted(ctx, issuer_id, month))
        month = after(month)
    return sums


def _first(ctx: Context, issuer_id: str) -> str:
    issuer = identity.issuer(ctx, issuer_id)
    if issuer.created_at_utc is None:
        raise InvariantBroken("an issuer without the instant it began at", issuer_id=issuer_id)
    return local_date(issuer.created_at_utc, issuer.zone).isoformat()[:7]


def _added(sums: Sums, entries: Iterable[JournalEntry]) -> Sums:
    made: dict[tuple[str, str], int] = defaultdict(int, sums)
    for entry in entries:
        for line in entry.lines:
            made[line.account, line.amount.currency] += line.amount.amount_minor
    return {key: value for key, value in made.items() if value}


def _bytes(sums: Sums) -> bytes:
    return numbers_json.dumps([[*key, value] for key, value in sorted(sums.items())]).encode()


def _keep(ctx: Context, issuer_id: str, label: str, sums: Sums) -> None:
    body = _bytes(sums)
    key = f"{issuer_id}/accounting/{label}/balances.json"
    ctx.objects.put("exports", key, body, "application/json")
    digest = hashlib.sha256(body).hexdigest()
    made = Balances(issuer_id=issuer_id, label=label, object_key=key, sha256=digest, kept_at_utc=ctx.now())
    try:
        ctx.db.write(store.balances_put(made))
    except ConditionFailed:
        known = store.last_balances(ctx.db, issuer_id, label)
        if known is None or known.sha256 != digest:
            raise InvariantBroken("the ledger of a month that is over is not what it was", period=label) from None


def _read(ctx: Context, known: Balances) -> Sums:
    """The kept balances; a file that is gone is counted anew, for it holds nothing that the ledger does not."""
    body = ctx.objects.get("exports", known.object_key)
    if body is None:
        body = _bytes(_counted(ctx, known.issuer_id, known.label))
        if hashlib.sha256(body).hexdigest() == known.sha256:
            ctx.objects.put("exports", known.object_key, body, "application/json")
    if hashlib.sha256(body).hexdigest() != known.sha256:
        raise InvariantBroken("kept balances are not what they were", key=known.object_key)
    return {(account, currency): int(value) for account, currency, value in numbers_json.loads(body)}
