"""Money never gains or loses a cent, whatever the digits."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Context, Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roamclear.kernel.errors import InvalidInput, InvariantBroken
from roamclear.kernel.money import HALF_UP, Money, allocate, minor_digits, total

AMOUNTS = st.integers(-(10**15), 10**15)
CURRENCIES = st.sampled_from(["EUR", "SEK", "JPY", "KWD"])
WIDE = Context(prec=200)
WEIGHTS = st.lists(
    st.one_of(st.integers(0, 10**40), st.decimals(0, 10**20, allow_nan=False, allow_infinity=False)),
    min_size=1,
    max_size=12,
).filter(any)


@given(AMOUNTS, WEIGHTS, CURRENCIES)
def test_parts_sum_to_the_whole_and_are_fair(amount: int, weights: list[int | Decimal], currency: str) -> None:
    parts = allocate(Money(amount, currency), weights)
    assert total(parts, currency) == Money(amount, currency)
    whole = sum(Fraction(w) for w in weights)
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part.amount_minor - amount * Fraction(weight) / whole) < 1
        assert part.amount_minor * amount >= 0


@given(st.decimals(-(10**11), 10**11, allow_nan=False, allow_infinity=False, places=30), CURRENCIES)
def test_one_rounding_half_up(value: Decimal, currency: str) -> None:
    step = Decimal(1).scaleb(-minor_digits(currency))
    expected = value.quantize(step, ROUND_HALF_UP, context=WIDE)
    assert Money.from_decimal(value, currency, rounding=HALF_UP).to_decimal() == expected


@given(AMOUNTS, CURRENCIES)
def test_there_and_back(amount: int, currency: str) -> None:
    money = Money(amount, currency)
    assert Money.exact(money.to_decimal(), currency) == money
    assert money - money == Money.zero(currency)
    negative = -money
    assert -negative == money


def test_no_second_rounding_on_the_way() -> None:
    value = Decimal("0.00499999999999999999999999999999999999")
    assert Money.from_decimal(value, "EUR", rounding=HALF_UP) == Money(0, "EUR")
    with pytest.raises(InvalidInput):
        Money.exact(Decimal("1.00000000000000000000000000000000001"), "EUR")


@pytest.mark.parametrize("weights", [[], [0, 0], [-1, 2], [Decimal("NaN")], [Decimal("Infinity"), 1]])
def test_weights_that_split_nothing(weights: list[int | Decimal]) -> None:
    with pytest.raises(InvalidInput):
        allocate(Money(1, "EUR"), weights)


def test_currencies_do_not_mix() -> None:
    with pytest.raises(InvariantBroken):
        Money(1, "EUR") + Money(1, "SEK")
