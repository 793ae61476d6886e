"""The copies of a day's audit entries, and the digest of its heads, locked for ever (rules.md 8)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import date, datetime, timedelta

from roamclear.audit import rules, store
from roamclear.audit.model import DayDigest
from roamclear.kernel.context import Context
from roamclear.kernel.errors import InvariantBroken
from roamclear.kernel.time import local_date

#: Days that may be caught up after an outage.
_MOST_DAYS = 40
#: Days that are read again every night; older ones were, and their objects cannot be changed any more.
_READ_AGAIN = 3


def lock_days(ctx: Context, issuer_id: str, retain_until: datetime | None = None) -> int:
    """Lock the digest of every day that is over and has none yet, oldest first; how many were locked.

    ``retain_until`` is the issuer's term; without it the bucket's own rule holds.
    """
    last = local_date(ctx.now(), "UTC") - timedelta(days=1)
    known = store.latest_digest(ctx.objects, issuer_id, last, _MOST_DAYS)
    day = date.fromisoformat(known.day) + timedelta(days=1) if known else last - timedelta(days=_MOST_DAYS - 1)
    count = 0
    while day <= last:
        made = computed(ctx, issuer_id, day.isoformat(), known)
        if made.entries or known is not None:
            store.keep_digest(ctx.objects, made, retain_until)
            known, count = made, count + 1
        day += timedelta(days=1)
    return count


def computed(ctx: Context, issuer_id: str, day: str, before: DayDigest | None) -> DayDigest:
    """The digest of a day from its copies: the last entry of each object that changed on it."""
    heads: dict[str, str] = {}
    entries = 0
    for entry in store.copies_of_day(ctx.objects, issuer_id, day):
        entries += 1
        heads[f"{entry.kind}#{entry.object_id}#{entry.sequence:08d}"] = entry.digest
    last = {name.rsplit("#", 1)[0]: f"{name} {heads[name]}" for name in sorted(heads)}
    text = "\n".join(last[name] for name in sorted(last))
    return DayDigest(
        issuer_id=issuer_id,
        day=day,
        entries=entries,
        objects=len(last),
        heads_sha256=hashlib.sha256(text.encode()).hexdigest(),
        previous=_hash(before) if before else rules.GENESIS,
    )


def counts(ctx: Context, issuer_id: str) -> tuple[int, int]:
    """The copies of yesterday and today, and how many of them the table holds with the same bytes."""
    today = local_date(ctx.now(), "UTC")
    copies = equal = 0
    for day in (today - timedelta(days=1), today):
        found = store.compared(ctx.db, ctx.objects, issuer_id, day.isoformat())
        copies, equal = copies + found[0], equal + found[1]
    return copies, equal


def broken_days(ctx: Context, issuer_id: str) -> Iterator[str]:
    """Locked days, of the last three, whose copies or chain give another digest than was locked."""
    day = local_date(ctx.now(), "UTC") - timedelta(days=_READ_AGAIN)
    before = store.digest(ctx.objects, issuer_id, day.isoformat())
    for _ in range(_READ_AGAIN):
        day += timedelta(days=1)
        known = store.digest(ctx.objects, issuer_id, day.isoformat())
        if known is None:
            continue
        if known.issuer_id != issuer_id:
            raise InvariantBroken("a digest of another issuer", day=known.day)
        again = computed(ctx, issuer_id, known.day, before)
        chained = before is None or again.previous == known.previous
        if (again.heads_sha256, again.entries) != (known.heads_sha256, known.entries) or not chained:
            yield known.day
        before = known


def _hash(of: DayDigest) -> str:
    return hashlib.sha256(store.digest_bytes(of)).hexdigest()
