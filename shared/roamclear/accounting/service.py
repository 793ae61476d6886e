"""Handing the ledger to the bookkeeping of the house: each entry in exactly one period (product.md row 130).

A period is a calendar month of the issuer's zone. Its first export freezes it: which entries it holds, by count, sum
and digest. The ledger is append only and entries carry the instant of their posting, so months never overlap. A file
that was made once is handed out again with the same bytes, and named COPY.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any

from roamclear.accounting import charts, months, opening, rules, store
from roamclear.accounting.formats import write
from roamclear.accounting.model import Chart, Export, Masters, NoMasters, Period, Profile
from roamclear.accounting.saft import Ledger, write_saft
from roamclear.audit import service as audit
from roamclear.identity import service as identity
from roamclear.identity.model import Actor, Right
from roamclear.identity.rules import authorise
from roamclear.kernel.context import Context
from roamclear.kernel.errors import Conflict, InvariantBroken
from roamclear.kernel.retry import again_on_race
from roamclear.kernel.time import sort_instant
from roamclear.kernel.writes import Action, Put, Table
from roamclear.ledger.model import JournalEntry
from roamclear.ledger.proof import Equation

#: A write that began in the old month has landed by then.
SETTLE = timedelta(hours=1)
_MOST_ENTRIES = 50_000
_LINK_SECONDS = 3600
_RACE = (Table.AUDIT, Table.CLEARING)


def chart(ctx: Context, actor: Actor, issuer_id: str) -> Chart:
    """The issuer's chart of accounts; a proposal while none was saved."""
    authorise(actor, Right.ACCOUNTING_EXPORT, issuer_id)
    return _chart(ctx, issuer_id)


def chart_now(ctx: Context, issuer_id: str) -> Chart:
    """The chart for a worker; the proposal while none was saved."""
    return _chart(ctx, issuer_id)


def save_chart(ctx: Context, actor: Actor, made: Chart) -> Chart:
    """Save the chart; a personal account that was given stays with its debtor or creditor.

    Raises:
        Conflict: a personal account would change its number; the books of the house already know it.
    """
    authorise(actor, Right.ACCOUNTING_SETUP, made.issuer_id)

    def attempt() -> Chart:
        known = store.chart(ctx.db, made.issuer_id)
        kept = known.single if known else {}
        moved = sorted(ours for ours, number in kept.items() if made.single.get(ours, number) != number)
        if moved:
            raise Conflict("this account has its number already", account=moved[0], number=kept[moved[0]])
        chart = made.model_copy(update={"single": kept | made.single, "changed": known.changed if known else 0})
        log = _log(ctx, actor, made.issuer_id, "CHART", "CHART_SAVED", {"before": known, "after": chart})
        ctx.db.transact([store.chart_put(chart, known), log])
        return _chart(ctx, made.issuer_id)

    return again_on_race(attempt, tables=_RACE)


def export(
    ctx: Context, actor: Actor, issuer_id: str, label: str, profile: Profile, masters: Masters | None = None
) -> Export:
    """Write a month in a profile, or hand out what was written, flagged as a copy.

    ``masters`` names the debtors and creditors of an audit file (SAFT), and the VAT rows of its documents.

    Raises:
        Conflict: the month is not over yet; the instant from which it can be exported is named.
        InvariantBroken: the ledger of a frozen month is not what it was.
    """
    authorise(actor, Right.ACCOUNTING_EXPORT, issuer_id)

    def attempt() -> Export:
        known = store.export(ctx.db, issuer_id, label, profile)
        if known is not None:
            return _copy(ctx, actor, known)
        return _make(ctx, actor, issuer_id, label, profile, masters or NoMasters())

    return again_on_race(attempt, tables=_RACE)


def exports(ctx: Context, actor: Actor, issuer_id: str) -> list[dict[str, Any]]:
    """What was written, with signed links; a file that was handed out again is named COPY."""
    authorise(actor, Right.ACCOUNTING_EXPORT, issuer_id)
    return [shown(ctx, each) for each in store.all_exports(ctx.db, issuer_id)]


def shown(ctx: Context, made: Export) -> dict[str, Any]:
    """An export with signed links to its files."""
    mark = "COPY_" if made.copies else ""
    files = [
        {"name": f"{mark}{name}", "link": ctx.objects.link("exports", key, seconds=_LINK_SECONDS, filename=mark + name)}
        for key in made.files
        for name in [key.rsplit("/", 1)[1]]
    ]
    return made.dump() | {"files": files}


def equations(ctx: Context, issuer_id: str) -> list[Equation]:
    """Every frozen month still holds the entries and debits it was exported with; kept balances are the ledger's."""
    found = months.equations(ctx, issuer_id)
    for period in store.all_periods(ctx.db, issuer_id):
        count, digest, debits = rules.digest(_entries(ctx, issuer_id, period.label))
        same = int(digest == period.entries_sha256)
        pairs = [("entries", period.bookings, count), ("digests", 1, same)]
        pairs += [(c, period.debits.get(c, 0), debits.get(c, 0)) for c in sorted(period.debits | debits)]
        found += [
            Equation(name="exported month = ledger", scope=period.label, unit=unit, left=left, right=right)
            for unit, left, right in pairs
        ]
    return found


def _make(ctx: Context, actor: Actor, issuer_id: str, label: str, profile: Profile, masters: Masters) -> Export:
    entries = list(_ended(ctx, issuer_id, label))
    period = _freeze(ctx, actor, issuer_id, label, entries)
    files, hashes = [], []
    for name, data in _written(ctx, actor, period, profile, entries, masters):
        key = f"{issuer_id}/accounting/{label}/{name}"
        ctx.objects.put("exports", key, data, "application/octet-stream")
        files.append(key)
        hashes.append(hashlib.sha256(data).hexdigest())
    made = Export(
        issuer_id=issuer_id,
        period=label,
        profile=profile,
        files=tuple(files),
        sha256=tuple(hashes),
        made_at_utc=ctx.now(),
        made_by=actor.actor_id,
    )
    log = _log(ctx, actor, issuer_id, f"{label}.{profile.value}", "EXPORTED", {"sha256": hashes})
    ctx.db.transact([store.export_put(made, None), log])
    return made


def _written(
    ctx: Context, actor: Actor, period: Period, profile: Profile, entries: list[JournalEntry], masters: Masters
) -> Iterable[tuple[str, bytes]]:
    """The files of a month; an audit file also says what each account began with, and who stands behind it."""
    issuer_id, label = period.issuer_id, period.label
    issuer = identity.issuer(ctx, issuer_id)
    if profile is not Profile.SAFT:
        chart = _numbered(ctx, actor, issuer_id, entries)
        found = list(rules.bookings(chart, entries, issuer.zone))
        return write(profile, found, chart, label, period.frozen_at_utc)
    begun = opening.balances(ctx, issuer_id, label, _chart(ctx, issuer_id))
    chart = _numbered(ctx, actor, issuer_id, entries, {account for account, _ in begun})
    sides = tuple(rules.side(chart, account, amount) for (account, _), amount in sorted(begun.items()))
    bookings = tuple(rules.bookings(chart, entries, issuer.zone))
    named = {side.ours for side in (*sides, *(s for b in bookings for s in b.sides)) if side.auxiliary is not None}
    return write_saft(
        Ledger(
            issuer=issuer,
            chart=chart,
            label=label,
            at=period.frozen_at_utc,
            bookings=bookings,
            opening=sides,
            partners=masters.partners(named),
            taxes=masters.taxes(entries),
        )
    )


def _copy(ctx: Context, actor: Actor, known: Export) -> Export:
    """The same bytes once more; that it is a copy stands in its name, on the screen and in the audit."""
    for key, expected in zip(known.files, known.sha256, strict=True):
        data = ctx.objects.get("exports", key)
        if data is None or hashlib.sha256(data).hexdigest() != expected:
            raise InvariantBroken("an exported file is not what it was", key=key)
    made = known.model_copy(update={"copies": known.copies + 1})
    subject = f"{known.period}.{known.profile.value}"
    log = _log(ctx, actor, known.issuer_id, subject, "COPIED", {"copies": made.copies})
    ctx.db.transact([store.export_put(made, known), log])
    return made


def _freeze(ctx: Context, actor: Actor, issuer_id: str, label: str, entries: list[JournalEntry]) -> Period:
    count, digest, debits = rules.digest(entries)
    known = store.period(ctx.db, issuer_id, label)
    if known is None:
        made = Period(
            issuer_id=issuer_id,
            label=label,
            bookings=count,
            entries_sha256=digest,
            debits=debits,
            frozen_at_utc=ctx.now(),
            frozen_by=actor.actor_id,
        )
        log = _log(ctx, actor, issuer_id, label, "FROZEN", {"bookings": count, "debits": debits, "sha256": digest})
        ctx.db.transact([store.period_put(made), log])
        return made
    if known.entries_sha256 != digest:
        raise InvariantBroken("the ledger of an exported month is not what it was", period=label)
    return known


def _numbered(
    ctx: Context, actor: Actor, issuer_id: str, entries: list[JournalEntry], also: Iterable[str] = ()
) -> Chart:
    """The chart with every debtor and creditor of these entries; what is new is kept before any file names it."""
    known = store.chart(ctx.db, issuer_id)
    before = known or _chart(ctx, issuer_id)
    made = rules.numbered(before, entries, also)
    if made.single == before.single and known is not None:
        return known
    log = _log(ctx, actor, issuer_id, "CHART", "CHART_NUMBERED", {"single": made.single})
    actions: list[Action] = [store.chart_put(made, known), log]
    ctx.db.transact(actions)
    return made


def _ended(ctx: Context, issuer_id: str, label: str) -> Iterator[JournalEntry]:
    _, end = rules.bounds(label, identity.issuer(ctx, issuer_id).zone)
    if ctx.now() < end + SETTLE:
        raise Conflict("this month is not over yet", period=label, exportable_at_utc=sort_instant(end + SETTLE))
    return _entries(ctx, issuer_id, label)


def _entries(ctx: Context, issuer_id: str, label: str) -> Iterator[JournalEntry]:
    """The entries posted in a month of the issuer's zone, in order of posting."""
    for count, entry in enumerate(months.posted(ctx, issuer_id, label), start=1):
        if count > _MOST_ENTRIES:
            raise Conflict(f"a month of more than {_MOST_ENTRIES:,} entries is not written in one go", period=label)
        yield entry


def _chart(ctx: Context, issuer_id: str) -> Chart:
    country = identity.issuer(ctx, issuer_id).address.country
    return store.chart(ctx.db, issuer_id) or Chart(issuer_id=issuer_id, classes=charts.proposed(country))


def _log(ctx: Context, actor: Actor, issuer_id: str, subject: str, action: str, details: dict[str, Any]) -> Put:
    return audit.entry(
        ctx,
        issuer_id=issuer_id,
        kind="ACCOUNTING",
        object_id=subject,
        actor_id=actor.actor_id,
        action=action,
        details=details,
    )


__all__ = ["chart", "chart_now", "equations", "export", "exports", "save_chart", "shown"]
