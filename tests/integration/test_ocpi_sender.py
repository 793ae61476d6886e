"""The CDR sender to eMSPs (product.md row 7; rules.md 4)."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from roamclear.cdrs import service as cdrs
from roamclear.cdrs import store as cdr_rows
from roamclear.cdrs.model import Billing, Original, Session
from roamclear.kernel import numbers_json
from roamclear.kernel.context import Context
from roamclear.kernel.time import format_instant
from roamclear.rating.service import normalise_cdr
from tests.support.builders import body_of, cdr
from tests.support.moto_stack import Stage
from tests.support.ocpi_partner import CASES, Answer, Partner, connect, served

T0 = datetime(2026, 10, 1, tzinfo=UTC)
NOW = datetime(2026, 10, 20, 12, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _served(stage: Stage) -> Iterator[None]:
    stage.clock.set(NOW)
    with served(stage.ctx):
        yield


@pytest.fixture
def emsp(ctx: Context) -> Partner:
    return connect(ctx, "NLRON", "EMSP")


def visible(
    ctx: Context, number: int, at: datetime, *, emsp: str = "NLRON", original: Original | None = None, **changes: Any
) -> None:
    """A CDR that became visible to an eMSP at an instant."""
    original = original or body_of(cdr(number, emsp=emsp, **changes), received=at)
    cdrs.receive(ctx, original)
    session = Session(
        issuer_id=original.issuer_id,
        cdr_ref=original.cdr_ref,
        cdr_id=f"CDR-{number:06d}",
        party="DEVWK",
        emsp_party=emsp,
        partner_id="p",
        route="P2P",
        source="push",
        start_utc=at,
        stop_utc=at,
        energy_kwh=Decimal(1),
        received_at_utc=at,
        available_at_utc=at,
        billing=Billing.VERIFIED,
        currency="EUR",
        sha256=original.sha256,
    )
    ctx.db.write(cdr_rows.create(session))


def ids(answer: Answer) -> list[str]:
    assert (answer.status, answer.code) == (200, 1000), answer.text
    return [row["id"] for row in answer.data]


def link(answer: Answer) -> str | None:
    value = answer.headers.get("Link")
    return value[1 : value.index(">")] if value else None


def walk(partner: Partner, query: dict[str, str]) -> tuple[list[str], list[Answer]]:
    """All pages of a pull, following ``Link``."""
    answers = [partner.call("GET", "/ocpi/2.2.1/cdrs", query=query)]
    while (following := link(answers[-1])) is not None:
        answers.append(partner.call("GET", following))
    return [i for a in answers for i in ids(a)], answers


def month(ctx: Context, count: int = 45) -> list[str]:
    """CDRs over 19 days, ten hours apart, some at the same instant."""
    for n in range(count):
        visible(ctx, n, T0 + timedelta(hours=10 * (n // 2 * 2)))
    return [f"CDR-{n:06d}" for n in range(count)]


def test_nothing_is_an_empty_list(emsp: Partner) -> None:
    answer = emsp.call("GET", "/ocpi/2.2.1/cdrs")
    assert ids(answer) == []
    assert answer.headers["X-Total-Count"] == "0"
    assert "Link" not in answer.headers


def test_pages_are_stable_complete_and_counted(ctx: Context, emsp: Partner) -> None:
    expected = month(ctx)
    found, answers = walk(emsp, {"limit": "7"})
    assert found == expected
    assert {a.headers["X-Total-Count"] for a in answers} == {"45"}
    assert {a.headers["X-Limit"] for a in answers} == {"100"}
    assert [len(a.data) for a in answers] == [7] * 6 + [3]


def test_objects_are_served_digit_for_digit(ctx: Context, emsp: Partner) -> None:
    visible(ctx, 1, T0, total_energy=Decimal("20.10000000000000000001"), x_unknown={"kept": [None, True]})
    text = emsp.call("GET", "/ocpi/2.2.1/cdrs").text
    assert '"total_energy":20.10000000000000000001' in text
    assert '"x_unknown":{"kept":[null,true]}' in text


SPEC_CDRS = {
    "2.2.1": "2.2.1/examples/cdr_example.json",
    "2.3.0": "2.3.0-core/examples/cdr_example.json",
    "2.1.1": "2.1.1/extracted/mod_cdrs__01_example_of_a_cdr.json",
}


@pytest.mark.cases
@pytest.mark.parametrize("came_in", SPEC_CDRS)
@pytest.mark.parametrize("version", SPEC_CDRS)
def test_each_version_reads_every_cdr_in_its_own_words(ctx: Context, emsp: Partner, came_in: str, version: str) -> None:
    if not (CASES / SPEC_CDRS[came_in]).exists():
        pytest.skip("the specification's examples are not on this machine")
    raw = (CASES / SPEC_CDRS[came_in]).read_bytes()
    owned = {"country_code": "BE", "party_id": "BEC", **json.loads(raw)}
    original = body_of(owned, received=T0, version=came_in).model_copy(update={"raw": zlib.compress(raw)})
    visible(ctx, 1, T0, original=original)
    answer = emsp.call("GET", f"/ocpi/{version}/cdrs")
    (found,) = answer.data
    read = normalise_cdr(found, version)
    assert read.quirks == () or came_in == "2.1.1"
    own = normalise_cdr(numbers_json.loads(raw), came_in)
    assert (read.id, read.start, read.end, read.currency) == (own.id, own.start, own.end, own.currency)
    assert read.total_cost is not None
    assert own.total_cost is not None
    assert read.total_cost.excl_vat == own.total_cost.excl_vat
    assert read.total_energy_kwh == own.total_energy_kwh
    assert read.token.contract_id == own.token.contract_id
    assert read.location.evse_id == own.location.evse_id
    assert [p.start for p in read.periods] == [p.start for p in own.periods]
    if came_in == version:
        assert raw.decode().strip() in answer.text


@pytest.mark.parametrize("offset", [0, 1, 7, 30, 44, 45, 46, 1000])
def test_a_bare_offset_is_resolved(ctx: Context, emsp: Partner, offset: int) -> None:
    expected = month(ctx)
    answer = emsp.call("GET", "/ocpi/2.2.1/cdrs", query={"offset": str(offset), "limit": "10"})
    assert ids(answer) == expected[offset : offset + 10]
    assert answer.headers["X-Total-Count"] == "45"


@pytest.mark.parametrize(("first", "last"), [(0, 500), (0, 20), (20, 20), (15, 140), (13, 347), (400, 9000), (-99, 1)])
def test_date_from_is_inclusive_and_date_to_exclusive(ctx: Context, emsp: Partner, first: int, last: int) -> None:
    month(ctx)
    bounds = {
        "date_from": format_instant(T0 + timedelta(hours=first)),
        "date_to": format_instant(T0 + timedelta(hours=last)),
    }
    expected = [f"CDR-{n:06d}" for n in range(45) if first <= 10 * (n // 2 * 2) < last]
    found, answers = walk(emsp, {**bounds, "limit": "4"})
    assert found == expected
    assert {a.headers["X-Total-Count"] for a in answers} == {str(len(expected))}
    again = emsp.call("GET", "/ocpi/2.2.1/cdrs", query={**bounds, "offset": "3", "limit": "100"})
    assert ids(again) == expected[3:]


def test_a_late_cdr_is_pulled_though_its_own_dates_are_old(stage: Stage, emsp: Partner) -> None:
    month(stage.ctx)
    stage.clock.advance(timedelta(days=2))
    visible(stage.ctx, 500, stage.clock.now(), last_updated="2026-10-01T00:00:00Z")
    assert ids(emsp.call("GET", "/ocpi/2.2.1/cdrs", query={"date_from": format_instant(NOW)})) == ["CDR-000500"]


def test_a_pull_that_began_before_new_ones_came_ends_with_them(stage: Stage, emsp: Partner) -> None:
    expected = month(stage.ctx)
    first = emsp.call("GET", "/ocpi/2.2.1/cdrs", query={"limit": "40"})
    stage.clock.advance(timedelta(minutes=3))
    visible(stage.ctx, 600, stage.clock.now())
    following = link(first)
    assert following is not None
    second = emsp.call("GET", following)
    assert ids(first) + ids(second) == [*expected, "CDR-000600"]
    assert second.headers["X-Total-Count"] == "46"


def test_counts_of_finished_days_are_kept_and_today_is_live(stage: Stage, emsp: Partner) -> None:
    month(stage.ctx)
    emsp.call("GET", "/ocpi/2.2.1/cdrs")
    visible(stage.ctx, 700, NOW - timedelta(minutes=5))
    assert emsp.call("GET", "/ocpi/2.2.1/cdrs").headers["X-Total-Count"] == "46"
    stage.clock.advance(timedelta(days=3))
    visible(stage.ctx, 701, stage.clock.now())
    assert emsp.call("GET", "/ocpi/2.2.1/cdrs").headers["X-Total-Count"] == "47"


def test_an_emsp_sees_its_own_only(ctx: Context, emsp: Partner) -> None:
    visible(ctx, 1, T0)
    visible(ctx, 2, T0, emsp="DETNM")
    assert ids(emsp.call("GET", "/ocpi/2.2.1/cdrs")) == ["CDR-000001"]
    assert ids(connect(ctx, "DETNM", "EMSP").call("GET", "/ocpi/2.2.1/cdrs")) == ["CDR-000002"]
    assert ids(connect(ctx).call("GET", "/ocpi/2.2.1/cdrs")) == []
    assert ids(connect(ctx, "NLRON", "EMSP", issuer_id="other").call("GET", "/ocpi/2.2.1/cdrs")) == []


def test_one_cdr_by_its_address_in_the_version_of_the_address(ctx: Context, emsp: Partner) -> None:
    visible(ctx, 1, T0)
    for path in ("/ocpi/2.2.1/cdrs/DE/VWK/CDR-000001", "/ocpi/2.2.1//cdrs/de/vwk/cdr-000001/"):
        assert emsp.call("GET", path).data["id"] == "CDR-000001"
    older = emsp.call("GET", "/ocpi/2.1.1/cdrs/DE/VWK/CDR-000001").data
    assert (older["auth_id"], "cdr_token" in older) == ("NLRONC00000001", False)
    newer = emsp.call("GET", "/ocpi/2.3.0/cdrs/DE/VWK/CDR-000001").data
    assert "before_taxes" in newer["total_cost"]
    cpo = connect(ctx)
    assert cpo.call("GET", "/ocpi/2.3.0/cdrs/DE/VWK/CDR-000001").data == newer
    for stranger in (connect(ctx, "FRXXX", "EMSP"), connect(ctx, "NLRON", "EMSP", sandbox=True)):
        assert stranger.call("GET", "/ocpi/2.2.1/cdrs/DE/VWK/CDR-000001").status == 404


def test_what_is_not_visible_yet_has_no_address_for_the_emsp(ctx: Context, emsp: Partner) -> None:
    cpo = connect(ctx)
    place = cpo.push(cdr(1)).headers["Location"]
    assert cpo.call("GET", place).code == 1000
    assert emsp.call("GET", place).status == 404


def test_a_position_of_another_caller_opens_nothing(ctx: Context, emsp: Partner) -> None:
    for n in range(4):
        visible(ctx, n, T0 + timedelta(hours=n), emsp="NLRON" if n % 2 else "DETNM")
    other = connect(ctx, "DETNM", "EMSP")
    following = link(other.call("GET", "/ocpi/2.2.1/cdrs", query={"limit": "1"}))
    assert following is not None
    assert ids(emsp.call("GET", following)) == ["CDR-000001"]


def test_a_hub_reads_several_parties_in_one_order(ctx: Context) -> None:
    for n in range(12):
        visible(ctx, n, T0 + timedelta(hours=7 * n), emsp="NLRON" if n % 3 else "DETNM")
    hub = connect(ctx, "NLHUB", "HUB", emsp_parties=("NLRON", "DETNM"))
    found, answers = walk(hub, {"limit": "5"})
    assert found == [f"CDR-{n:06d}" for n in range(12)]
    assert answers[0].headers["X-Total-Count"] == "12"
    assert ids(hub.call("GET", "/ocpi/2.2.1/cdrs", query={"offset": "7"})) == [f"CDR-{n:06d}" for n in range(7, 12)]


def test_a_page_stops_before_it_is_too_large_for_an_answer(ctx: Context, emsp: Partner) -> None:
    for n in range(4):
        visible(ctx, n, T0 + timedelta(hours=n), remark="x" * 1_800_000)
    found, answers = walk(emsp, {})
    assert found == [f"CDR-{n:06d}" for n in range(4)]
    assert [len(a.data) for a in answers] == [2, 2]
    assert all(len(a.text) < 6_000_000 for a in answers)


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"},
        {"limit": "-1"},
        {"limit": "ten"},
        {"offset": "1.5"},
        {"date_from": "yesterday"},
        {"date_to": "2026-13-01T00:00:00Z"},
        {"date_from": "0001-01-01T00:00:00+14:00"},
        {"position": "zzz"},
        {"position": "WzFd"},
        {"position": "€"},
    ],
)
def test_a_parameter_that_cannot_be_read_is_2001_by_name(emsp: Partner, query: dict[str, str]) -> None:
    answer = emsp.call("GET", "/ocpi/2.2.1/cdrs", query=query)
    if answer.code == 1000:
        assert query.get("position"), "only a position may be passed over, where there is nothing to list"
    else:
        assert (answer.status, answer.code) == (200, 2001)


def test_a_position_is_checked(ctx: Context, emsp: Partner) -> None:
    visible(ctx, 1, T0)
    for position in ("zzz", "WzFd", "€", numbers_json.dumps(["\ud800", "x", 1])):
        assert emsp.call("GET", "/ocpi/2.2.1/cdrs", query={"position": position}).code == 2001


def test_a_plus_that_became_a_blank_is_understood(ctx: Context, emsp: Partner) -> None:
    visible(ctx, 1, T0)
    query = {"date_from": "2026-10-01T02:00:00 02:00", "date_to": "2026-10-01 02:00:01+02:00"}
    assert ids(emsp.call("GET", "/ocpi/2.2.1/cdrs", query=query)) == ["CDR-000001"]
