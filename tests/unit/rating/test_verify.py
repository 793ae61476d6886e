"""A CDR against its own tariff and against itself."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from roamclear.rating.model import ChargeRecord, Price, Verification
from roamclear.rating.service import self_consistency, verify
from tests.unit.rating.build import BERLIN, component, element, session, tariff

KWH = tariff(element(component("ENERGY", "0.50", "19"), component("FLAT", "1", "19")), id="A")
NIGHT = tariff(element(component("ENERGY", "0.30", "19")), id="B")


def money(excl: str, incl: str | None = None) -> Price:
    return Price(excl_vat=Decimal(excl), incl_vat=None if incl is None else Decimal(incl))


def codes(result: Verification) -> list[str]:
    return [m.code for m in result.mismatches]


def charge(**fields: Any) -> ChargeRecord:
    return session({"ENERGY": "10"}, **{"tariffs": (KWH,), "total_cost": money("6", "7.14"), **fields})


def test_a_right_cdr() -> None:
    result = verify(charge(total_energy_cost=money("5"), total_fixed_cost=money("1")), BERLIN)
    assert result.ok
    assert result.checked == (
        "total_cost.excl_vat",
        "total_cost.incl_vat",
        "total_energy_cost.excl_vat",
        "total_fixed_cost.excl_vat",
    )


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"total_cost": money("6.03", "7.14")}, "TOTAL_COST_EXCL_VAT"),
        ({"total_cost": money("6", "7.20")}, "TOTAL_COST_INCL_VAT"),
        ({"total_energy_cost": money("4")}, "TOTAL_ENERGY_COST_EXCL_VAT"),
        ({"total_energy_cost": money("5", "6")}, "TOTAL_ENERGY_COST_INCL_VAT"),
        ({"total_fixed_cost": money("0.5")}, "TOTAL_FIXED_COST_EXCL_VAT"),
        ({"total_parking_cost": money("0.5")}, "TOTAL_PARKING_COST_EXCL_VAT"),
        ({"total_reservation_cost": money("0.5")}, "TOTAL_RESERVATION_COST_EXCL_VAT"),
        ({"total_time_cost": money("0.5")}, "TOTAL_TIME_COST_EXCL_VAT"),
        ({"currency": "SEK"}, "CURRENCY"),
        ({"tariffs": ()}, "NO_TARIFF"),
    ],
)
def test_each_difference_has_its_code(fields: dict[str, Any], code: str) -> None:
    assert code in codes(verify(charge(**fields), BERLIN))


def test_rounding_gaps_are_tolerated() -> None:
    assert verify(charge(total_cost=money("6.02", "7.13")), BERLIN).ok
    assert not verify(charge(total_cost=money("6.02")), BERLIN, Decimal("0.01")).ok


def test_a_credit_negates_the_total_alone() -> None:
    credit = charge(
        credit=True, credit_reference_id="C0", total_cost=money("-6", "-7.14"), total_energy_cost=money("5")
    )
    assert verify(credit, BERLIN).ok


def test_periods_name_their_tariffs() -> None:
    both = session(
        {"ENERGY": "10", "tariff_id": "a"},
        {"ENERGY": "10", "tariff_id": "B"},
        {"ENERGY": "10"},
        tariffs=(KWH, NIGHT),
        total_cost=money("9"),
    )
    result = verify(both, BERLIN)
    assert result.ok
    assert result.rating is not None
    assert "NO_TARIFF" in result.rating.flags


def test_without_names_the_tariff_valid_at_start_counts() -> None:
    expired = KWH.model_copy(update={"end": session({"ENERGY": "1"}).start - timedelta(days=1)})
    assert verify(session({"ENERGY": "10"}, tariffs=(expired, NIGHT), total_cost=money("3")), BERLIN).ok


def test_a_fee_beside_parking_is_not_attributed() -> None:
    mixed = tariff(element(component("FLAT", "1"), component("PARKING_TIME", "2", step=0)))
    parked = session({"PARKING_TIME": "1"}, tariffs=(mixed,), total_cost=money("3"), total_parking_cost=money("3"))
    result = verify(parked, BERLIN)
    assert result.ok
    assert "total_parking_cost.excl_vat" not in result.checked


def test_taxes_known_to_the_cdr_alone_are_not_compared() -> None:
    plain = tariff(element(component("ENERGY", "0.5")), version="2.3.0", tax_included="NO")
    assert verify(session({"ENERGY": "10"}, tariffs=(plain,), total_cost=money("5", "5.65")), BERLIN).ok


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"total_energy_kwh": Decimal("10.5")}, "ENERGY_SUM"),
        ({"total_time_h": Decimal("1.5")}, "TIME_SPAN"),
        ({"total_time_h": Decimal(3600)}, "TIME_IN_SECONDS"),
        ({"total_parking_time_h": Decimal(2)}, "PARKING_EXCEEDS_TIME"),
        ({"quirks": ("PERIODS_UNORDERED",)}, "PERIODS_UNORDERED"),
        ({"total_cost": money("6", "5")}, "INCL_BELOW_EXCL"),
        ({"total_energy_cost": money("7"), "tariffs": ()}, "SUBTOTALS_SUM"),
    ],
)
def test_self_consistency(fields: dict[str, Any], code: str) -> None:
    assert [m.code for m in self_consistency(charge(**fields))] == [code]


def test_periods_outside_and_unknown_tariffs() -> None:
    sent = charge()
    early = sent.model_copy(update={"start": sent.start + timedelta(minutes=1)})
    assert [m.code for m in self_consistency(early)] == ["PERIOD_BEFORE_START"]
    late = sent.model_copy(update={"start": sent.start - timedelta(hours=2), "end": sent.start - timedelta(hours=1)})
    assert [m.code for m in self_consistency(late)] == ["PERIOD_AFTER_END"]
    named = session({"ENERGY": "1", "tariff_id": "X"}, tariffs=(KWH,))
    assert [m.code for m in self_consistency(named)] == ["TARIFF_ID_UNKNOWN"]


def test_parking_sum_and_complete_parts() -> None:
    parked = session({"PARKING_TIME": "1"}, total_parking_time_h=Decimal("0.5"))
    assert [m.code for m in self_consistency(parked)] == ["PARKING_SUM"]
    parts = {f"total_{p}_cost": money("1") for p in ("fixed", "energy", "time", "parking", "reservation")}
    assert [m.code for m in self_consistency(charge(**parts, tariffs=()))] == ["SUBTOTALS_SUM"]


def test_limits_excuse_parts_that_do_not_add_up() -> None:
    capped = tariff(element(component("ENERGY", "1")), max_price={"excl_vat": Decimal(6)})
    sent = charge(tariffs=(capped,), total_cost=money("6"), total_energy_cost=money("10"))
    assert verify(sent, BERLIN).ok
