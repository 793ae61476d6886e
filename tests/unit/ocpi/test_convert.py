"""Turning CDRs from one version into another."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from roamclear.ocpi.convert import convert
from roamclear.rating.service import normalise_cdr
from tests.support.builders import cdr, tariff


def turned(value: dict[str, Any], source: str, target: str) -> dict[str, Any]:
    return convert(value, source, target, party="DEVWK", emsp_party="NLRON")


def test_the_same_version_is_the_same_object() -> None:
    value = cdr(1)
    assert turned(value, "2.2.1", "2.2.1") is value


def test_there_and_back_keeps_what_both_versions_know() -> None:
    value = cdr(1, tariffs=[tariff(min_price={"excl_vat": Decimal("1.00"), "incl_vat": Decimal("1.19")})])
    value["total_cost"] = {"excl_vat": Decimal("8.3000"), "incl_vat": Decimal("9.8770")}
    value["x_unknown"] = {"kept": Decimal("1.50")}
    newer = turned(value, "2.2.1", "2.3.0")
    assert newer["total_cost"] == {
        "before_taxes": Decimal("8.3000"),
        "taxes": [{"name": "VAT", "amount": Decimal("1.5770")}],
    }
    assert newer["tariffs"][0]["tax_included"] == "NO"
    assert turned(newer, "2.3.0", "2.2.1") == value


def test_2_1_1_gets_its_own_words() -> None:
    value = cdr(1, credit_reference_id="X", total_energy_cost={"excl_vat": 1})
    older = turned(value, "2.2.1", "2.1.1")
    assert older["stop_date_time"] == value["end_date_time"]
    assert older["auth_id"] == value["cdr_token"]["contract_id"]
    assert older["total_cost"] == value["total_cost"]["excl_vat"]
    assert older["location"]["evses"][0]["evse_id"] == "DE*VWK*E001"
    assert not {"country_code", "cdr_token", "end_date_time", "total_energy_cost", "credit_reference_id"} & set(older)
    assert normalise_cdr(older, "2.1.1").quirks == ()
    back = turned(older, "2.1.1", "2.2.1")
    assert (back["country_code"], back["party_id"]) == ("DE", "VWK")
    assert back["cdr_token"]["party_id"] == "RON"
    assert normalise_cdr(back, "2.2.1").quirks == ()


def test_gross_prices_are_not_passed_off_as_net() -> None:
    value = cdr(1, tariffs=[{**tariff(), "tax_included": "YES"}])
    assert "tariffs" not in turned(value, "2.3.0", "2.2.1")


def test_flat_is_no_dimension_from_2_2_on() -> None:
    older = turned(cdr(1), "2.2.1", "2.1.1")
    older["charging_periods"][0]["dimensions"] = [{"type": "FLAT", "volume": 1}]
    assert turned(older, "2.1.1", "2.3.0")["charging_periods"][0]["dimensions"] == [{"type": "TIME", "volume": 0}]


@pytest.mark.parametrize("source", ["2.1.1", "2.2.1", "2.3.0"])
@pytest.mark.parametrize("target", ["2.1.1", "2.2.1", "2.3.0"])
@pytest.mark.parametrize("odd", [{}, {"tariffs": 7, "location": [], "cdr_location": "x", "charging_periods": {"a": 1}}])
def test_odd_objects_do_not_break_it(source: str, target: str, odd: dict[str, Any]) -> None:
    assert isinstance(turned(odd, source, target), dict)
