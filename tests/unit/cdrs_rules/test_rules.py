"""Each plausibility rule: what raises it, how grave, and that a sound CDR raises nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from roamclear.cdrs import rules
from roamclear.cdrs.severities import Severity
from roamclear.kernel.errors import InvalidInput
from roamclear.rating.model import ChargeRecord, Location, Price, Token
from tests.unit.rating.build import BERLIN, MONDAY, component, element, session, tariff

KWH = tariff(element(component("ENERGY", "0.50")))


def sound(**fields: Any) -> ChargeRecord:
    """Ten kWh in an hour at 0.50, signed, with its tariff."""
    known: dict[str, Any] = {"tariffs": (KWH,), "total": "5", "has_signed_data": True}
    return session({"ENERGY": "10"}, **{**known, **fields})


def found(
    charge: ChargeRecord,
    limits: rules.Thresholds | None = None,
    facts: rules.PlugFacts | None = None,
    at: datetime | None = None,
) -> dict[str, str]:
    received = at or charge.end + timedelta(minutes=1)
    got = rules.check(charge, limits or rules.Thresholds(), received_at=received, evse_facts=facts)
    assert len({(f.id, f.field) for f in got}) == len(got)
    return {f.id: f.severity.value for f in got}


def test_a_sound_cdr_raises_nothing() -> None:
    assert found(sound(), facts=rules.PlugFacts(time_zone=BERLIN, contract_currency="EUR")) == {}


def money(value: str) -> Price:
    return Price(excl_vat=Decimal(value))


PLACE = {"country": "DEU", "evse_uid": "1", "connector_power_type": "AC_3_PHASE"}
ONE_FIELD: list[tuple[dict[str, Any], str, str]] = [
    ({"end": MONDAY - timedelta(hours=1)}, "END_BEFORE_START", "HOLD"),
    ({"end": MONDAY}, "ZERO_DURATION", "HOLD"),
    ({"end": MONDAY + timedelta(seconds=90)}, "DURATION_TOO_SHORT", "WARN"),
    ({"end": MONDAY + timedelta(hours=97)}, "DURATION_TOO_LONG", "HOLD"),
    ({"start": datetime(1970, 1, 1, tzinfo=UTC)}, "TIMES_UNKNOWN", "HOLD"),
    ({"total_energy_kwh": Decimal(-1)}, "ENERGY_NEGATIVE", "HOLD"),
    ({"total_energy_kwh": Decimal(401)}, "ENERGY_TOO_HIGH", "HOLD"),
    ({"total_energy_kwh": Decimal(10_000)}, "ENERGY_IN_WH", "HOLD"),
    ({"total_energy_kwh": Decimal("0.1")}, "ENERGY_TOO_LOW", "WARN"),
    ({"total_energy_kwh": Decimal(0)}, "ENERGY_ZERO", "WARN"),
    ({"total_energy_kwh": Decimal(0), "end": MONDAY + timedelta(hours=2)}, "ZERO_ENERGY_LONG", "HOLD"),
    ({"total_energy_kwh": Decimal(60)}, "POWER_TOO_HIGH", "HOLD"),
    ({"total_energy_kwh": Decimal(11)}, "ENERGY_SUM", "HOLD"),
    ({"total_cost": money("0"), "tariffs": ()}, "CDR_NOT_PRICED", "WARN"),
    ({"total_cost": money("0")}, "FREE_SESSION", "WARN"),
    ({"total_cost": money("-5")}, "COST_NEGATIVE", "HOLD"),
    ({"total_cost": money("1001")}, "COST_TOO_HIGH", "HOLD"),
    ({"total_cost": money("51")}, "PRICE_PER_KWH_TOO_HIGH", "WARN"),
    ({"total_cost": money("6")}, "TARIFF_MISMATCH", "WARN"),
    ({"total_cost": Price(excl_vat=Decimal(5), incl_vat=Decimal(4))}, "INCL_BELOW_EXCL", "WARN"),
    ({"total_energy_cost": money("9"), "total_cost": money("5")}, "SUBTOTALS_SUM", "HOLD"),
    ({"currency": "XXX", "tariffs": ()}, "CURRENCY_UNKNOWN", "HOLD"),
    ({"currency": "SEK"}, "CURRENCY_TARIFF", "HOLD"),
    ({"currency": "SEK"}, "CURRENCY_CONTRACT", "HOLD"),
    ({"location": Location(country="DEU", evse_id="#NA")}, "EVSE_UNIDENTIFIED", "HOLD"),
    ({"location": Location(**PLACE)}, "EVSE_ID_MISSING", "WARN"),
    ({"location": Location(**PLACE, evse_id="plug 7")}, "EVSE_ID_FORM", "WARN"),
    ({"location": Location(**PLACE, evse_id="FR*A23*E1")}, "EVSE_OPERATOR_DIFFERS", "WARN"),
    ({"token": Token(contract_id="card 5")}, "EMSP_UNIDENTIFIED", "HOLD"),
    ({"token": Token(contract_id="DE-8AA-CA2B3C4D5-N")}, "TOKEN_PARTY_MISSING", "WARN"),
    ({"tariffs": ()}, "NO_TARIFF", "WARN"),
    ({"credit_reference_id": "C0"}, "CREDIT_REFERENCE_WITHOUT_CREDIT", "WARN"),
    ({"id": "x" * 37}, "ID_TOO_LONG", "WARN"),
    ({"credit": True, "credit_reference_id": "C0"}, "CREDIT_NOT_NEGATIVE", "HOLD"),
    ({"credit": True, "credit_reference_id": "c1", "total_cost": money("-5")}, "CREDIT_OF_ITSELF", "HOLD"),
    ({"has_signed_data": False}, "SIGNED_DATA_MISSING", "WARN"),
    ({"last_updated": MONDAY}, "LAST_UPDATED_BEFORE_END", "WARN"),
    ({"session_id": None}, "SESSION_ID_MISSING", "WARN"),
    ({"auth_method": "MAGIC"}, "UNKNOWN_ENUM", "WARN"),
    ({"total_time_h": Decimal(3600)}, "TIME_IN_SECONDS", "WARN"),
    ({"total_time_h": Decimal(3)}, "TIME_SPAN", "WARN"),
    ({"total_parking_time_h": Decimal(2)}, "PARKING_EXCEEDS_TIME", "WARN"),
    ({"quirks": ("PERIODS_UNORDERED",)}, "PERIODS_UNORDERED", "WARN"),
    ({"quirks": ("NUMBER_AS_TEXT:total_energy",)}, "READ_WITH_QUIRK", "WARN"),
]


@pytest.mark.parametrize(("fields", "id_", "severity"), ONE_FIELD)
def test_one_wrong_field(fields: dict[str, Any], id_: str, severity: str) -> None:
    charge = sound().model_copy(update=fields)
    raised = found(charge, facts=rules.PlugFacts(time_zone=BERLIN, contract_currency="EUR"))
    assert raised[id_] == severity


@pytest.mark.parametrize(
    ("dimension", "volume", "id_", "severity"),
    [
        ("TIME", "-0.1", "NEGATIVE_VOLUME", "HOLD"),
        ("PARKING_TIME", "-0.1", "NEGATIVE_VOLUME", "HOLD"),
        ("ENERGY", "-0.005", "ENERGY_PERIOD_NEGATIVE", "WARN"),
        ("SESSION_TIME", "1", "UNKNOWN_DIMENSION", "WARN"),
    ],
)
def test_dimensions(dimension: str, volume: str, id_: str, severity: str) -> None:
    charge = session({"minutes": 30, "ENERGY": "10"}, {"minutes": 30, dimension: volume})
    assert found(charge)[id_] == severity


def test_future_and_age_are_judged_by_arrival() -> None:
    charge = sound()
    assert "IN_FUTURE" not in found(charge, at=charge.end - timedelta(minutes=5))
    assert found(charge, at=charge.end - timedelta(minutes=6))["IN_FUTURE"] == "HOLD"
    assert "TOO_OLD" not in found(charge, at=charge.end + timedelta(days=90))
    assert found(charge, at=charge.end + timedelta(days=90, seconds=1))["TOO_OLD"] == "WARN"


def test_power_knows_the_register_and_spares_parking() -> None:
    charge = sound()
    assert "POWER_TOO_HIGH" in found(charge, facts=rules.PlugFacts(max_power_kw=Decimal(9)))
    assert "POWER_TOO_HIGH" not in found(charge, facts=rules.PlugFacts(max_power_kw=Decimal("9.1")))
    fast = sound(total_parking_time_h=Decimal("0.9"))
    assert "POWER_TOO_HIGH" in found(fast)
    unknown = sound(location=Location(evse_id="DE*ABC*E1"))
    assert "POWER_TOO_HIGH" not in found(unknown)


def test_a_period_into_another_price_warns() -> None:
    rules_ = tariff(element(component("ENERGY", "1"), end_time="10:00"), element(component("ENERGY", "0.5")))
    charge = sound(tariffs=(rules_,), total="10")
    assert found(charge, facts=rules.PlugFacts(time_zone=BERLIN)) == {"PERIOD_SPANS_PRICE_CHANGE": "WARN"}


def test_operators_beside_the_own_party() -> None:
    charge = sound(location=Location(**PLACE, evse_id="FR*A23*E1"))
    assert "EVSE_OPERATOR_DIFFERS" not in found(charge, facts=rules.PlugFacts(operators=("fra23",)))


def test_thresholds_and_severities_belong_to_the_contract() -> None:
    charge = sound(has_signed_data=False)
    strict = rules.Thresholds(severities={"SIGNED_DATA_MISSING": Severity.HOLD})
    assert found(charge, strict) == {"SIGNED_DATA_MISSING": "HOLD"}
    assert found(charge, rules.Thresholds(signed_data_countries=())) == {}
    assert found(sound(), rules.Thresholds(max_energy_kwh=Decimal(9)))["ENERGY_TOO_HIGH"] == "HOLD"
    assert found(sound(), rules.Thresholds(min_cost=Decimal(6)))["COST_TOO_LOW"] == "HOLD"
    off = rules.Thresholds(max_energy_kwh=None, wh_suspicion_kwh=None, power_factor=None, max_cost=None)
    assert "ENERGY_TOO_HIGH" not in found(session({"ENERGY": "5000"}, total="2500"), off)


def test_a_credit_is_sound() -> None:
    credit = sound(id="C1-C", credit=True, credit_reference_id="C1", total_cost=money("-5"))
    assert found(credit, facts=rules.PlugFacts(time_zone=BERLIN)) == {}


def test_an_expired_reservation_is_not_an_idle_session() -> None:
    charge = session({"minutes": 120, "RESERVATION_TIME": "2"}, session_id=None)
    assert not {"ENERGY_ZERO", "ZERO_ENERGY_LONG"} & set(found(charge))


def test_old_version_has_fewer_fields_to_miss() -> None:
    old = sound(
        version="2.1.1", session_id=None, token=Token(contract_id="DE8ACC12E46L89"), country_code=None, party_id=None
    )
    assert found(old) == {}


def test_wire_refusals_are_findings_too() -> None:
    finding = rules.of_wire(InvalidInput("id is missing", field="id"))
    assert (finding.id, finding.severity, finding.field) == ("WIRE", Severity.REJECT, "id")


def test_findings_are_plain_values() -> None:
    assert rules.check(sound(id="x" * 37), rules.Thresholds(), received_at=MONDAY + timedelta(hours=2))[0].dump() == {
        "id": "ID_TOO_LONG",
        "severity": "WARN",
        "message": "only a credit's id may have more than 36 characters",
        "field": "id",
    }
