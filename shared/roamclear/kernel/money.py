"""Integer minor units with a currency, and the one door between them and ``Decimal``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal
from fractions import Fraction
from typing import Any

from roamclear.kernel.errors import InvalidInput, InvariantBroken

HALF_UP = ROUND_HALF_UP
#: ISO 4217 minor units where they are not 2; the list covers the currencies of roaming in Europe.
_EXPONENTS = {"BHD": 3, "CLP": 0, "ISK": 0, "JPY": 0, "KRW": 0, "KWD": 3, "TND": 3, "VND": 0}
_LIMIT_MINOR = 10**15
#: Moving the point is exact for every number that may come in; the surrounding context keeps only 28 digits.
_EXACT = Context(prec=400)


def minor_digits(currency: str) -> int:
    """Digits after the point of a currency (ISO 4217).

    >>> minor_digits("EUR"), minor_digits("ISK")
    (2, 0)
    """
    return _EXPONENTS.get(currency, 2)


def check_currency(currency: str) -> str:
    """Return the currency if it has the form of ISO 4217, else raise ``InvalidInput``.

    >>> check_currency("EUR")
    'EUR'
    """
    if len(currency) != 3 or not currency.isascii() or not currency.isalpha() or not currency.isupper():
        raise InvalidInput(f"currency {currency!r} is not three capital letters (ISO 4217)", field="currency")
    return currency


@dataclass(frozen=True, slots=True, order=False)
class Money:
    """An exact amount: ``amount_minor`` in minor units of ``currency``.

    >>> Money(481, "EUR") + Money(19, "EUR")
    Money(500, 'EUR')
    >>> print(Money(-1234567, "EUR"))
    -12345.67 EUR
    """

    amount_minor: int
    currency: str

    def __post_init__(self) -> None:
        if type(self.amount_minor) is not int:
            raise TypeError("amount_minor is an int of minor units")
        if abs(self.amount_minor) > _LIMIT_MINOR:
            raise InvariantBroken("amount beyond the limit of the house", amount_minor=self.amount_minor)
        check_currency(self.currency)

    @classmethod
    def zero(cls, currency: str) -> Money:
        """Nothing, of a currency."""
        return cls(0, currency)

    @classmethod
    def from_decimal(cls, value: Decimal, currency: str, *, rounding: str) -> Money:
        """Round a decimal amount to minor units; the rounding mode has no default on purpose.

        >>> Money.from_decimal(Decimal("4.81455"), "EUR", rounding=HALF_UP)
        Money(481, 'EUR')
        >>> Money.from_decimal(Decimal("-0.005"), "EUR", rounding=HALF_UP)
        Money(-1, 'EUR')
        """
        if not isinstance(value, Decimal) or not value.is_finite():
            raise TypeError("a finite Decimal is required")
        scaled = value.scaleb(minor_digits(currency), context=_EXACT).to_integral_value(rounding=rounding)
        return cls(int(scaled), currency)

    @classmethod
    def exact(cls, value: Decimal, currency: str) -> Money:
        """Take a decimal that must already be whole minor units (a bank amount); else ``InvalidInput``.

        >>> Money.exact(Decimal("12.30"), "EUR")
        Money(1230, 'EUR')
        """
        scaled = value.scaleb(minor_digits(currency), context=_EXACT)
        if scaled != scaled.to_integral_value():
            raise InvalidInput(f"{value} {currency} has a part of a minor unit", field="amount")
        return cls(int(scaled), currency)

    def to_decimal(self) -> Decimal:
        """The amount in major units with all its places.

        >>> Money(100, "EUR").to_decimal()
        Decimal('1.00')
        """
        return Decimal(self.amount_minor).scaleb(-minor_digits(self.currency))

    def _same(self, other: Money) -> None:
        if self.currency != other.currency:
            raise InvariantBroken(f"{self.currency} and {other.currency} do not add", left=self.currency)

    def __add__(self, other: Money) -> Money:
        self._same(other)
        return Money(self.amount_minor + other.amount_minor, self.currency)

    def __sub__(self, other: Money) -> Money:
        self._same(other)
        return Money(self.amount_minor - other.amount_minor, self.currency)

    def __neg__(self) -> Money:
        return Money(-self.amount_minor, self.currency)

    def __abs__(self) -> Money:
        return Money(abs(self.amount_minor), self.currency)

    def __lt__(self, other: Money) -> bool:
        self._same(other)
        return self.amount_minor < other.amount_minor

    def __le__(self, other: Money) -> bool:
        self._same(other)
        return self.amount_minor <= other.amount_minor

    def __bool__(self) -> bool:
        return self.amount_minor != 0

    def __repr__(self) -> str:
        return f"Money({self.amount_minor}, {self.currency!r})"

    def __str__(self) -> str:
        return f"{self.to_decimal():f} {self.currency}"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """Money inside a ``Record`` is ``{"amount_minor": int, "currency": str}``."""
        from pydantic_core import core_schema

        def load(value: Any) -> Money:
            if isinstance(value, Money):
                return value
            if isinstance(value, dict) and set(value) == {"amount_minor", "currency"}:
                amount = value["amount_minor"]
                if isinstance(amount, Decimal) and amount == amount.to_integral_value():
                    amount = int(amount)
                if type(amount) is int:
                    return cls(amount, value["currency"])
            raise ValueError("money is {amount_minor: int, currency: str}")

        return core_schema.no_info_plain_validator_function(
            load,
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda m: {"amount_minor": m.amount_minor, "currency": m.currency}
            ),
        )


def total(items: Iterable[Money], currency: str) -> Money:
    """Sum of amounts of one currency; an empty sum is zero of it.

    >>> total([Money(1, "EUR"), Money(2, "EUR")], "EUR")
    Money(3, 'EUR')
    """
    result = Money.zero(currency)
    for item in items:
        result = result + item
    return result


def allocate(amount: Money, weights: Sequence[int | Decimal]) -> list[Money]:
    """Split an amount by weights so that the parts sum to the whole (largest remainder, ties to the first).

    >>> allocate(Money(100, "EUR"), [1, 1, 1])
    [Money(34, 'EUR'), Money(33, 'EUR'), Money(33, 'EUR')]
    >>> allocate(Money(-5, "EUR"), [1, 1])
    [Money(-3, 'EUR'), Money(-2, 'EUR')]
    """
    if not all(Decimal(w).is_finite() for w in weights):
        raise InvalidInput("weights are numbers", field="weights")
    exact = [Fraction(w) for w in weights]
    if not exact or any(w < 0 for w in exact) or not any(exact):
        raise InvalidInput("weights are not negative and not all zero", field="weights")
    whole = sum(exact)
    sign = -1 if amount.amount_minor < 0 else 1
    size = abs(amount.amount_minor)
    shares = [size * w / whole for w in exact]
    floors = [int(s) for s in shares]
    order = sorted(range(len(exact)), key=lambda i: (floors[i] - shares[i], i))
    for i in order[: size - sum(floors)]:
        floors[i] += 1
    return [Money(sign * f, amount.currency) for f in floors]
