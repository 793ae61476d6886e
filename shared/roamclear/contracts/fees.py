"""Fees on top of the sessions (product.md row 32): what is agreed, and what it comes to for one run. Pure.

Amounts are rounded half-up to the minor unit once per fee and run. A fee is a service of its own, so each has its own
VAT treatment and is a line of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from itertools import pairwise

from pydantic import Field, model_validator

from roamclear.contracts.vat import VatTreatment
from roamclear.kernel.money import HALF_UP, Money
from roamclear.kernel.record import Record
from roamclear.kernel.time import next_month

#: Fees of one contract version; each is a line of the document and a part of the run's row.
MOST_FEES = 20
_HUNDRED = Decimal(100)


class FeeKind(StrEnum):
    """What a fee counts: sessions, kWh, major units of session net (percent), chargers used, or months."""

    PER_SESSION = "PER_SESSION"
    PER_KWH = "PER_KWH"
    PERCENT = "PERCENT"
    PER_EVSE = "PER_EVSE"
    MONTHLY = "MONTHLY"


class TierMode(StrEnum):
    """MARGINAL: each part of the quantity at its own tier's price. VOLUME: all of it at that of the tier reached."""

    MARGINAL = "MARGINAL"
    VOLUME = "VOLUME"


class Tier(Record):
    """A price for what lies above a quantity; exactly ``above`` still belongs to the tier below."""

    above: Decimal = Field(gt=0, max_digits=14, decimal_places=4)
    price: Decimal = Field(ge=0, max_digits=12, decimal_places=6)


class Fee(Record):
    """One agreed fee. ``price`` is in major units per piece, kWh, charger or month; for PERCENT in percent.

    ``power_type`` limits it to sessions at AC or DC connectors (as their CDRs state). ``minimum`` is in major units per
    billing period. A period without sessions owes the fee only where ``without_sessions`` says so.
    """

    code: str = Field(pattern=r"^[A-Z0-9][A-Z0-9_-]{0,29}$")
    name: str = Field(min_length=1, max_length=100)
    kind: FeeKind
    price: Decimal = Field(ge=0, max_digits=12, decimal_places=6)
    tiers: tuple[Tier, ...] = Field((), max_length=10)
    tier_mode: TierMode = TierMode.MARGINAL
    power_type: str | None = Field(None, pattern=r"^(AC|DC)$")
    minimum: Decimal | None = Field(None, gt=0, max_digits=12, decimal_places=4)
    without_sessions: bool = False
    vat: VatTreatment

    @model_validator(mode="after")
    def _fits(self) -> Fee:
        if any(a.above >= b.above for a, b in pairwise(self.tiers)):
            raise ValueError("tiers: each begins above the one before")
        if self.kind is FeeKind.MONTHLY and (self.tiers or self.power_type):
            raise ValueError("a MONTHLY fee counts nothing: it has neither tiers nor a power type")
        if self.kind is FeeKind.PERCENT and max([self.price, *(t.price for t in self.tiers)]) > _HUNDRED:
            raise ValueError("price: a share lies between 0 and 100 percent")
        if not self.price and not self.tiers and self.minimum is None:
            raise ValueError("price: a fee of nothing is no fee")
        return self


class Usage(Record):
    """What the locked sessions of a run come to, in one fee's scope; credits count negative."""

    sessions: int
    energy_kwh: Decimal
    net: Money
    evses: int


class FeeCharge(Record):
    """What one fee comes to in one run: frozen with the lock, printed as one line.

    ``quantity`` has the sign of ``net``; ``unit_price`` is there only where quantity x price, rounded, is the net.
    ``counted`` is what was counted (major units of session net for PERCENT), ``percent`` the one share applied to it.
    """

    code: str
    name: str
    kind: FeeKind
    contract_version: int
    quantity: Decimal
    net: Money
    unit_price: Decimal | None = None
    counted: Decimal | None = None
    percent: Decimal | None = None
    minimum: bool = False
    vat_category: str
    vat_rate: Decimal = Decimal(0)
    vat_reason: str | None = None
    first: date
    end: date


@dataclass(frozen=True, slots=True)
class Span:
    """A billing period ``[first, end)`` and the days of it that the contract covers.

    ``months`` is how many months the period stands for (1 or 3), or None where it is shorter than a month.
    """

    first: date
    end: date
    covered_first: date
    covered_end: date
    months: int | None


def span(first: date, end: date, months: int | None, valid_from: date, valid_to: date | None) -> Span:
    """The covered days of a period; a contract that ended before it covers none.

    >>> s = span(date(2026, 10, 1), date(2026, 11, 1), 1, date(2026, 10, 16), None)
    >>> s.covered_first.isoformat(), s.covered_end.isoformat()
    ('2026-10-16', '2026-11-01')
    """
    begins = min(max(first, valid_from), end)
    ends = max(min(end, valid_to) if valid_to else end, begins)
    return Span(first, end, begins, ends, months)


def charge(fee: Fee, usage: Usage, period: Span, version: int, *, any_session: bool) -> FeeCharge | None:
    """What a fee comes to in a run, or None where it is nothing.

    Args:
        any_session: whether the run has locked any session (in the fee's scope or not); corrections of earlier ones
            are none: what is counted of them stands alone, without a price per month and without a minimum.
    """
    covered = period.covered_first < period.covered_end
    owed = any_session or (fee.without_sessions and covered)
    currency = usage.net.currency
    counted = _counted(fee, usage)
    if counted is None and not owed:
        return None
    net = _monthly(fee.price, period, currency) if counted is None else amount(fee, counted, currency)
    least = Money.from_decimal(fee.minimum, currency, rounding=HALF_UP) if fee.minimum is not None else None
    raised = owed and least is not None and net < least and (counted is not None or covered)
    if raised and least is not None:
        net = least
    if not net:
        return None
    quantity, unit_price = (_sign(net), None) if raised else _shown(fee, counted, net, period)
    return FeeCharge(
        code=fee.code,
        name=fee.name,
        kind=fee.kind,
        contract_version=version,
        quantity=quantity,
        net=net,
        unit_price=unit_price,
        counted=counted,
        percent=_one_price(fee, counted) if fee.kind is FeeKind.PERCENT and counted is not None else None,
        minimum=raised,
        vat_category=fee.vat.category.value,
        vat_rate=fee.vat.rate_percent,
        vat_reason=fee.vat.reason,
        first=period.covered_first if covered else period.first,
        end=period.covered_end if covered else period.end,
    )


def amount(fee: Fee, counted: Decimal, currency: str) -> Money:
    """A counted quantity at the fee's price or tiers, rounded half-up once; a negative one gives back the same.

    >>> vat = VatTreatment(category="S", rate_percent=Decimal(19))
    >>> fee = Fee(code="K", name="Energy", kind="PER_KWH", price=Decimal("0.0125"), vat=vat)
    >>> amount(fee, Decimal("1234.5678"), "EUR"), amount(fee, Decimal("-1234.5678"), "EUR")
    (Money(1543, 'EUR'), Money(-1543, 'EUR'))
    """
    size = abs(counted)
    if fee.tier_mode is TierMode.VOLUME:
        exact = size * _reached(fee, size)
    else:
        exact = sum((part * price for part, price in _parts(fee, size)), Decimal(0))
    exact = exact / _HUNDRED if fee.kind is FeeKind.PERCENT else exact
    return Money.from_decimal(exact if counted >= 0 else -exact, currency, rounding=HALF_UP)


def _counted(fee: Fee, usage: Usage) -> Decimal | None:
    found = {
        FeeKind.PER_SESSION: Decimal(usage.sessions),
        FeeKind.PER_KWH: usage.energy_kwh,
        FeeKind.PERCENT: usage.net.to_decimal(),
        FeeKind.PER_EVSE: Decimal(usage.evses),
    }
    return found.get(fee.kind)


def _reached(fee: Fee, size: Decimal) -> Decimal:
    """The price of the tier in which a quantity ends."""
    return next((tier.price for tier in reversed(fee.tiers) if size > tier.above), fee.price)


def _parts(fee: Fee, size: Decimal) -> Iterator[tuple[Decimal, Decimal]]:
    """Each part of a quantity with its own price."""
    bounds = [Decimal(0), *(tier.above for tier in fee.tiers), None]
    prices = [fee.price, *(tier.price for tier in fee.tiers)]
    for place, price in enumerate(prices):
        low, high = bounds[place] or Decimal(0), bounds[place + 1]
        if size > low:
            yield (size if high is None else min(size, high)) - low, price


def _monthly(price: Decimal, period: Span, currency: str) -> Money:
    """A price per month for the covered days of a period.

    A period of one or three months costs that many prices, by days where the contract covers a part of it. Shorter
    periods are parts of calendar months, cut so that the parts of a month sum to its price to the minor unit.
    """
    days = (period.covered_end - period.covered_first).days
    if period.months is not None:
        whole = (period.end - period.first).days
        return Money.from_decimal(price * period.months * days / whole, currency, rounding=HALF_UP)
    parts = [
        _until(price, last, length, currency) - _until(price, before, length, currency)
        for before, last, length in _month_days(period.covered_first, period.covered_end)
    ]
    return sum(parts, Money.zero(currency))


def _until(price: Decimal, day: int, length: int, currency: str) -> Money:
    return Money.from_decimal(price * day / length, currency, rounding=HALF_UP)


def _month_days(first: date, end: date) -> Iterator[tuple[int, int, int]]:
    """Days of each calendar month in ``[first, end)``: days of the month before them, with them, and in all.

    >>> list(_month_days(date(2026, 10, 26), date(2026, 11, 2)))
    [(25, 31, 31), (0, 1, 30)]
    """
    while first < end:
        start = first.replace(day=1)
        following = next_month(first)
        last = min(end, following)
        yield (first - start).days, (last - start).days, (following - start).days
        first = last


def _shown(fee: Fee, counted: Decimal | None, net: Money, period: Span) -> tuple[Decimal, Decimal | None]:
    """The quantity of the line and, where one price made it, that price."""
    if counted is None:
        whole = (period.covered_first, period.covered_end) == (period.first, period.end)
        return (Decimal(period.months), fee.price) if period.months and whole else (Decimal(1), None)
    if fee.kind is FeeKind.PERCENT:
        return _sign(net), None
    return counted, _one_price(fee, counted)


def _one_price(fee: Fee, counted: Decimal) -> Decimal | None:
    """The price of all that was counted, or None where parts of it had their own."""
    return None if fee.tiers and fee.tier_mode is TierMode.MARGINAL else _reached(fee, abs(counted))


def _sign(net: Money) -> Decimal:
    return Decimal(1 if net.amount_minor > 0 else -1)


def faults(fees: Sequence[Fee]) -> list[str]:
    """What forbids a list of fees: a code stands for one fee of a version.

    >>> faults(())
    []
    """
    codes = [fee.code for fee in fees]
    return [f"fees: the code {code} stands twice" for code in sorted({c for c in codes if codes.count(c) > 1})]
