"""Rows of calendars, one partition per issuer and place."""

from __future__ import annotations

from roamclear.aws import keys
from roamclear.calendars.model import CalendarYear
from roamclear.kernel.context import Database
from roamclear.kernel.writes import Put, Table


def latest(db: Database, issuer_id: str, code: str, year: int) -> CalendarYear | None:
    """The state that counts, or None where nothing is stored."""
    first = keys.calendar_year(issuer_id, code, year, 0)
    prefix = first.sk.split("#", 1)[0] + "#"
    page = db.page(Table.CLEARING, first.pk, prefix=prefix, forward=False, limit=1, consistent=True)
    return CalendarYear.load(page.rows[0]) if page.rows else None


def states(db: Database, issuer_id: str, code: str, year: int) -> list[CalendarYear]:
    """Every state of a year, oldest first."""
    first = keys.calendar_year(issuer_id, code, year, 0)
    prefix = first.sk.split("#", 1)[0] + "#"
    return [CalendarYear.load(row) for row in db.rows(Table.CLEARING, first.pk, prefix=prefix, consistent=True)]


def state_put(made: CalendarYear) -> Put:
    """The next state, written once."""
    return Put(Table.CLEARING, keys.calendar_year(made.issuer_id, made.code, made.year, made.number), made.dump())
