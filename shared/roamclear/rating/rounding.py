"""The one rounding of money: half-up to minor units, per CDR and component line, once (rules.md 7)."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal

from roamclear.kernel.errors import InvalidInput
from roamclear.kernel.money import Money, total
from roamclear.rating.model import RatedLine, Rating, RatingLine


def round_lines(lines: Iterable[RatingLine], currency: str, limit: Decimal | None = None) -> tuple[RatedLine, ...]:
    """Round each line; ``limit`` is the total a CAP line must lead to, so that rounding cannot step over it."""
    rated: list[RatedLine] = []
    for line in lines:
        net = Money.from_decimal(line.amount, currency, rounding=ROUND_HALF_UP)
        if line.component == "CAP" and limit is not None:
            bound = Money.from_decimal(limit, currency, rounding=ROUND_HALF_UP)
            net = bound - total((r.net for r in rated), currency)
        rated.append(RatedLine(line=line, net=net))
    return tuple(rated)


def round_components(rating: Rating, currency: str) -> tuple[RatedLine, ...]:
    """Minor-unit amounts of a rating's lines; their sum is what the session costs net.

    A price limit is its own CAP line, the last one: it takes the rounded lines to the rounded limit.

    Raises:
        InvalidInput: another currency, or prices that include a tax of unknown rate.
    """
    if rating.currency != currency:
        raise InvalidInput(f"the rating is in {rating.currency}, not {currency}", field="currency")
    if rating.total_excl_vat is None:
        raise InvalidInput("the net price cannot be derived: a tax is included at an unknown rate", field="vat")
    return round_lines(rating.lines, currency, limit=rating.total_excl_vat)
