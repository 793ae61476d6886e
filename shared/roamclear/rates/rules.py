"""Crossing two published rates, and how old a rate may be. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal

from roamclear.kernel.money import Money

BASE = "EUR"
#: No rate is published on weekends and holidays; the longest gap of a year is five days.
MOST_DAYS = 7
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
    """The oldest day whose rate still counts for a day."""
    return day - timedelta(days=MOST_DAYS)
