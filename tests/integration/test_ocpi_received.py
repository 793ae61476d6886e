"""Receiver of Invoice Reconciliation: eMSPs that bill themselves (ocpi.md 7, product.md B4)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from roamclear.cdrs import service as cdrs
from roamclear.cdrs.model import Billing
from roamclear.facts import service as facts
from roamclear.journal import service as journal
from roamclear.kernel.errors import Forbidden, NotFound
from roamclear.kernel.writes import Put, Table
from roamclear.ocpi import claims, received
from tests.support import builders as b
from tests.support import memory_stage
from tests.support.moto_stack import Stage
from tests.support.ocpi_partner import Partner, connect, served

BASE = "/ocpi/2.3.0/invoicereconciliation"
NOW = datetime(2026, 10, 20, 12, tzinfo=UTC)


@pytest.fixture
def stage() -> Iterator[Stage]:
    with memory_stage.stage(NOW) as made, served(made.ctx):
        b.found_issuer(made.ctx)
        b.found_contract(made.ctx)
        b.found_own_account(made.ctx)
        yield made


@pytest.fixture
def emsp(stage: Stage) -> Partner:
    return connect(stage.ctx, "NLRON", "EMSP", ocpi_version="2.3.0")


def record(*cdr_ids: str, **changes: Any) -> dict[str, Any]:
    made = {
        "country_code": "NL",
        "party_id": "RON",
        "id": "REC-1",
        "invoice_id": "SB-2026-1",
        "cdrs": list(cdr_ids) or ["CDR-1"],
        "last_updated": "2026-10-20T12:00:00Z",
    }
    return made | changes


def put(emsp: Partner, body: Any, record_id: str = "REC-1", party: str = "NL/RON") -> tuple[int, int]:
    answer = emsp.call("PUT", f"{BASE}/{party}/{record_id}", body)
    return answer.status, answer.code


def a_session(stage: Stage, number: int, billing: Billing = Billing.LOCKED) -> str:
    """A processed CDR of the eMSP in a state; returns its id."""
    raw = b.cdr(number)
    body = b.body_of(raw, received=NOW)
    cdrs.receive(stage.ctx, body)
    cdrs.process(stage.ctx, b.ISSUER, body.cdr_ref)
    known = cdrs.session(stage.ctx, b.ISSUER, body.cdr_ref)
    assert known is not None
    _, write = cdrs.changed(known, billing=billing)
    stage.ctx.db.write(write)
    return str(raw["id"])


def arrived(stage: Stage) -> list[str]:
    """What the stream makes of every record: the messages of the open exceptions."""
    stage.clock.advance(timedelta(seconds=1))
    for partition in stage.tables.tables[Table.INTAKE].values():  # type: ignore[attr-defined]
        for row in list(partition.values()):
            if row.get("kind") == "RECEIVED_RECORD":
                facts.took_in(stage.ctx, row)
    return [row.message.split(": ", 1)[1] for row in journal.listed(stage.ctx, b.actor("OPS"), b.ISSUER)]


def report(stage: Stage, record_id: str = "REC-1") -> dict[str, Any]:
    return claims.report(stage.ctx, b.actor("OPS"), b.ISSUER, "NLRON", record_id)


def test_a_record_is_put_read_replaced_and_taken_back(emsp: Partner) -> None:
    body = record("CDR-1", "CDR-2", price=1, extension={"kept": "as it is"})
    assert put(emsp, body) == (201, 1000)
    assert emsp.call("GET", f"{BASE}/nl/ron/rec-1/").data == body
    assert put(emsp, body) == (200, 1000)
    later = record("CDR-3", last_updated="2026-10-20T13:00:00Z")
    assert put(emsp, later) == (200, 1000)
    assert put(emsp, body) == (200, 1000), "older than what is known: nothing changes"
    assert emsp.call("GET", f"{BASE}/NL/RON/REC-1").data == later
    assert emsp.call("DELETE", f"{BASE}/NL/RON/REC-1").code == 1000
    assert emsp.call("GET", f"{BASE}/NL/RON/REC-1").status == 404
    assert emsp.call("DELETE", f"{BASE}/NL/RON/REC-1").status == 404
    assert put(emsp, later) == (201, 1000)


def test_post_makes_a_record_once(emsp: Partner) -> None:
    body = record("CDR-1")
    assert [emsp.call("POST", BASE, body).status for _ in range(2)] == [201, 200]
    assert emsp.call("POST", BASE, record("CDR-2")).code == 2001
    assert emsp.call("GET", f"{BASE}/NL/RON/REC-1").data == body
    assert emsp.call("POST", BASE, record(country_code="FR")).code == 2001
    assert emsp.call("POST", BASE, record(party_id="TOO-LONG")).code == 2001
    assert emsp.call("POST", BASE, []).code == 2001
    assert emsp.call("POST", BASE, "{").status == 400


def test_patch_changes_named_fields(emsp: Partner) -> None:
    change = {"invoice_id": "SB-2026-2", "last_updated": "2026-10-20T14:00:00Z"}
    path = f"{BASE}/NL/RON/REC-1"
    assert emsp.call("PATCH", path, change).code == 2001
    put(emsp, record("CDR-1"))
    assert emsp.call("PATCH", path, {"invoice_id": "SB-2026-2"}).code == 2001, "a PATCH carries last_updated"
    assert emsp.call("PATCH", path, change | {"cdrs": []}).code == 2001
    assert emsp.call("PATCH", path, change).code == 1000
    assert emsp.call("GET", path).data == record("CDR-1") | change
    assert emsp.call("PATCH", path, {"cdrs": ["X"], "last_updated": "2026-10-20T11:00:00Z"}).code == 1000
    assert emsp.call("GET", path).data["cdrs"] == ["CDR-1"], "older than what is known: nothing changes"


@pytest.mark.parametrize(
    "change",
    [
        {"id": "OTHER"},
        {"id": None},
        {"party_id": "XXX"},
        {"country_code": None},
        {"invoice_id": None},
        {"invoice_id": "x" * 256},
        {"invoice_id": 7},
        {"cdrs": None},
        {"cdrs": []},
        {"cdrs": "CDR-1"},
        {"cdrs": ["x" * 40]},
        {"cdrs": [""]},
        {"cdrs": [1]},
        {"cdrs": ["CDR-1"] * (received.MAX_CDRS + 1)},
        {"long_cdrs": "x"},
        {"last_updated": None},
        {"last_updated": "yesterday"},
    ],
)
def test_what_is_no_record_is_2001_and_logged(stage: Stage, emsp: Partner, change: dict[str, Any]) -> None:
    assert put(emsp, record() | change) == (200, 2001)
    assert emsp.call("GET", f"{BASE}/NL/RON/REC-1").status == 404
    stored = stage.tables.tables[Table.INTAKE]  # type: ignore[attr-defined]
    assert any("#INGEST#" in pk for pk in stored), "what was refused is kept"


def test_only_the_caller_s_own_parties(stage: Stage, emsp: Partner) -> None:
    put(emsp, record())
    other = connect(stage.ctx, "FRXXX", "EMSP")
    assert other.call("GET", f"{BASE}/NL/RON/REC-1").status == 404
    assert other.call("DELETE", f"{BASE}/NL/RON/REC-1").status == 404
    assert put(other, record("X")) == (200, 2001)
    assert put(connect(stage.ctx, "DEVWK", "CPO"), record("X")) == (200, 2001)
    assert emsp.call("GET", f"{BASE}/NL/RON/REC-1").data == record()


def test_a_sandbox_is_answered_and_keeps_nothing(stage: Stage) -> None:
    sandbox = connect(stage.ctx, "NLRON", "EMSP", sandbox=True)
    assert put(sandbox, record()) == (201, 1000)
    assert sandbox.call("GET", f"{BASE}/NL/RON/REC-1").status == 404
    assert arrived(stage) == []


def test_versions_methods_and_details(emsp: Partner) -> None:
    endpoints = emsp.call("GET", "/ocpi/2.3.0").data["endpoints"]
    roles = [e["role"] for e in endpoints if e["identifier"] == "invoicereconciliation"]
    assert roles == ["SENDER", "RECEIVER"]
    for method in ("PUT", "PATCH", "DELETE"):
        refused = emsp.call(method, BASE, {})
        assert (refused.status, refused.headers["Allow"]) == (405, "GET, POST")
    refused = emsp.call("POST", f"{BASE}/NL/RON/REC-1", record())
    assert (refused.status, refused.code, refused.headers["Allow"]) == (405, 2000, "DELETE, GET, PATCH, PUT")
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        assert emsp.call(method, "/ocpi/2.2.1/invoicereconciliation/NL/RON/REC-1", record()).status == 404
    assert emsp.call("GET", f"{BASE}/NL/RON/REC-1", authorization="Token none").status == 401


def test_a_record_is_tied_to_its_sessions(stage: Stage, emsp: Partner) -> None:
    ids = [a_session(stage, 1), a_session(stage, 2, Billing.INVOICED).lower()]
    put(emsp, record(*ids))
    assert arrived(stage) == []
    found = report(stage)
    assert (found["tied"], found["listed"], found["counts"], found["findings"]) == (2, 2, {}, [])
    assert [n["currency"] for n in found["net_of_tied"]] == ["EUR"]
    assert found["net_of_tied"][0]["amount_minor"] > 0


def test_differences_are_an_exception_until_they_are_gone(stage: Stage, emsp: Partner) -> None:
    locked, verified = a_session(stage, 1), a_session(stage, 2, Billing.VERIFIED)
    put(emsp, record(locked, verified, "NOBODY-S", locked))
    assert arrived(stage) == arrived(stage) == ["1 NOT_LOCKED, 1 TWICE_IN_RECORD, 1 UNKNOWN_CDR"]
    assert {(f["code"], f["cdr_id"], f["other"]) for f in report(stage)["findings"]} == {
        ("TWICE_IN_RECORD", locked.upper(), "2"),
        ("NOT_LOCKED", verified.upper(), "VERIFIED"),
        ("UNKNOWN_CDR", "NOBODY-S", ""),
    }
    put(emsp, record(locked, last_updated="2026-10-20T13:00:00Z"))
    assert arrived(stage) == []
    put(emsp, record("NOBODY-S", last_updated="2026-10-20T14:00:00Z"))
    assert arrived(stage) == ["1 UNKNOWN_CDR"], "a cause that comes back is told again"
    emsp.call("DELETE", f"{BASE}/NL/RON/REC-1")
    assert arrived(stage) == []


def test_a_cdr_in_two_records(stage: Stage, emsp: Partner) -> None:
    one, two = a_session(stage, 1), a_session(stage, 2)
    put(emsp, record(one, two))
    put(emsp, record(two.lower(), id="REC-2", invoice_id="SB-2026-2"), "REC-2")
    assert arrived(stage) == ["1 IN_TWO_RECORDS"] * 2
    assert [f["other"] for f in report(stage)["findings"]] == ["REC-2"]
    emsp.call("DELETE", f"{BASE}/NL/RON/REC-2")
    assert report(stage)["findings"] == []
    facts.nightly(stage.ctx, never)
    assert arrived(stage) == []


def test_what_is_locked_later_closes_the_exception_at_night(stage: Stage, emsp: Partner) -> None:
    cdr_id = a_session(stage, 1, Billing.IN_WINDOW)
    put(emsp, record(cdr_id))
    assert arrived(stage) == ["1 NOT_LOCKED"]
    known = cdrs.session(stage.ctx, b.ISSUER, f"DEVWK*{cdr_id.upper()}")
    assert known is not None
    write: Put = cdrs.changed(known, billing=Billing.LOCKED)[1]
    stage.ctx.db.write(write)
    stage.clock.advance(timedelta(hours=14))
    facts.nightly(stage.ctx, never)
    assert journal.listed(stage.ctx, b.actor("OPS"), b.ISSUER) == []


def test_a_session_of_another_emsp_is_unknown(stage: Stage, emsp: Partner) -> None:
    cdr_id = a_session(stage, 1)
    other = connect(stage.ctx, "BERON", "EMSP")
    put(other, record(cdr_id, country_code="BE"), party="BE/RON")
    assert arrived(stage) == ["1 UNKNOWN_CDR"]


def test_staff_lists_and_reads_records(stage: Stage, emsp: Partner) -> None:
    put(emsp, record("CDR-1"))
    stage.clock.advance(timedelta(minutes=1))
    put(emsp, record("CDR-2", id="REC-2"), "REC-2")
    listed = claims.received(stage.ctx, b.actor("FINANCE"), b.ISSUER)
    assert [(r["id"], r["party"], r["invoice_id"], r["listed"]) for r in listed] == [
        ("REC-2", "NLRON", "SB-2026-1", 1),
        ("REC-1", "NLRON", "SB-2026-1", 1),
    ]
    with pytest.raises(NotFound):
        report(stage, "REC-9")
    with pytest.raises((Forbidden, NotFound)):
        claims.received(stage.ctx, b.actor("OPS"), "other")


def never(row: Any, error: Exception) -> None:
    raise error
