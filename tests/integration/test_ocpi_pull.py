"""The nightly pull against a Sender that misbehaves (product.md row 6; rules.md 4)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from functions.pull_cdrs import handler as function
from roamclear.cdrs import service as cdrs
from roamclear.journal import service as journal
from roamclear.kernel.context import Context
from roamclear.kernel.time import format_instant
from roamclear.ocpi import pull, store
from roamclear.ocpi.model import PullReport
from roamclear.outgoing import service as outgoing
from roamclear.partners import service as partners
from tests.support import builders as b
from tests.support.moto_stack import Stage
from tests.support.ocpi_partner import Partner, served
from tests.support.ocpi_sender import Reply, Sender, registered, sender, touched

NOW = datetime(2026, 10, 20, 3, 30, tzinfo=UTC)


@pytest.fixture
def peer() -> Iterator[Sender]:
    with sender() as made:
        yield made


@pytest.fixture
def cpo(stage: Stage, peer: Sender) -> Iterator[Partner]:
    b.found_issuer(stage.ctx)
    stage.clock.set(NOW - timedelta(days=2))
    made = registered(stage.ctx, peer.url)
    stage.clock.set(NOW)
    with served(stage.ctx):
        yield made


def some(count: int, *, days_ago: int = 1) -> list[dict[str, Any]]:
    """CDRs of an hour each, last updated minutes apart."""
    at = NOW - timedelta(days=days_ago)
    return [touched(b.cdr(n), at + timedelta(minutes=n)) for n in range(1, count + 1)]


def night(ctx: Context, partner: Partner, *, seconds: list[int] | None = None) -> PullReport:
    """One night's pull."""
    known = partners.credential(ctx, b.ISSUER, partner.credential.credential_id)
    pauses: list[int] = [] if seconds is None else seconds
    return pull.pull_partner(ctx, known, time_left=lambda: True, pause=pauses.append)


def found(report: PullReport) -> dict[str, int]:
    names = ("pushed", "pulled_before", "pulled_only", "mismatched", "refused")
    return {name: value for name in names if (value := getattr(report, name))}


def raised(ctx: Context, kind: str) -> list[str]:
    return [row.subject for row in journal.listed(ctx, b.actor("OPS"), b.ISSUER) if row.kind == kind]


def test_what_push_missed_is_taken_in_once(ctx: Context, peer: Sender, cpo: Partner) -> None:
    peer.cdrs = some(7)
    for one in peer.cdrs[:4]:
        assert cpo.push(one).status == 201
    assert cpo.push(peer.cdrs[4] | {"total_energy": Decimal(21)}).status == 201
    report = night(ctx, cpo)
    assert found(report) == {"pushed": 4, "pulled_only": 2, "mismatched": 1}
    assert report.complete
    assert set(peer.tokens) == {"Token dG9rZW4tQg=="}
    for n in (6, 7):
        original = cdrs.original(ctx, b.ISSUER, f"DEVWK*CDR-{n:06d}")
        assert original is not None
        assert original.source == "pull"
    assert raised(ctx, "PULL_GAP") == ["partner-devwk#DEVWK#2026-10-20"]
    again = night(ctx, cpo)
    assert found(again) == {"pushed": 4, "pulled_before": 2, "mismatched": 1}
    (kept,) = store.pull_reports(ctx.db, b.ISSUER, after="2026-10-20", before="2026-10-21")
    assert (kept.pulled_only, kept.pushed, kept.mismatched) == (2, 4, 2)


def test_the_body_is_kept_byte_for_byte(ctx: Context, peer: Sender, cpo: Partner) -> None:
    text = json.dumps(b.cdr(1) | {"total_energy": 20, "total_cost": {"excl_vat": 8}}, default=str)
    text = text.replace('"20"', "20").replace('"1"', "1").replace('"total_energy": 20', '"total_energy": 20.100')
    peer.cdrs = [text]
    assert found(night(ctx, cpo))["pulled_only"] == 1
    assert cpo.call("GET", "/ocpi/2.2.1/cdrs/DE/VWK/CDR-000001").text.count('"total_energy": 20.100') == 1


def test_bad_objects_do_not_stop_good_ones(ctx: Context, peer: Sender, cpo: Partner) -> None:
    good = some(5)
    deep = "[" * 40 + "]" * 40
    bad: list[Any] = ["7", "null", "{}", deep, '{"id":NaN}', good[0] | {"id": "x" * 40}, good[1] | {"party_id": "XXX"}]
    peer.cdrs = [item for pair in zip(good, bad, strict=False) for item in pair] + bad[5:]
    report = night(ctx, cpo)
    assert report.pulled_only == 5
    assert report.refused >= len(bad)
    assert report.complete
    logged = list(store.refused(ctx.db, b.ISSUER, "partner-devwk", NOW))
    assert {entry.message for entry in logged} >= {"party_id: this token may not write for this party"}


def flaky(reply: Reply, number: int) -> None:
    """Every other request fails, each time in another way."""
    if number % 2:
        kinds = [(500, b"{}"), (200, b"<html>"), (503, b""), (200, b'{"status_code":3000}'), (200, b'{"data":[{]}')]
        reply.status, reply.body = kinds[number // 2 % len(kinds)]
        reply.headers.pop("Link", None)


def test_faults_that_pass_are_waited_for(ctx: Context, peer: Sender, cpo: Partner) -> None:
    peer.cdrs, peer.fault = some(9), flaky
    seconds: list[int] = []
    report = night(ctx, cpo, seconds=seconds)
    assert (found(report), report.complete, report.faults) == ({"pulled_only": 9}, True, ())
    assert set(seconds) == {2}


def test_an_outage_is_caught_up(stage: Stage, peer: Sender, cpo: Partner) -> None:
    ctx = stage.ctx
    peer.cdrs = some(3)

    def down(reply: Reply, number: int) -> None:
        reply.status = 502

    peer.fault = down
    report = night(ctx, cpo)
    assert (report.complete, len(report.faults), report.seen) == (False, 2, 0)
    assert raised(ctx, "PARTNER_SILENT") == ["pull#partner-devwk#DEVWK"]
    stage.clock.set(NOW + timedelta(days=40))
    assert not night(ctx, cpo).complete
    peer.fault = None
    report = night(ctx, cpo)
    assert (report.pulled_only, report.complete) == (3, True)
    assert raised(ctx, "PARTNER_SILENT") == []
    peer.asked.clear()
    night(ctx, cpo)
    assert min(q["date_from"] for q in peer.asked) == "2026-11-28T03:00:00Z", "one day is read again"


def test_what_may_still_be_pushed_is_no_gap(stage: Stage, peer: Sender, cpo: Partner) -> None:
    """The push of a CDR of the last half hour may be on its way; the next night reads it."""
    night(stage.ctx, cpo)
    assert max(q["date_to"] for q in peer.asked) == format_instant(NOW - pull.YOUNG)
    peer.asked.clear()
    stage.clock.set(NOW + timedelta(days=1))
    night(stage.ctx, cpo)
    assert min(q["date_from"] for q in peer.asked) == format_instant(NOW - pull.YOUNG - pull.OVERLAP)


def test_a_day_that_cannot_be_read_does_not_hide_the_others(stage: Stage, peer: Sender, cpo: Partner) -> None:
    old, new = some(2, days_ago=2), [touched(b.cdr(9), NOW - timedelta(hours=2))]
    peer.cdrs = old + new

    def poisoned(reply: Reply, number: int) -> None:
        if b"CDR-000001" in reply.body:
            reply.body = b"garbage"

    peer.fault = poisoned
    report = night(stage.ctx, cpo)
    assert (report.pulled_only, report.complete) == (1, False)
    stage.clock.set(NOW + timedelta(days=1))
    peer.fault = None
    assert night(stage.ctx, cpo).pulled_only == 2, "the mark waited for the day"


def links(value: str) -> Any:
    def fault(reply: Reply, number: int) -> None:
        if "Link" in reply.headers or "{always}" in value:
            reply.headers["Link"] = value.replace("{always}", "").replace("{n}", str(number))

    return fault


@pytest.mark.parametrize(
    ("header", "complete"),
    [
        ("", True),
        ('<http://127.0.0.1:1/cdrs?offset=3>; rel="next"', False),
        ('<http://localhost:80/cdrs>; rel="next"', False),
        ('<https://elsewhere.example/cdrs>; rel="next"', False),
        ('<//169.254.169.254/latest>; rel="next"', False),
        ("<http://[>; rel=next", False),
    ],
)
def test_link_is_followed_on_the_registered_origin_only(
    ctx: Context, peer: Sender, cpo: Partner, header: str, complete: bool
) -> None:
    peer.cdrs, peer.fault = some(5), links(header)
    report = night(ctx, cpo)
    assert report.complete is complete
    assert report.seen >= 3, "what came before the fault is taken in"


def test_an_empty_link_is_the_end(ctx: Context, peer: Sender, cpo: Partner) -> None:
    peer.cdrs, peer.fault = some(2), links("{always}")
    assert (night(ctx, cpo).complete, len(peer.asked)) == (True, 3)


def test_pages_that_repeat_end(ctx: Context, peer: Sender, cpo: Partner) -> None:
    peer.cdrs, peer.limit = some(4), 10

    def again(reply: Reply, number: int) -> None:
        reply.headers["Link"] = (
            f'</cdrs?date_from=2026-10-01T00:00:00Z&date_to=2026-10-30T00:00:00Z&k={number}>; rel="next"'
        )
        reply.headers.pop("X-Total-Count")
        reply.body = b'{"status_code":1000,"data":[]}' if b"CDR-" not in reply.body else reply.body

    peer.fault = again
    report = night(ctx, cpo)
    assert report.pulled_only == 4
    assert len(peer.asked) < 20
    assert any("again and again" in fault for fault in report.faults)


def test_a_link_that_leads_back_ends(ctx: Context, peer: Sender, cpo: Partner) -> None:
    peer.cdrs = some(2)

    def back(reply: Reply, number: int) -> None:
        from urllib.parse import urlencode

        reply.headers["Link"] = f'<{peer.url}/cdrs?{urlencode(peer.asked[-1])}>; rel="next"'

    peer.fault = back
    report = night(ctx, cpo)
    assert not report.complete
    assert "Link leads back" in report.faults[0]


def test_totals_without_link_are_followed_by_offset(ctx: Context, peer: Sender, cpo: Partner) -> None:
    peer.cdrs, peer.with_link = some(8), False
    assert found(night(ctx, cpo)) == {"pulled_only": 8}
    assert [q["offset"] for q in peer.asked if "offset" in q] == ["3", "6"]


@pytest.mark.parametrize("total", ["1", "9000", "-1", "many", ""])
def test_totals_that_move_or_lie_do_no_harm(ctx: Context, peer: Sender, cpo: Partner, total: str) -> None:
    peer.cdrs = some(8)

    def moved(reply: Reply, number: int) -> None:
        reply.headers["X-Total-Count"] = total

    peer.fault = moved
    report = night(ctx, cpo)
    assert (found(report), report.complete) == ({"pulled_only": 8}, True)


def test_slow_and_huge_answers_are_cut(
    ctx: Context, peer: Sender, cpo: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outgoing, "TIMEOUT_S", 1)
    monkeypatch.setattr(outgoing, "LIMIT_BYTES", 50_000)
    monkeypatch.setattr(pull, "_TRIES", 1)
    peer.cdrs = some(1)

    def wrong(reply: Reply, number: int) -> None:
        if number == 1:
            reply.delay_s = 2
        else:
            reply.body += b" " * 60_000

    peer.fault = wrong
    report = night(ctx, cpo)
    assert ["did not answer" in report.faults[0], "more than 50000 bytes" in report.faults[1]] == [True, True]


def test_a_redirect_is_not_followed(ctx: Context, peer: Sender, cpo: Partner) -> None:
    def moved(reply: Reply, number: int) -> None:
        reply.status, reply.headers["Location"] = 307, "http://127.0.0.1:1/"

    peer.fault = moved
    assert "HTTP 307" in night(ctx, cpo).faults[0]


def test_other_stages_call_no_loopback(stage: Stage, peer: Sender, cpo: Partner) -> None:
    from dataclasses import replace

    assert not night(replace(stage.ctx, stage="prod"), cpo).complete
    assert peer.asked == []


def test_2_1_1_is_pulled_in_its_own_words(stage: Stage, peer: Sender, cpo: Partner) -> None:
    old = registered(stage.ctx, peer.url, version="2.1.1", party="ATVWK", ocpi_version="2.1.1")
    raw = touched(b.cdr(1), NOW - timedelta(hours=3))
    evse = {"uid": "1", "evse_id": "AT*VWK*E001", "status": "AVAILABLE", "connectors": [
        {"id": "1", "standard": "IEC_62196_T2", "format": "SOCKET", "power_type": "AC_3_PHASE", "voltage": 230,
         "amperage": 32}]}  # fmt: skip
    place = {"id": "L", "type": "ON_STREET", "address": "A 1", "city": "Wien", "postal_code": "1010",
             "country": "AUT", "coordinates": {"latitude": "48.2", "longitude": "16.3"}, "evses": [evse]}  # fmt: skip
    peer.cdrs = [
        {
            "id": "OLD-1", "start_date_time": raw["start_date_time"], "stop_date_time": raw["end_date_time"],
            "auth_id": "NLRONC00000001", "auth_method": "WHITELIST", "location": place, "currency": "EUR",
            "charging_periods": raw["charging_periods"], "total_cost": Decimal("8.30"), "total_energy": 20,
            "total_time": 1, "last_updated": raw["last_updated"],
        }
    ]  # fmt: skip
    assert found(night(stage.ctx, old)) == {"pulled_only": 1}
    assert peer.tokens[-1] == "Token token-B"
    assert cdrs.original(stage.ctx, b.ISSUER, "ATVWK*OLD-1") is not None


def test_the_time_of_a_night_ends(ctx: Context, peer: Sender, cpo: Partner) -> None:
    peer.cdrs = some(9)
    left = iter([True, True, True])
    known = partners.credential(ctx, b.ISSUER, cpo.credential.credential_id)
    report = pull.pull_partner(ctx, known, time_left=lambda: next(left, False), pause=lambda s: None)
    assert not report.complete
    assert "time" in report.faults[-1]
    assert night(ctx, cpo).complete


def test_the_function_visits_every_registered_cpo(
    stage: Stage, peer: Sender, cpo: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    registered(stage.ctx, peer.url, party="ATVWK", sandbox=True)
    registered(stage.ctx, "http://127.0.0.1:1", party="BEVWK")
    registered(stage.ctx, peer.url, party="NLRON", role="EMSP")
    peer.cdrs = some(2)
    monkeypatch.setattr(function, "compose", lambda: stage.ctx)
    monkeypatch.setattr(function, "sleep", lambda seconds: None)
    event = json.loads((Path(__file__).parents[2] / "events" / "pull_cdrs" / "schedule.json").read_text())
    lambda_context = SimpleNamespace(
        function_name="pull_cdrs", memory_limit_in_mb=512, invoked_function_arn="arn", aws_request_id="r",
        get_remaining_time_in_millis=lambda: 900_000,
    )  # fmt: skip
    told = function.handler(event, lambda_context)["partners"]
    assert {(p["partner_id"], p["complete"], p["pulled_only"]) for p in told} == {
        ("partner-devwk", True, 2),
        ("partner-bevwk", False, 0),
    }
