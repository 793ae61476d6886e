"""What counts as a working day: reading the stored holidays, and recording them by a person."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date

from roamclear.audit import service as audit
from roamclear.calendars import store
from roamclear.calendars.model import CODE, CalendarYear, Closings
from roamclear.identity.model import Actor, Right
from roamclear.identity.rules import authorise
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionType
from roamclear.kernel.context import Context
from roamclear.kernel.errors import InvalidInput
from roamclear.kernel.retry import again_on_race
from roamclear.kernel.workdays import target_closings
from roamclear.kernel.writes import Table

TARGET = "TARGET"
_RACES = (Table.AUDIT, Table.CLEARING)


def closings(ctx: Context, issuer_id: str, code: str, day: date) -> Closings:
    """The stored holidays of a place in the year of a day and in the next one, for a deadline that begins there."""
    found = [state for year in (day.year, day.year + 1) if (state := store.latest(ctx.db, issuer_id, code, year))]
    days = frozenset(day for state in found for day in state.days)
    return Closings(days, tuple(state.label for state in found))


def target(ctx: Context, issuer_id: str, day: date) -> frozenset[date]:
    """The TARGET closings stored for the year of a day; its own rule holds beside them."""
    state = store.latest(ctx.db, issuer_id, TARGET, day.year)
    return frozenset(state.days) if state else frozenset()


def states(ctx: Context, actor: Actor, issuer_id: str, code: str, year: int) -> list[CalendarYear]:
    """Every state of a year's holidays, oldest first; the last one counts."""
    authorise(actor, Right.CONTRACT_VIEW, issuer_id)
    _require(code, year)
    return store.states(ctx.db, issuer_id, code, year)


def record(
    ctx: Context, actor: Actor, issuer_id: str, code: str, year: int, days: Mapping[date, str], reason: str
) -> CalendarYear:
    """A person says which days are holidays; the same days again are the same. The schedule never overwrites it.

    Deadlines that were set already stay. Closes what told of the year's calendar.

    Raises:
        InvalidInput: no such place or year, a day of another year, or TARGET without the days of its rule.
    """
    authorise(actor, Right.ISSUER_EDIT, issuer_id)
    _require(code, year)
    if any(day.year != year for day in days):
        raise InvalidInput("each holiday lies in the year", field="days")
    if code == TARGET and not set(target_closings(year)) <= set(days):
        raise InvalidInput("TARGET is closed on the days of its rule; name further ones beside them", field="days")

    def attempt() -> CalendarYear:
        known = store.latest(ctx.db, issuer_id, code, year)
        if known is not None and known.source == "PERSON" and known.days == dict(days):
            return known
        made = CalendarYear(
            issuer_id=issuer_id,
            code=code,
            year=year,
            number=known.number + 1 if known else 1,
            days=dict(days),
            source="PERSON",
            reason=reason,
            recorded_by=actor.actor_id,
            recorded_at_utc=ctx.now(),
        )
        save(ctx, made, known)
        return made

    made = again_on_race(attempt, tables=_RACES)
    for kind in (ExceptionType.CALENDAR_CONFLICT, ExceptionType.CALENDAR_MISSING):
        for row in journal.open_of(ctx, issuer_id, kind):
            if row.subject.split("#")[0] == f"{code}.{year}":
                journal.resolve(ctx, issuer_id, kind, row.subject, by=actor.actor_id, reason="a person recorded it")
    return made


def save(ctx: Context, made: CalendarYear, known: CalendarYear | None) -> None:
    """Write the next state with its audit entry; ``ConditionFailed`` where another worker was first."""
    log = audit.entry(
        ctx,
        issuer_id=made.issuer_id,
        kind="CALENDAR",
        object_id=f"{made.code}.{made.year}",
        actor_id=made.recorded_by,
        action="RECORDED",
        details={"before": known.dump() if known else {}, "after": made},
    )
    ctx.db.transact([store.state_put(made), log])


def _require(code: str, year: int) -> None:
    if not re.match(CODE, code):
        raise InvalidInput("a calendar is TARGET, a country or a region (ISO 3166)", field="code")
    if not 2000 <= year <= 2100:
        raise InvalidInput("a year from 2000 to 2100", field="year")
