"""Rows of rates, one partition per issuer and currency."""

from __future__ import annotations

from datetime import date

from roamclear.aws import keys
from roamclear.kernel.context import Database
from roamclear.kernel.writes import Put, Table
from roamclear.rates.model import Rate


def save_put(made: Rate) -> Put:
    """Write a rate once."""
    return Put(Table.CLEARING, keys.rate(made.issuer_id, made.currency, made.day.isoformat()), made.dump())


def find(db: Database, issuer_id: str, currency: str, day: date) -> Rate | None:
    """The rate of a day or None."""
    row = db.get(Table.CLEARING, keys.rate(issuer_id, currency, day.isoformat()))
    return Rate.load(row) if row else None


def between(db: Database, issuer_id: str, currency: str, first: date, last: date) -> list[Rate]:
    """The rates of a span of days, both inclusive, the latest first."""
    pk = keys.rate(issuer_id, currency, "").pk
    # "$" stands behind every digit's end: the last day is included.
    after, before = first.isoformat(), f"{last.isoformat()}$"
    rows = db.rows(Table.CLEARING, pk, after=after, before=before, forward=False, consistent=True)
    return [Rate.load(row) for row in rows]
