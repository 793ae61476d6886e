"""Crossing two published rates, and which day's rate counts. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal

from roamclear.kernel.money import Money
from roamclear.kernel.time import zone
from roamclear.kernel.workdays import business_day_before, is_business_day
from roamclear.rates.model import Rate

BASE = "EUR"
#: The ECB publishes about 16:00 in Frankfurt on every TARGET day.
PUBLISHED_AT = time(16)
PUBLISHED_IN = "Europe/Berlin"
#: Digits of a crossed rate: what is printed is what was calculated with.
_EIGHT = Context(prec=8, rounding=ROUND_HALF_UP)


def crossed(rates: Mapping[str, Decimal], source: str, target: str) -> Decimal:
    """Units of the target per unit of the source, out of the rates of one day per euro.

    A published rate stays as it is; a crossed one has eight significant digits.

    >>> crossed({"PLN": Decimal("4.2512")}, "EUR", "PLN")
    Decimal('4.2512')
    >>> crossed({"HUF": Decimal("395.10")}, "HUF", "EUR")
    Decimal('0.0025310048')
    """
    if source == BASE:
        return rates[target]
    return _EIGHT.divide(rates[target] if target != BASE else Decimal(1), rates[source])


def converted(amount: Money, rate: Decimal, target: str) -> Money:
    """An amount in the target currency, rounded half-up once.

    >>> converted(Money(10000, "EUR"), Decimal("4.25125"), "PLN")
    Money(42513, 'PLN')
    """
    return Money.from_decimal(amount.to_decimal() * rate, target, rounding=ROUND_HALF_UP)


def earliest(day: date) -> date:
    """The oldest day whose rate still counts for a day (Art. 91: the latest published at the time).

    When a day begins, the rate of the last TARGET day before it is published. An older one is therefore not the
    latest, it only is the last that was stored: a document that found nothing younger is held.

    >>> earliest(date(2026, 11, 9)).isoformat(), earliest(date(2026, 4, 7)).isoformat()
    ('2026-11-06', '2026-04-02')
    """
    return business_day_before(day)


def last_published(now: datetime) -> date:
    """The latest day whose rates are published at an instant.

    >>> from datetime import UTC
    >>> last_published(datetime(2026, 11, 9, 14, 59, tzinfo=UTC)).isoformat()
    '2026-11-06'
    >>> last_published(datetime(2026, 11, 9, 15, 0, tzinfo=UTC)).isoformat()
    '2026-11-09'
    """
    local = now.astimezone(zone(PUBLISHED_IN))
    if is_business_day(local.date()) and local.time() >= PUBLISHED_AT:
        return local.date()
    return business_day_before(local.date())


def published_between(first: date, last: date) -> list[date]:
    """The days of a span on which rates are published, both inclusive, oldest first.

    >>> [day.isoformat() for day in published_between(date(2026, 4, 2), date(2026, 4, 7))]
    ['2026-04-02', '2026-04-07']
    """
    days = (first + timedelta(days=n) for n in range((last - first).days + 1))
    return [day for day in days if is_business_day(day)]


def in_force(rates: Iterable[Rate]) -> dict[date, Rate]:
    """The record that counts of each day: the one with the highest number."""
    found: dict[date, Rate] = {}
    for rate in rates:
        if rate.day not in found or found[rate.day].number < rate.number:
            found[rate.day] = rate
    return found
