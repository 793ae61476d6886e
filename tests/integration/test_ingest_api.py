"""GET /v1/ingest-log and /v1/pulls."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from roamclear.ocpi import store
from roamclear.ocpi.model import PullReport
from tests.support import builders as b
from tests.support.api import Api, environment
from tests.support.moto_stack import Stage
from tests.support.ocpi_partner import connect, served

NOW = datetime(2026, 10, 20, 12, tzinfo=UTC)


@pytest.fixture
def api(stage: Stage) -> Iterator[Api]:
    stage.clock.set(NOW)
    with environment(stage), served(stage.ctx):
        yield Api(stage)


def test_what_was_refused_is_listed_by_partner_and_day(stage: Stage, api: Api) -> None:
    first, second = connect(stage.ctx, "DEVWK"), connect(stage.ctx, "ATVWK")
    first.push(b.cdr(1, currency="EURO"))
    stage.clock.advance(timedelta(minutes=1))
    second.push(b"{")
    stage.clock.advance(timedelta(minutes=1))
    first.push(b.cdr(2, party_id="XXX"))
    reply = api.call("GET", "/v1/ingest-log", "OPS")
    assert reply.status == 200
    assert [(e["partner_id"], e["field"], e["http_status"]) for e in reply.body["items"]] == [
        ("partner-devwk", "party_id", 200),
        ("partner-atvwk", "body", 400),
        ("partner-devwk", "currency", 200),
    ]
    assert not {"raw", "token"} & {name for e in reply.body["items"] for name in e}
    one = api.call("GET", "/v1/ingest-log", "FINANCE", partner="partner-atvwk", day="2026-10-20")
    assert len(one.body["items"]) == 1
    assert api.call("GET", "/v1/ingest-log", "ADMIN", day="2026-10-19").body["items"] == []
    assert api.call("GET", "/v1/ingest-log", "OPS", partner="nobody").status == 404
    assert api.call("GET", "/v1/ingest-log", "OPS", day="yesterday").status == 422


def test_pulls_are_listed_newest_first(stage: Stage, api: Api) -> None:
    for day in (17, 18, 19):
        at = datetime(2026, 10, day, 1, tzinfo=UTC)
        report = PullReport(
            issuer_id=b.ISSUER, night=at.date().isoformat(), partner_id="p", party="DEVWK", from_utc=at, to_utc=at,
            ended_at_utc=at, complete=True, pulled_only=day, pushed=5,
        )  # fmt: skip
        store.save_pull(stage.ctx.db, report)
    reply = api.call("GET", "/v1/pulls", "FINANCE")
    assert [(r["night"], r["pulled_only"], r["pushed"]) for r in reply.body["items"]] == [
        ("2026-10-19", 19, 5),
        ("2026-10-18", 18, 5),
        ("2026-10-17", 17, 5),
    ]
    bounded = api.call("GET", "/v1/pulls", "OPS", **{"from": "2026-10-18", "to": "2026-10-18"})
    assert [r["night"] for r in bounded.body["items"]] == ["2026-10-18"]
    assert api.call("GET", "/v1/pulls", "OPS", **{"from": "2026-10-19", "to": "2026-10-18"}).status == 422


@pytest.mark.parametrize("path", ["/v1/ingest-log", "/v1/pulls"])
def test_only_staff_who_work_with_it(api: Api, path: str) -> None:
    for role in ("VIEWER", "DISPUTE_AGENT", "FINANCE_APPROVER"):
        assert api.call("GET", path, role).status == 403
    assert api.call("GET", path, "EMSP_USER", contract_id=b.CONTRACT).status == 403
    assert api.call("GET", path, None).status == 401


def test_received_records_are_listed_and_compared(stage: Stage, api: Api) -> None:
    b.found_issuer(stage.ctx)
    emsp = connect(stage.ctx, "NLRON", "EMSP", ocpi_version="2.3.0")
    body = {
        "country_code": "NL", "party_id": "RON", "id": "REC 1/2", "invoice_id": "SB-1", "cdrs": ["CDR-1"],
        "last_updated": "2026-10-20T11:00:00Z",
    }  # fmt: skip
    assert emsp.call("POST", "/ocpi/2.3.0/invoicereconciliation/", body).status == 201
    (listed,) = api.call("GET", "/v1/received-records", "FINANCE").body["items"]
    assert (listed["party"], listed["id"], listed["listed"]) == ("NLRON", "REC 1/2", 1)
    told = api.call("GET", "/v1/received-records/NLRON/REC%201%2F2", "OPS").body
    assert (told["tied"], told["counts"]) == (0, {"UNKNOWN_CDR": 1})
    assert api.call("GET", "/v1/received-records/NLRON/none", "OPS").status == 404
