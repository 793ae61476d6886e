"""Keeping the stored holidays up to date (rules.md 10). Only the schedule comes here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date
from hashlib import sha256

from roamclear.calendars import published, service, store
from roamclear.calendars.model import CalendarYear
from roamclear.contracts import service as contracts
from roamclear.identity import service as identity
from roamclear.identity.issuer import Issuer
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionType
from roamclear.kernel.context import Context
from roamclear.kernel.errors import ConditionFailed
from roamclear.kernel.retry import each
from roamclear.kernel.time import local_date

_BY = "system:calendars"
_YEARS = 2


def refresh(ctx: Context) -> dict[str, int]:
    """Store the holidays of this year and the next for every place that an issuer counts by.

    A year whose published holidays changed gets a further state; one that a person recorded is never overwritten: if
    what is published changed since, an exception says so, once for each change. A place that nobody publishes is an
    exception until a person records its days or no contract names it any more. Again it changes nothing.
    """
    done: Counter[str] = Counter(stored=0, kept=0, conflicts=0, missing=0)

    def of_issuer(issuer_id: str) -> None:
        issuer = identity.issuer(ctx, issuer_id)
        today = local_date(ctx.now(), issuer.zone)
        wanted = set(codes(ctx, issuer, today))
        for code in sorted(wanted):
            for year in range(today.year, today.year + _YEARS):
                done[_year(ctx, issuer_id, code, year)] += 1
        for row in journal.open_of(ctx, issuer_id, ExceptionType.CALENDAR_MISSING):
            if row.subject.rpartition(".")[0] not in wanted:
                reason = "no contract counts by it any more"
                journal.resolve(ctx, issuer_id, row.kind, row.subject, by=_BY, reason=reason)

    each(identity.issuer_ids(ctx), of_issuer)
    return dict(done)


def codes(ctx: Context, issuer: Issuer, today: date) -> Iterator[str]:
    """TARGET for payments, the issuer's country, and what its contracts name: a place, or the partner's country."""
    yield service.TARGET
    yield issuer.address.country
    for _, terms in contracts.live_terms(ctx, issuer.issuer_id, today):
        yield terms.holidays_of or terms.counterparty.address.country


def _year(ctx: Context, issuer_id: str, code: str, year: int) -> str:
    days = published.days(code, year)
    states = store.states(ctx.db, issuer_id, code, year)
    known = states[-1] if states else None
    if days is None:
        return "kept" if known else _missing(ctx, issuer_id, code, year)
    if known is not None and known.source == "PERSON":
        return _beside(ctx, known, states, days)
    if known is not None and known.days.keys() == days.keys():
        return "kept"
    rule = code == service.TARGET
    made = CalendarYear(
        issuer_id=issuer_id,
        code=code,
        year=year,
        number=known.number + 1 if known else 1,
        days=days,
        source="RULE" if rule else "LIBRARY",
        version=None if rule else published.VERSION,
        recorded_by=_BY,
        recorded_at_utc=ctx.now(),
    )
    try:
        service.save(ctx, made, known)
    except ConditionFailed:
        return "kept"  # another worker, or a person at this moment; the next call looks again
    journal.resolve(
        ctx, issuer_id, ExceptionType.CALENDAR_MISSING, f"{code}.{year}", by=_BY, reason="it is published now"
    )
    return "stored"


def _beside(ctx: Context, known: CalendarYear, states: list[CalendarYear], days: dict[date, str]) -> str:
    """A person's calendar stands; what was published before it was known to them."""
    seen = [state.days.keys() for state in states if state.source != "PERSON"][-1:]
    if days.keys() == known.days.keys() or days.keys() in seen:
        return "kept"
    digest = sha256(",".join(day.isoformat() for day in sorted(days)).encode()).hexdigest()[:8]
    more = sorted(day.isoformat() for day in days.keys() - known.days.keys())
    less = sorted(day.isoformat() for day in known.days.keys() - days.keys())
    journal.raise_once(
        ctx,
        known.issuer_id,
        ExceptionType.CALENDAR_CONFLICT,
        f"{known.code}.{known.year}#{digest}",
        f"published holidays of {known.code} {known.year} differ from what {known.recorded_by} recorded: "
        f"more {', '.join(more) or '-'}; less {', '.join(less) or '-'}"[:500],
        next_action="record the calendar again, with or without the days in question",
    )
    return "conflicts"


def _missing(ctx: Context, issuer_id: str, code: str, year: int) -> str:
    journal.raise_once(
        ctx,
        issuer_id,
        ExceptionType.CALENDAR_MISSING,
        f"{code}.{year}",
        f"nobody publishes the holidays of {code} {year}: deadlines count Monday to Friday until they are recorded",
        next_action="record the calendar, or name another place in the contract (holidays_of)",
    )
    return "missing"
