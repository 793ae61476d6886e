"""What is refused at the wire, and what must be survived (ocpi.md section 9, "Field quirks")."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from babel.core import get_global

from roamclear.kernel.errors import InvalidInput
from roamclear.kernel.numbers_json import loads
from roamclear.rating.countries import _ALPHA3
from roamclear.rating.model import ChargeRecord
from roamclear.rating.service import detect_version, normalise_cdr, normalise_for_rating, normalise_tariff

CASES = Path(__file__).parents[4] / "shared" / "cases" / "ocpi-spec"
needs_cases = pytest.mark.skipif(not CASES.is_dir(), reason="the specification's example objects are not at hand")

CDR: dict[str, Any] = {
    "country_code": "DE",
    "party_id": "ABC",
    "id": "CDR-1",
    "start_date_time": "2026-03-02T08:00:00Z",
    "end_date_time": "2026-03-02T09:00:00Z",
    "session_id": "S-1",
    "cdr_token": {"country_code": "NL", "party_id": "EMS", "uid": "1", "type": "RFID", "contract_id": "NLEMSC00000001"},
    "auth_method": "WHITELIST",
    "cdr_location": {"id": "L", "country": "DEU", "evse_uid": "E1", "evse_id": "DE*ABC*E1", "coordinates": {}},
    "currency": "EUR",
    "charging_periods": [
        {"start_date_time": "2026-03-02T08:00:00Z", "dimensions": [{"type": "ENERGY", "volume": Decimal("10.5")}]}
    ],
    "total_cost": {"excl_vat": Decimal("5.25"), "incl_vat": Decimal("6.2475")},
    "total_energy": Decimal("10.5"),
    "total_time": 1,
    "last_updated": "2026-03-02T09:01:00Z",
}
MANDATORY = (
    *("country_code", "party_id", "id", "start_date_time", "end_date_time", "cdr_token", "auth_method", "cdr_location"),
    *("currency", "charging_periods", "total_cost", "total_energy", "total_time", "last_updated"),
)


def cdr(**changes: Any) -> dict[str, Any]:
    """The sample with top-level fields changed; ``...`` takes one away."""
    made = {**copy.deepcopy(CDR), **changes}
    return {k: v for k, v in made.items() if v is not ...}


def read(**changes: Any) -> ChargeRecord:
    return normalise_cdr(cdr(**changes), "2.2.1")


def test_plain_cdr() -> None:
    charge = read()
    assert charge.quirks == ()
    assert charge.total_cost is not None
    assert charge.total_cost.incl_vat == Decimal("6.2475")
    assert charge.location.country == "DEU"
    assert ChargeRecord.load(charge.dump()) == charge


@pytest.mark.parametrize("field", MANDATORY)
@pytest.mark.parametrize("gone", [..., None])
def test_mandatory_fields(field: str, gone: Any) -> None:
    with pytest.raises(InvalidInput) as refused:
        read(**{field: gone})
    assert refused.value.field.startswith(field)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", "x" * 40),
        ("country_code", "DEU"),
        ("party_id", "AB"),
        ("start_date_time", "yesterday"),
        ("start_date_time", "0001-01-01T00:00:00+14:00"),
        ("end_date_time", 5),
        ("start_date_time", "9999-12-31T23:59:59Z"),
        ("total_energy", "10,5"),
        ("total_energy", Decimal("1E+10")),
        ("total_energy", " 1.2 "),
        ("total_energy", "1_000"),
        ("total_energy", True),
        ("total_cost", {"incl_vat": 1}),
        ("total_cost", "free"),
        ("currency", "EURO"),
        ("currency", "978"),
        ("charging_periods", []),
        ("charging_periods", {}),
        ("charging_periods", [{"dimensions": []}]),
        ("cdr_token", "RFID"),
        ("cdr_location", []),
        ("credit", True),
    ],
)
def test_unreadable_mandatory_fields(field: str, value: Any) -> None:
    with pytest.raises(InvalidInput):
        read(**{field: value})


@pytest.mark.parametrize("value", [[], "x", None, 5])
def test_not_an_object(value: Any) -> None:
    with pytest.raises(InvalidInput):
        normalise_cdr(value, "2.2.1")


def test_unknown_version() -> None:
    with pytest.raises(InvalidInput):
        normalise_cdr(CDR, "2.0")


def test_period_with_an_unreadable_volume_names_its_place() -> None:
    periods = [{"start_date_time": "2026-03-02T08:00:00Z", "dimensions": [{"type": "ENERGY", "volume": "much"}]}]
    with pytest.raises(InvalidInput) as refused:
        read(charging_periods=periods)
    assert refused.value.field == "charging_periods[0].dimensions[0].volume"


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-02T08:00:00",
        "2026-03-02 08:00:00Z",
        "2026-03-02T08:00:00.0000000+00:00",
        "2026-03-02T09:00:00+01:00",
        "2026-3-2T08:00:00Z",
    ],
)
def test_timestamps_of_the_wild(text: str) -> None:
    assert read(start_date_time=text).start == datetime(2026, 3, 2, 8, tzinfo=UTC)


def test_agreed_unknown_instant() -> None:
    assert not read(start_date_time="1970-1-1T00:00:00Z").has_known_times


@pytest.mark.parametrize(
    ("changes", "quirk"),
    [
        ({"total_energy": "10.5"}, "NUMBER_AS_TEXT:total_energy"),
        ({"total_cost": Decimal("5.25")}, "PRICE_AS_NUMBER:total_cost"),
        ({"total_cost": {"before_taxes": 5, "taxes": []}}, "PRICE_OF_OTHER_VERSION:total_cost"),
        ({"currency": "eur"}, "CURRENCY_CASE"),
        ({"remark": "x" * 300}, "TEXT_CUT:remark"),
        ({"id": 17}, "NUMBER_FOR_TEXT:id"),
        ({"session_id": ["S"]}, "UNREADABLE:session_id"),
        ({"total_parking_time": "long"}, "UNREADABLE:total_parking_time"),
        ({"total_energy_cost": {"incl_vat": 3}}, "UNREADABLE:total_energy_cost"),
        ({"credit": "false"}, "BOOLEAN_AS_TEXT:credit"),
        ({"tariffs": [{"id": "T"}]}, "TARIFF_UNREADABLE:tariffs[0].elements"),
        ({"tariffs": {}}, "UNREADABLE:tariffs"),
        ({"cdr_location": {**CDR["cdr_location"], "country": "DE"}}, "COUNTRY_ALPHA2:cdr_location.country"),
    ],
)
def test_quirks_are_survived_and_noted(changes: dict[str, Any], quirk: str) -> None:
    assert quirk in read(**changes).quirks


def test_nulls_are_absent_and_extensions_are_passed_over() -> None:
    charge = read(remark=None, tariffs=None, session_id=None, price_round={"x": 1}, signed_data={"signed_values": []})
    assert (charge.remark, charge.tariffs, charge.session_id, charge.quirks) == (None, (), None, ())
    assert charge.has_signed_data


def test_unordered_periods_are_put_in_order() -> None:
    rows = [
        {"start_date_time": f"2026-03-02T08:{m}:00Z", "dimensions": [{"type": "energy", "volume": 1}]} for m in (30, 10)
    ]
    charge = read(charging_periods=rows)
    assert [p.start.minute for p in charge.periods] == [10, 30]
    assert "PERIODS_UNORDERED" in charge.quirks
    assert charge.periods[0].volume("ENERGY") == 1


def test_missing_evse_id_and_token_party() -> None:
    charge = read(cdr_location={"evse_uid": "1"}, cdr_token={"uid": "1", "contract_id": "X"})
    assert charge.location.evse_id is None
    assert charge.token.party_id is None


def test_total_of_nothing_without_tariffs_is_unpriced() -> None:
    assert read(total_cost={"excl_vat": 0}).is_unpriced
    assert not read().is_unpriced


def test_taxes_of_230() -> None:
    taxes = [{"name": "GST", "amount": Decimal("0.25")}, {"name": "PST", "amount": Decimal("0.40"), "percentage": 8}]
    charge = normalise_cdr(cdr(total_cost={"before_taxes": 5, "taxes": taxes}), "2.3.0")
    assert charge.total_cost is not None
    assert (charge.total_cost.excl_vat, charge.total_cost.incl_vat) == (Decimal(5), Decimal("5.65"))
    assert [t.name for t in charge.total_cost.taxes] == ["GST", "PST"]


def test_for_rating_only_times_and_periods_count() -> None:
    few = {k: CDR[k] for k in ("start_date_time", "end_date_time", "charging_periods")}
    assert normalise_for_rating(few, "2.2.1").total_cost is None
    for version in ("2.1.1", "2.3.0"):
        assert normalise_for_rating(few, version).periods
    with pytest.raises(InvalidInput):
        normalise_for_rating({**few, "charging_periods": []}, "2.2.1")


@needs_cases
@pytest.mark.cases
@pytest.mark.parametrize(
    ("version", "name"),
    [
        ("2.2.1", "2.2.1/examples/cdr_example.json"),
        ("2.3.0", "2.3.0-core/examples/cdr_example.json"),
        ("2.1.1", "2.1.1/extracted/mod_cdrs__01_example_of_a_cdr.json"),
    ],
)
def test_the_specifications_cdrs_are_one_cdr(version: str, name: str) -> None:
    raw = loads((CASES / name).read_bytes())
    assert detect_version(raw) == version
    charge = normalise_cdr(raw, version)
    assert charge.tariffs[0].elements[0].components[0].price == 2
    assert (charge.location.country, charge.token.contract_id) == ("BEL", "DE8ACC12E46L89")
    assert charge.total_cost is not None
    assert charge.total_cost.excl_vat == 4


@needs_cases
@pytest.mark.cases
def test_the_specifications_tariffs_are_read() -> None:
    names = {"2.2.1": "2.2.1/examples", "2.3.0": "2.3.0-core/examples"}
    for version, folder in names.items():
        found = sorted((CASES / folder).glob("tariff*.json"))
        assert len(found) > 15
        for path in found:
            assert normalise_tariff(loads(path.read_bytes()), version).elements


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"elements": []}, "elements"),
        ({"elements": [{"price_components": [{"type": "ENERGY"}]}]}, "elements[0].price_components[0].price"),
        ({"currency": None}, "currency"),
        ({"tax_included": "MAYBE"}, "tax_included"),
        ({"min_price": {}}, "min_price"),
    ],
)
def test_bad_tariffs(change: dict[str, Any], field: str) -> None:
    good = {"id": "T", "currency": "EUR", "elements": [{"price_components": [{"type": "FLAT", "price": 1}]}]}
    with pytest.raises(InvalidInput) as refused:
        normalise_tariff({**good, **change}, "2.3.0")
    assert refused.value.field == field


@pytest.mark.parametrize(
    "restrictions",
    [
        {"start_time": "25:00"},
        {"start_time": "9:00"},
        {"end_time": "24:01"},
        {"start_date": "2026-13-01"},
        {"start_date": "01.01.2026"},
        {"day_of_week": ["FUNDAY"]},
        {"reservation": "MAYBE"},
        {"min_kwh": "a lot"},
    ],
)
def test_bad_restrictions(restrictions: dict[str, Any]) -> None:
    element = {"price_components": [{"type": "FLAT", "price": 1}], "restrictions": restrictions}
    with pytest.raises(InvalidInput) as refused:
        normalise_tariff({"id": "T", "currency": "EUR", "elements": [element]}, "2.2.1")
    assert refused.value.field.startswith("elements[0].restrictions.")


def test_country_table_is_that_of_cldr() -> None:
    aliases = {k: v[0] for k, v in get_global("territory_aliases").items() if len(k) == 3 and len(v) == 1}
    wrong = {two: three for two, three in _ALPHA3.items() if aliases.get(three, two) != two}
    assert wrong == {}
    assert len(_ALPHA3) == 250
