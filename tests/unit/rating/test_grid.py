"""Contract grids, the price that is billed, and the one rounding."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from roamclear.kernel.errors import InvalidInput
from roamclear.kernel.money import Money, total
from roamclear.rating.model import ChargeRecord, Location, Price, Token
from roamclear.rating.service import (
    EvseFacts,
    GridLine,
    PriceGrid,
    Scope,
    Tolerance,
    choose_line,
    compare,
    lines_of_cdr,
    rate_with_grid,
    round_components,
    round_lines,
)
from tests.unit.rating.build import BERLIN, component, element, price, session, tariff

STANDARD = tariff(element(component("ENERGY", "0.39"), component("FLAT", "0.50")))


def line(id_: str, priority: int = 100, **scope: Any) -> GridLine:
    return GridLine(id=id_, tariff=STANDARD, priority=priority, scope=Scope(**scope))


GRID = PriceGrid(
    lines=(
        line("standard", 900),
        line("vip", 1, contract_id_prefixes=("NL-EMS-CVIP",), contract_ids=("NL-EMS-C0000-0007",)),
        line("dc", 10, power_types=("DC",)),
        line("france", 20, countries=("FR",)),
        line("site", 5, evse_group_ids=("motorway", "airport")),
    )
)


def charge(
    contract: str = "NLEMSC00000001", country: str = "DEU", power: str = "AC_3_PHASE", **more: Any
) -> ChargeRecord:
    return session(
        {"ENERGY": more.pop("kwh", "12.345")},
        token=Token(contract_id=contract),
        location=Location(country=country, connector_power_type=power),
        **more,
    )


@pytest.mark.parametrize(
    ("sent", "facts", "expected"),
    [
        (charge(), None, "standard"),
        (charge(contract="nl*ems*cvip12345"), None, "vip"),
        (charge(contract="NLEMSC00000007"), None, "vip"),
        (charge(contract="NLEMSC00000008"), None, "standard"),
        (charge(power="DC"), None, "dc"),
        (charge(), EvseFacts(power_type="DC"), "dc"),
        (charge(country="FRA"), None, "france"),
        (charge(country="FRA"), EvseFacts(country="DE"), "standard"),
        (charge(power="DC"), EvseFacts(group_ids=("airport",)), "site"),
    ],
)
def test_the_first_line_by_priority_whose_scope_fits(
    sent: ChargeRecord, facts: EvseFacts | None, expected: str
) -> None:
    chosen = choose_line(GRID, sent, facts)
    assert chosen is not None
    assert chosen.id == expected


def test_no_line_fits() -> None:
    only = PriceGrid(lines=(line("ac", power_types=("AC_1_PHASE",)),))
    assert choose_line(only, charge()) is None
    assert rate_with_grid(only, charge(), time_zone=BERLIN) is None


def test_grid_rating_carries_its_line_and_spares_idle_sessions_the_fee() -> None:
    rating = rate_with_grid(GRID, charge(), time_zone=BERLIN)
    assert rating is not None
    assert (rating.line_id, rating.subtotals.flat) == ("standard", Decimal("0.50"))
    idle = rate_with_grid(GRID, charge(kwh="0"), time_zone=BERLIN)
    assert idle is not None
    assert idle.total_excl_vat == 0
    billed = GRID.model_copy(update={"flat_on_zero_energy": True})
    charged = rate_with_grid(billed, charge(kwh="0"), time_zone=BERLIN)
    assert charged is not None
    assert charged.total_excl_vat == Decimal("0.50")


def test_kwh_price_of_the_catalogue() -> None:
    """0.39 x 12.345 kWh = 4.81 (product.md row 19)."""
    rating = price(charge(), tariff(element(component("ENERGY", "0.39"))))
    assert [r.net for r in round_components(rating, "EUR")] == [Money(481, "EUR")]


def test_each_component_is_rounded_once_and_a_cap_leads_to_the_limit() -> None:
    capped = tariff(
        element(component("ENERGY", "0.333", step=0), component("TIME", "0.335", step=0)),
        max_price={"excl_vat": Decimal("0.50")},
    )
    rating = price(session({"minutes": 60, "ENERGY": "1.015", "TIME": "1"}), capped)
    rounded = round_components(rating, "EUR")
    assert [r.line.component for r in rounded] == ["ENERGY", "TIME", "CAP"]
    assert [r.net.amount_minor for r in rounded] == [34, 34, -18]
    assert total((r.net for r in rounded), "EUR") == Money(50, "EUR")


def test_rounding_is_exact_at_ties_made_of_endless_parts() -> None:
    """12 s at 1.5 per hour are exactly half a cent, though 12 s are an endless number of hours."""
    rules = tariff(element(component("TIME", "1.5", step=12)))
    rating = price(session({"minutes": "0.1", "TIME": "0.0017"}), rules)
    assert rating.billed.time_s == 12
    assert rating.total_excl_vat == Decimal("0.005")
    assert round_components(rating, "EUR")[0].net == Money(1, "EUR")


def test_rounding_refuses_another_currency_and_unknown_tax() -> None:
    with pytest.raises(InvalidInput):
        round_components(price(charge(), STANDARD), "SEK")
    gross = tariff(element(component("ENERGY", "1")), version="2.3.0", tax_included="YES")
    with pytest.raises(InvalidInput):
        round_components(price(charge(), gross), "EUR")


@pytest.mark.parametrize(
    ("basis", "grid", "cdr", "source", "billed"),
    [
        ("CONTRACT_GRID", "5", "4", "CONTRACT_GRID", "5"),
        ("CDR_TOTAL", "5", "4", "CDR_TOTAL", "4"),
        ("LOWER_OF", "5", "4", "CDR_TOTAL", "4"),
        ("LOWER_OF", "4", "5", "CONTRACT_GRID", "4"),
        ("LOWER_OF", "5", "5", "CONTRACT_GRID", "5"),
        ("CDR_TOTAL", "5", None, "CONTRACT_GRID", "5"),
        ("LOWER_OF", None, "4", "CDR_TOTAL", "4"),
        ("CONTRACT_GRID", None, "4", None, None),
        ("CDR_TOTAL", None, None, None, None),
    ],
)
def test_basis(basis: str, grid: str | None, cdr: str | None, source: str | None, billed: str | None) -> None:
    rating = None if grid is None else price(session({"ENERGY": grid}), tariff(element(component("ENERGY", "1"))))
    result = compare(basis, rating, None if cdr is None else Decimal(cdr))
    assert result.source == source
    assert result.billed_excl_vat == (None if billed is None else Decimal(billed))
    assert ("NO_PRICE" in result.flags) is (source is None)
    assert ("CDR_NOT_PRICED" in result.flags) is (cdr is None)


@pytest.mark.parametrize(
    ("cdr", "variance"), [("10.10", "OK"), ("9.90", "OK"), ("10.11", "WARN"), ("9.89", "WARN"), (None, "OK")]
)
def test_variance_of_two_cents_or_one_percent(cdr: str | None, variance: str) -> None:
    rating = price(session({"ENERGY": "10"}), tariff(element(component("ENERGY", "1"))))
    assert compare("CONTRACT_GRID", rating, None if cdr is None else Decimal(cdr)).variance == variance
    small = price(session({"ENERGY": "1"}), tariff(element(component("ENERGY", "1"))))
    assert compare("CONTRACT_GRID", small, Decimal("1.02")).variance == "OK"


def test_variance_may_hold() -> None:
    rating = price(session({"ENERGY": "10"}), tariff(element(component("ENERGY", "1"))))
    result = compare("CONTRACT_GRID", rating, Decimal(12), Tolerance(beyond="HOLD"))
    assert (result.variance, result.difference, result.flags) == ("HOLD", Decimal(-2), ("PRICE_VARIANCE",))


def test_lines_of_a_priced_cdr() -> None:
    split = charge(
        total_cost=Price(excl_vat=Decimal("5.31")),
        total_energy_cost=Price(excl_vat=Decimal("4.81")),
        total_fixed_cost=Price(excl_vat=Decimal("0.50")),
    )
    assert [(x.component, x.amount) for x in lines_of_cdr(split)] == [
        ("ENERGY", Decimal("4.81")),
        ("FLAT", Decimal("0.50")),
    ]
    whole = charge(total_cost=Price(excl_vat=Decimal("5.31")), total_energy_cost=Price(excl_vat=Decimal("4.81")))
    assert [(x.component, x.amount) for x in lines_of_cdr(whole)] == [("FLAT", Decimal("5.31"))]
    assert [r.net for r in round_lines(lines_of_cdr(split), "EUR")] == [Money(481, "EUR"), Money(50, "EUR")]
    with pytest.raises(InvalidInput):
        lines_of_cdr(charge().model_copy(update={"total_cost": None}))
