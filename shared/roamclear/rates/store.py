"""Rows of rates, one partition per issuer and currency, and of their corrections."""

from __future__ import annotations

from datetime import date

from roamclear.aws import keys
from roamclear.kernel.context import Database
from roamclear.kernel.writes import Put, Table, When
from roamclear.rates.model import Publication, Rate, RateCorrection


def save_put(made: Rate) -> Put:
    """Write a record once."""
    key = keys.rate(made.issuer_id, made.currency, made.day.isoformat(), made.number)
    return Put(Table.CLEARING, key, made.dump())


def of_day(db: Database, issuer_id: str, currency: str, day: date) -> list[Rate]:
    """Every record of a day, oldest first; the last one counts."""
    first = keys.rate(issuer_id, currency, day.isoformat())
    return [Rate.load(row) for row in db.rows(Table.CLEARING, first.pk, prefix=first.sk, consistent=True)]


def between(db: Database, issuer_id: str, currency: str, first: date, last: date) -> list[Rate]:
    """Every record of a span of days, both inclusive, the latest first."""
    pk = keys.rate(issuer_id, currency, "").pk
    # "$" stands behind "#" and before every digit: the last day is included with its corrections.
    after, before = first.isoformat(), f"{last.isoformat()}$"
    rows = db.rows(Table.CLEARING, pk, after=after, before=before, forward=False, consistent=True)
    return [Rate.load(row) for row in rows]


def first_records(db: Database, issuer_id: str, currencies: list[str], day: date) -> dict[str, Rate]:
    """What was recorded first for a day, by currency."""
    wanted = [keys.rate(issuer_id, currency, day.isoformat()) for currency in currencies]
    return {row["currency"]: Rate.load(row) for row in db.get_many(Table.CLEARING, wanted).values()}


def publication_put(made: Publication) -> Put:
    """What was published for a day, written once."""
    return Put(Table.CLEARING, keys.rates_published(made.issuer_id, made.day.isoformat()), made.dump())


def published_days(db: Database, issuer_id: str, first: date, last: date) -> set[date]:
    """The days of a span, both inclusive, whose rates the schedule stored."""
    pk = keys.rates_published(issuer_id, "").pk
    rows = db.rows(Table.CLEARING, pk, after=first.isoformat(), before=f"{last.isoformat()}$", consistent=True)
    return {date.fromisoformat(row["sk"]) for row in rows}


# ---- corrections ---------------------------------------------------------------------------------------------------
def correction(db: Database, issuer_id: str, correction_id: str) -> RateCorrection | None:
    """One correction or None."""
    row = db.get(Table.CLEARING, keys.rate_correction(issuer_id, correction_id))
    return RateCorrection.load(row) if row else None


def corrections(db: Database, issuer_id: str, prefix: str = "") -> list[RateCorrection]:
    """The corrections of an issuer whose ids begin so, by currency and day."""
    pk = keys.rate_correction(issuer_id, "").pk
    rows = db.rows(Table.CLEARING, pk, prefix=prefix or None, consistent=True)
    return [RateCorrection.load(row) for row in rows]


def correction_put(made: RateCorrection, known: RateCorrection | None) -> Put:
    """The first or next state of a correction, over exactly the one that was read."""
    key = keys.rate_correction(made.issuer_id, made.correction_id)
    if known is None:
        return Put(Table.CLEARING, key, made.dump())
    item = made.model_copy(update={"changed": known.changed + 1}).dump()
    return Put(Table.CLEARING, key, item, when=(When("changed", "=", known.changed),))
