"""Locations at their three levels and Tariffs, as receivers (ocpi.md 5 and 6)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from roamclear.evses import service as evses
from roamclear.kernel import numbers_json
from roamclear.kernel.context import Context
from roamclear.kernel.writes import Table
from roamclear.ocpi import store
from roamclear.ocpi.service import stored_object
from tests.support.builders import tariff
from tests.support.moto_stack import Stage
from tests.support.ocpi_partner import CASES, Answer, Partner, connect, served

PLACE = "/ocpi/2.2.1/locations/DE/VWK/LOC1"


@pytest.fixture(autouse=True)
def _served(ctx: Context) -> Iterator[None]:
    with served(ctx):
        yield


@pytest.fixture
def cpo(ctx: Context) -> Partner:
    return connect(ctx)


def connector(number: int = 1, **changes: Any) -> dict[str, Any]:
    return {
        "id": str(number),
        "standard": "IEC_62196_T2_COMBO",
        "format": "CABLE",
        "power_type": "DC",
        "max_voltage": 920,
        "max_amperage": 400,
        "max_electric_power": 150000,
        "last_updated": "2026-09-01T00:00:00Z",
    } | changes


def evse(number: int = 1, **changes: Any) -> dict[str, Any]:
    return {
        "uid": f"E{number}",
        "evse_id": f"DE*VWK*E{number:03d}",
        "status": "AVAILABLE",
        "connectors": [connector()],
        "last_updated": "2026-09-01T00:00:00Z",
    } | changes


def location(**changes: Any) -> dict[str, Any]:
    return {
        "country_code": "DE",
        "party_id": "VWK",
        "id": "LOC1",
        "publish": True,
        "address": "Hafenstrasse 12",
        "city": "Hamburg",
        "postal_code": "20457",
        "country": "DEU",
        "coordinates": {"latitude": "53.543210", "longitude": "9.987654"},
        "evses": [evse(1)],
        "time_zone": "Europe/Berlin",
        "last_updated": "2026-09-01T00:00:00Z",
    } | changes


def ok(answer: Answer, status: int = 200) -> Answer:
    assert (answer.status, answer.code) == (status, 1000), answer.text
    return answer


def refused(answer: Answer, code: int, word: str) -> None:
    assert (answer.status, answer.code) == (200, code), answer.text
    assert word in answer.body["status_message"]


def test_a_location_is_put_read_and_put_again(cpo: Partner) -> None:
    ok(cpo.call("PUT", PLACE, location()), 201)
    assert cpo.call("GET", PLACE).data == location()
    ok(cpo.call("PUT", PLACE, location(city="Kiel", last_updated="2026-09-02T00:00:00Z")))
    assert cpo.call("GET", PLACE).data["city"] == "Kiel"
    assert cpo.call("GET", PLACE.lower().replace("/de/vwk/loc1", "/de/vwk/loc1")).data["city"] == "Kiel"


def test_numbers_and_unknown_fields_survive(cpo: Partner) -> None:
    text = numbers_json.dumps(location(x_depth=Decimal("1.230"), y=None))
    ok(cpo.call("PUT", PLACE, text), 201)
    assert '"x_depth":1.230' in cpo.call("GET", PLACE).text
    assert cpo.call("GET", PLACE).data["y"] is None


def test_children_are_put_and_patched_and_wake_their_parents(cpo: Partner) -> None:
    ok(cpo.call("PUT", PLACE, location()), 201)
    ok(cpo.call("PUT", f"{PLACE}/E2", evse(2, last_updated="2026-09-03T00:00:00Z")))
    assert [e["uid"] for e in cpo.call("GET", PLACE).data["evses"]] == ["E1", "E2"]
    assert cpo.call("GET", PLACE).data["last_updated"] == "2026-09-03T00:00:00Z"
    ok(cpo.call("PATCH", f"{PLACE}/e2", {"status": "REMOVED", "last_updated": "2026-09-04T00:00:00Z"}))
    assert cpo.call("GET", f"{PLACE}/E2").data["status"] == "REMOVED"
    ok(cpo.call("PUT", f"{PLACE}/E1/2", connector(2, last_updated="2026-09-05T00:00:00Z")))
    ok(cpo.call("PATCH", f"{PLACE}/E1/1", {"tariff_ids": ["T"], "last_updated": "2026-09-06T00:00:00Z"}))
    assert cpo.call("GET", f"{PLACE}/E1/1").data["tariff_ids"] == ["T"]
    found = cpo.call("GET", PLACE).data
    assert [c["id"] for c in found["evses"][0]["connectors"]] == ["1", "2"]
    assert found["last_updated"] == found["evses"][0]["last_updated"] == "2026-09-06T00:00:00Z"
    assert cpo.call("GET", f"{PLACE}/E9").status == 404
    assert cpo.call("GET", f"{PLACE}/E1/9").status == 404


def test_what_comes_before_its_location_is_2003(cpo: Partner) -> None:
    refused(cpo.call("PUT", f"{PLACE}/E1", evse()), 2003, "send it first")
    refused(cpo.call("PATCH", PLACE, {"city": "Kiel", "last_updated": "2026-09-02T00:00:00Z"}), 2003, "location")
    ok(cpo.call("PUT", PLACE, location()), 201)
    refused(cpo.call("PUT", f"{PLACE}/E9/1", connector()), 2003, "EVSE")
    refused(cpo.call("PATCH", f"{PLACE}/E9", {"status": "X", "last_updated": "2026-09-02T00:00:00Z"}), 2003, "EVSE")


def test_an_older_description_changes_nothing(cpo: Partner) -> None:
    ok(cpo.call("PUT", PLACE, location(last_updated="2026-09-09T00:00:00Z")), 201)
    answer = ok(cpo.call("PUT", PLACE, location(city="Old")))
    assert "older" in answer.body["status_message"]
    assert cpo.call("GET", PLACE).data["city"] == "Hamburg"


@pytest.mark.parametrize(
    ("path", "body", "word"),
    [
        (PLACE, location(id="LOC2"), "id"),
        (PLACE, location(party_id="XXX"), "party_id"),
        (PLACE, location(country_code="FR"), "country_code"),
        ("/ocpi/2.2.1/locations/DE/XXX/LOC1", location(party_id="XXX"), "party_id"),
        (f"{PLACE}/E1", evse(2), "uid"),
        (f"{PLACE}/E1/1", connector(2), "id"),
        (PLACE, [location()], "object"),
        (PLACE, location(last_updated="soon"), "last_updated"),
        ("/ocpi/2.2.1/locations/DE/VWK/" + "x" * 40, location(id="x" * 40), "39"),
    ],
)
def test_a_body_that_contradicts_its_address_is_2001(
    ctx: Context, cpo: Partner, path: str, body: Any, word: str
) -> None:
    refused(cpo.call("PUT", path, body), 2001, word)
    logged = list(store.refused(ctx.db, "voltwerk", cpo.credential.partner_id, ctx.now()))
    assert [e.module for e in logged] == ["locations"]


def test_a_patch_carries_last_updated_but_not_in_2_1_1(cpo: Partner) -> None:
    ok(cpo.call("PUT", PLACE, location()), 201)
    refused(cpo.call("PATCH", PLACE, {"city": "Kiel"}), 2001, "last_updated")
    ok(cpo.call("PATCH", PLACE.replace("2.2.1", "2.1.1"), {"city": "Kiel"}))


def test_clients_that_append_without_a_slash_are_understood(cpo: Partner) -> None:
    ok(cpo.call("PUT", "/ocpi/2.2.1/locationsDE/VWK/LOC1", location()), 201)
    ok(cpo.call("PUT", "/ocpi/2.2.1/locations//DE/VWK/LOC1/", location(last_updated="2026-10-01T00:00:00Z")))


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_locations_know_no_post_and_no_delete(cpo: Partner, method: str) -> None:
    assert cpo.call(method, PLACE, location()).status == 405


def test_others_locations_are_not_there(ctx: Context, cpo: Partner) -> None:
    ok(cpo.call("PUT", PLACE, location()), 201)
    for stranger in (connect(ctx, "DEXYZ"), connect(ctx, issuer_id="other"), connect(ctx, "NLRON", "EMSP")):
        assert stranger.call("GET", PLACE).status == 404


def test_the_stream_registers_the_evses_with_their_zone(stage: Stage, cpo: Partner) -> None:
    ok(cpo.call("PUT", PLACE, location()), 201)
    (row,) = [
        r for r in stage.client.scan(TableName=stage.tables.names[Table.INTAKE])["Items"] if r["sk"]["S"] == "LOCATION"
    ]
    full = stage.ctx.db.page(Table.INTAKE, row["pk"]["S"], consistent=True).rows[0]
    evses.register_location(stage.ctx, full["issuer_id"], full["party"], stored_object(full)[1])
    known = evses.find(stage.ctx, "voltwerk", "DEVWKE001")
    assert known is not None
    assert known.zone == "Europe/Berlin"
    assert stored_object(full)[1] == location()


def test_a_tariff_is_put_read_listed_and_deleted(ctx: Context, cpo: Partner) -> None:
    place = "/ocpi/2.2.1/tariffs/DE/VWK/GRID"
    emsp = connect(ctx, "NLRON", "EMSP")
    ok(cpo.call("PUT", place, tariff()), 201)
    assert cpo.call("GET", place).data == tariff()
    assert emsp.call("GET", "/ocpi/2.2.1/tariffs").data == [tariff()]
    refused(cpo.call("PUT", place, tariff(elements=[])), 2001, "elements")
    assert cpo.call("PATCH", place, {"currency": "SEK"}).status == 405
    ok(cpo.call("DELETE", place))
    assert cpo.call("GET", place).status == 404
    assert cpo.call("DELETE", place).status == 404
    assert emsp.call("GET", "/ocpi/2.2.1/tariffs").data == []
    ok(cpo.call("PUT", place, tariff()), 201)


def test_tariffs_are_listed_page_by_page(ctx: Context, cpo: Partner) -> None:
    for n in range(7):
        stamp = f"2026-09-{n + 1:02d}T00:00:00Z"
        made = tariff(id=f"T{n}", last_updated=stamp)
        ok(cpo.call("PUT", f"/ocpi/2.2.1/tariffs/DE/VWK/T{n}", made), 201)
    emsp = connect(ctx, "NLRON", "EMSP")
    found, path = [], "/ocpi/2.2.1/tariffs?limit=3"
    while path:
        answer = emsp.call("GET", path)
        assert answer.headers["X-Total-Count"] == "7"
        found += [t["id"] for t in answer.data]
        value = answer.headers.get("Link", "<>")
        path = value[1 : value.index(">")]
    assert found == [f"T{n}" for n in range(7)]
    bounded = emsp.call("GET", "/ocpi/2.2.1/tariffs?date_from=2026-09-03T00:00:00Z&date_to=2026-09-05T00:00:00Z")
    assert [t["id"] for t in bounded.data] == ["T2", "T3"]
    assert [t["id"] for t in emsp.call("GET", "/ocpi/2.2.1/tariffs?offset=5").data] == ["T5", "T6"]


def spec(pattern: str) -> list[Path]:
    return sorted(p for p in CASES.glob(pattern) if CASES.exists())


def version_of(path: Path) -> str:
    return path.relative_to(CASES).parts[0].removesuffix("-core")


def has(path: Path, *names: str) -> bool:
    value = json.loads(path.read_text())
    return isinstance(value, dict) and all(n in value for n in names)


@pytest.mark.cases
def test_the_specifications_locations_and_tariffs_are_taken_and_served_unchanged(ctx: Context) -> None:
    if not CASES.exists():
        pytest.skip("the specification's examples are not on this machine")
    wanted = [
        ("locations", p) for p in [*spec("2*/examples/location_example*.json"), *spec("2.1.1/*/mod_locations__*")]
    ]
    wanted += [("tariffs", p) for p in [*spec("2*/examples/tariff_*.json"), *spec("2.1.1/*/mod_tariffs__*")]]
    parties = ("DEALL", "BEBEC", "NLALF", "DEXXX")
    taken = 0
    for module, path in wanted:
        if not has(path, "id", "last_updated", "evses" if module == "locations" else "elements"):
            continue
        value = json.loads(path.read_text(), parse_float=Decimal)
        party = f"{value.get('country_code', 'DE')}{value.get('party_id', 'ALL')}"
        partner = connect(ctx, party, cpo_parties=(party, *parties), issuer_id=f"i-{taken}")
        place = f"/ocpi/{version_of(path)}/{module}/{party[:2]}/{party[2:]}/{value['id']}"
        answer = partner.call("PUT", place, path.read_text())
        assert (answer.status, answer.code) == (201, 1000), (path.name, answer.text)
        assert partner.call("GET", place).data == value, path.name
        taken += 1
    assert taken > 40
