"""Decimal arithmetic with its own context: nothing is read from the surroundings (house.md 2 and 3).

Inputs have at most 34 digits, so products and sums are exact in 120. Only a division by 3600 or by a gross factor can
have no end; such results are carried to 120 digits and leave the room rounded to 34, which is finer than any amount.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_HALF_UP, Context, Decimal, DivisionByZero, InvalidOperation, Overflow

EXACT = Context(prec=120, rounding=ROUND_HALF_UP, traps=[InvalidOperation, DivisionByZero, Overflow])
OUTWARD = Context(prec=34, rounding=ROUND_HALF_UP, traps=[InvalidOperation, DivisionByZero, Overflow])
SECONDS_PER_HOUR = Decimal(3600)
WH_PER_KWH = Decimal(1000)


def outward(value: Decimal) -> Decimal:
    """A result as it leaves the room: 34 digits, zero without a sign."""
    rounded = OUTWARD.plus(value)
    return rounded if rounded else Decimal(0)


def half_up(value: Decimal, places: int) -> Decimal:
    """Round half away from zero to ``places`` decimals.

    >>> half_up(Decimal("-0.00005"), 4)
    Decimal('-0.0001')
    """
    return value.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP, context=EXACT)


def plain(value: Decimal) -> str:
    """A decimal without exponent and trailing zeros.

    >>> plain(Decimal("12.300")), plain(Decimal("1E+2")), plain(Decimal("-0.0"))
    ('12.3', '100', '0')
    """
    text = f"{value:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def step_up(total: Decimal, step: int, *, whole: bool) -> Decimal:
    """Round a total up to a multiple of ``step``; no step (0) and nothing used stay as they are.

    ``whole`` first rounds to whole units: hours carry four decimals, so 40 minutes arrive as 2400.12 seconds and must
    not start another step. Energy is not rounded before (115.2 Wh in steps of 1 are 116).

    >>> step_up(Decimal("2400.12"), 900, whole=True), step_up(Decimal("115.2"), 1, whole=False)
    (Decimal('2700'), Decimal('116'))
    """
    if step <= 0 or total <= 0:
        return total
    if whole:
        total = total.to_integral_value(rounding=ROUND_HALF_UP)
    steps = EXACT.divide(total, Decimal(step)).to_integral_value(rounding=ROUND_CEILING)
    return EXACT.multiply(steps, Decimal(step))
