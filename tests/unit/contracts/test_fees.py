"""Fees on top: what counts, tiers and their edges, minimum, months in parts (product.md row 32)."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from roamclear.contracts.fees import Fee, FeeCharge, Span, Usage, amount, charge, faults, span
from roamclear.kernel.money import Money

VAT = {"category": "S", "rate_percent": Decimal(19)}
OCTOBER = span(date(2026, 10, 1), date(2026, 11, 1), 1, date(2026, 1, 1), None)
TIERS = (
    {"above": Decimal(100), "price": Decimal("0.20")},
    {"above": Decimal(200), "price": Decimal("0.10")},
)


def fee(kind: str, amount_text: str, **changes: Any) -> Fee:
    return Fee.model_validate(
        {"code": "F1", "name": "Fee", "kind": kind, "price": Decimal(amount_text), "vat": VAT} | changes
    )


def usage(sessions: int = 0, kwh: str = "0", net: int = 0, evses: int = 0) -> Usage:
    return Usage(sessions=sessions, energy_kwh=Decimal(kwh), net=Money(net, "EUR"), evses=evses)


def come_to(of: Fee, used: Usage, period: Span = OCTOBER, *, any_session: bool = True) -> FeeCharge | None:
    return charge(of, used, period, 1, any_session=any_session)


def due(of: Fee, used: Usage, period: Span = OCTOBER, *, any_session: bool = True) -> FeeCharge:
    found = come_to(of, used, period, any_session=any_session)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("of", "used", "net", "quantity", "price"),
    [
        (fee("PER_SESSION", "0.35"), usage(sessions=7), 245, "7", "0.35"),
        (fee("PER_KWH", "0.0125"), usage(kwh="1234.5678"), 1543, "1234.5678", "0.0125"),
        (fee("PER_KWH", "0.005"), usage(kwh="1"), 1, "1", "0.005"),
        (fee("PERCENT", "2.5"), usage(net=83_00), 208, "1", None),
        (fee("PERCENT", "0.5"), usage(net=1_00), 1, "1", None),
        (fee("PER_EVSE", "1.20"), usage(evses=3), 360, "3", "1.20"),
        (fee("MONTHLY", "49.90"), usage(), 4990, "1", "49.90"),
        (fee("PER_SESSION", "0.35"), usage(sessions=-2), -70, "-2", "0.35"),
        (fee("PERCENT", "2.5"), usage(net=-83_00), -208, "-1", None),
    ],
)
def test_what_each_kind_comes_to(of: Fee, used: Usage, net: int, quantity: str, price: str | None) -> None:
    found = due(of, used)
    assert (found.net, found.quantity) == (Money(net, "EUR"), Decimal(quantity))
    assert found.unit_price == (Decimal(price) if price else None)
    assert (found.vat_category, found.vat_rate) == ("S", Decimal(19))


@pytest.mark.parametrize(
    ("size", "marginal", "volume"),
    [
        ("0", 0, 0),
        ("100", 3000, 3000),
        ("100.0001", 3000, 2000),
        ("150", 4000, 3000),
        ("200", 5000, 4000),
        ("200.0001", 5000, 2000),
        ("1000", 13000, 10000),
        ("-150", -4000, -3000),
    ],
)
def test_the_edge_of_a_tier_belongs_to_the_tier_below(size: str, marginal: int, volume: int) -> None:
    parts = fee("PER_KWH", "0.30", tiers=TIERS)
    whole = fee("PER_KWH", "0.30", tiers=TIERS, tier_mode="VOLUME")
    assert amount(parts, Decimal(size), "EUR") == Money(marginal, "EUR")
    assert amount(whole, Decimal(size), "EUR") == Money(volume, "EUR")


def test_one_price_is_printed_only_where_one_price_was_used() -> None:
    parts = due(fee("PER_KWH", "0.30", tiers=TIERS), usage(kwh="150"))
    whole = due(fee("PER_KWH", "0.30", tiers=TIERS, tier_mode="VOLUME"), usage(kwh="150"))
    assert parts.unit_price is None
    assert whole.unit_price == Decimal("0.20")


def test_a_minimum_raises_what_is_below_it() -> None:
    of = fee("PER_SESSION", "0.35", minimum=Decimal("5"))
    raised = due(of, usage(sessions=3))
    assert (raised.net, raised.minimum, raised.quantity, raised.unit_price) == (Money(500, "EUR"), True, 1, None)
    reached = due(of, usage(sessions=15))
    assert (reached.net, reached.minimum) == (Money(525, "EUR"), False)
    credited = due(of, usage(sessions=-1))
    assert (credited.net, credited.quantity) == (Money(500, "EUR"), 1)


def test_a_period_without_sessions_owes_a_fee_only_by_contract() -> None:
    assert come_to(fee("MONTHLY", "49.90"), usage(), any_session=False) is None
    found = due(fee("MONTHLY", "49.90", without_sessions=True), usage(), any_session=False)
    assert found.net == Money(4990, "EUR")
    least = due(fee("PER_KWH", "0.01", minimum=Decimal(2), without_sessions=True), usage(), any_session=False)
    assert least.net == Money(200, "EUR")
    assert come_to(fee("PER_KWH", "0.01", without_sessions=True), usage(), any_session=False) is None


def test_a_month_is_cut_by_days_where_the_contract_covers_a_part() -> None:
    late = span(date(2026, 10, 1), date(2026, 11, 1), 1, date(2026, 10, 16), None)
    found = due(fee("MONTHLY", "31.00"), usage(), late)
    assert (found.net, found.quantity, found.unit_price) == (Money(1600, "EUR"), 1, None)
    assert (found.first, found.end) == (date(2026, 10, 16), date(2026, 11, 1))
    over = span(date(2026, 10, 1), date(2026, 11, 1), 1, date(2026, 1, 1), date(2026, 9, 1))
    minimum = fee("MONTHLY", "31.00", minimum=Decimal(5))
    assert come_to(minimum, usage(), over) is None
    lasting = fee("PER_SESSION", "0.35", minimum=Decimal(5), without_sessions=True)
    assert come_to(lasting, usage(), over, any_session=False) is None
    quarter = span(date(2026, 10, 1), date(2027, 1, 1), 3, date(2026, 1, 1), None)
    whole = due(fee("MONTHLY", "31.00"), usage(), quarter)
    assert (whole.net, whole.quantity) == (Money(9300, "EUR"), 3)


@given(cents=st.integers(1, 100_000), start=st.integers(0, 400))
def test_weeks_sum_to_the_months_they_lie_in(cents: int, start: int) -> None:
    of = fee("MONTHLY", str(Decimal(cents).scaleb(-2)))
    first = date(2026, 1, 1) + timedelta(days=start)
    first, last = first.replace(day=1), (first.replace(day=1) + timedelta(days=32)).replace(day=1)
    total, day = 0, first
    while day < last:
        end = min(day + timedelta(days=7), last)
        found = come_to(of, usage(), span(day, end, None, date(2020, 1, 1), None))
        total += found.net.amount_minor if found else 0
        day = end
    assert total == cents


@pytest.mark.parametrize(
    "changes",
    [
        {"price": Decimal(0)},
        {"price": Decimal(-1)},
        {"price": Decimal("0.0000001")},
        {"tiers": (TIERS[1], TIERS[0])},
        {"tiers": (TIERS[0], TIERS[0])},
        {"tiers": ({"above": Decimal(-1), "price": Decimal(1)},)},
        {"power_type": "AC_3_PHASE"},
        {"minimum": Decimal(0)},
        {"code": "lower"},
    ],
)
def test_a_fee_that_means_nothing_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        fee("PER_KWH", "0.30", **changes)


def test_a_code_stands_for_one_fee() -> None:
    assert faults([fee("PER_KWH", "1"), fee("PER_SESSION", "1")]) == ["fees: the code F1 stands twice"]


def test_kinds_refuse_what_does_not_belong_to_them() -> None:
    for kind, changes in (
        ("MONTHLY", {"tiers": TIERS}),
        ("MONTHLY", {"power_type": "DC"}),
        ("PERCENT", {"price": Decimal("100.01")}),
        ("PERCENT", {"tiers": ({"above": Decimal(1), "price": Decimal(101)},)}),
    ):
        with pytest.raises(ValidationError):
            fee(kind, "1", **changes)
