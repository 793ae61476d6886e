"""Invoice Reconciliation records of issued invoices (ocpi.md 7)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from roamclear.billing import service as billing
from roamclear.billing.model import Document, RunRequest
from roamclear.cdrs import service as cdrs
from roamclear.facts import service as facts
from roamclear.kernel.money import Money
from roamclear.ocpi import reconciliation
from tests.support import builders as b
from tests.support.moto_stack import Stage
from tests.support.ocpi_partner import Answer, Partner, connect, served

OPENS = datetime(2026, 11, 1, 23, 0, tzinfo=UTC)
CLOSES = datetime(2026, 11, 8, 23, 0, tzinfo=UTC)
PATH = "/ocpi/2.3.0/invoicereconciliation"


@pytest.fixture(autouse=True)
def _served(stage: Stage) -> Iterator[None]:
    with served(stage.ctx):
        yield


def never(row: Any, error: Exception) -> None:
    raise error


def month(stage: Stage, ids: list[str]) -> str:
    """A closed month; returns the invoice's number."""
    ctx = stage.ctx
    b.found_issuer(ctx)
    b.found_contract(ctx, party_ids=("NLRON", "BERON"))
    b.found_own_account(ctx)
    for n, cdr_id in enumerate(ids, start=1):
        raw = b.cdr(n, id=cdr_id)
        stage.clock.set(max(datetime.fromisoformat(raw["end_date_time"]) + timedelta(minutes=5), stage.clock.now()))
        body = b.body_of(raw, received=stage.clock.now())
        cdrs.receive(ctx, body)
        cdrs.process(ctx, b.ISSUER, body.cdr_ref)
    stage.clock.set(OPENS - timedelta(hours=23))
    run = billing.prepare(ctx, RunRequest(issuer_id=b.ISSUER, contract_id=b.CONTRACT, period="2026-10"))
    stage.clock.set(OPENS)
    billing.open_window(ctx, b.ISSUER, run.run_id)
    stage.clock.set(CLOSES + timedelta(seconds=61))
    billing.lock(ctx, b.ISSUER, run.run_id)
    (number,) = billing.issue(ctx, b.ISSUER, run.run_id, lambda document: []).numbers
    stage.clock.set(CLOSES + timedelta(minutes=10))
    facts.sweep(ctx, never)
    return number


def pull(partner: Partner, **query: str) -> Answer:
    answer = partner.call("GET", PATH, query=query)
    assert (answer.status, answer.code) == (200, 1000), answer.text
    return answer


def test_an_issued_invoice_is_a_record_of_its_cdrs(stage: Stage) -> None:
    number = month(stage, ["CDR-a", "CDR-b", "x" * 36])
    emsp = connect(stage.ctx, "NLRON", "EMSP", ocpi_version="2.3.0", emsp_parties=("NLRON", "BERON"))
    answer = pull(emsp)
    (record,) = answer.data
    assert record == {
        "country_code": "DE",
        "party_id": "VWK",
        "id": number,
        "invoice_id": number,
        "cdrs": ["CDR-a", "CDR-b", "x" * 36],
        "last_updated": "2026-11-08T23:10:00Z",
    }
    assert answer.headers["X-Total-Count"] == "1"
    assert "Link" not in answer.headers
    facts.sweep(stage.ctx, never)
    assert reconciliation.publish_invoice(stage.ctx, b.ISSUER, number) == 0, "made once for ever"


def test_only_the_caller_s_contracts_are_listed(stage: Stage) -> None:
    month(stage, ["CDR-a"])
    assert pull(connect(stage.ctx, "FRXXX", "EMSP")).data == []
    assert pull(connect(stage.ctx, "NLRON", "EMSP", sandbox=True)).data == []
    assert pull(connect(stage.ctx, "DEVWK", "CPO")).data == []
    assert len(pull(connect(stage.ctx, "BERON", "EMSP")).data) == 1


def test_dates_bound_it_and_pages_follow(stage: Stage) -> None:
    month(stage, ["CDR-a"])
    header = billing.document(stage.ctx, b.ISSUER, "VW-2026-000001")
    for n in range(2, 6):
        stage.clock.set(CLOSES + timedelta(hours=n))
        later = header.model_copy(update={"number": f"VW-2026-{n:06d}"})
        save(stage, later, {"DEVWK": [f"CDR-{n}"]})
    emsp = connect(stage.ctx, "NLRON", "EMSP")
    first = pull(emsp, limit="2")
    found, link = [r["id"] for r in first.data], first.headers.get("Link")
    while link is not None:
        answer = emsp.call("GET", link[1 : link.index(">")])
        found += [r["id"] for r in answer.data]
        link = answer.headers.get("Link")
        assert answer.headers["X-Total-Count"] == "5"
    assert found == [f"VW-2026-{n:06d}" for n in range(1, 6)]
    assert [r["id"] for r in pull(emsp, offset="4").data] == ["VW-2026-000005"]
    bounded = pull(emsp, date_from="2026-11-09T01:00:00Z", date_to="2026-11-09T03:00:00Z")
    assert [r["id"] for r in bounded.data] == ["VW-2026-000002", "VW-2026-000003"]
    assert pull(emsp, date_from="2027-01-01T00:00:00Z", date_to="2026-01-01T00:00:00Z").data == []


def test_a_long_list_and_a_second_party_go_on_in_further_records(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    month(stage, ["CDR-a"])
    monkeypatch.setattr(reconciliation, "MAX_CDRS", 2)
    header = billing.document(stage.ctx, b.ISSUER, "VW-2026-000001").model_copy(update={"number": "VW-2026-000009"})
    stage.clock.set(CLOSES + timedelta(hours=1))
    save(stage, header, {"DEVWK": ["c" * 39, "1", "2", "3"], "ATVWK": ["1"]})
    records = pull(connect(stage.ctx, "NLRON", "EMSP"), date_from="2026-11-09T00:00:00Z").data
    assert [(r["id"], r["country_code"], r["cdrs"], r.get("long_cdrs")) for r in records] == [
        ("VW-2026-000009", "AT", ["1"], None),
        ("VW-2026-000009-2", "DE", ["1", "2"], ["c" * 39]),
        ("VW-2026-000009-3", "DE", ["3"], None),
    ]
    assert {r["invoice_id"] for r in records} == {"VW-2026-000009"}


def test_a_record_larger_than_a_row_comes_back_whole(stage: Stage) -> None:
    import hashlib

    month(stage, ["CDR-a"])
    header = billing.document(stage.ctx, b.ISSUER, "VW-2026-000001").model_copy(update={"number": "VW-2026-000009"})
    ids = [hashlib.sha256(str(n).encode()).hexdigest()[:36] for n in range(reconciliation.MAX_CDRS)]
    stage.clock.set(CLOSES + timedelta(hours=1))
    save(stage, header, {"DEVWK": ids})
    (record,) = pull(connect(stage.ctx, "NLRON", "EMSP"), date_from="2026-11-09T00:00:00Z").data
    assert record["cdrs"] == ids


def test_it_is_in_2_3_0_only(stage: Stage) -> None:
    emsp = connect(stage.ctx, "NLRON", "EMSP")
    endpoints = {
        version: {(e["identifier"], e.get("role")) for e in emsp.call("GET", f"/ocpi/{version}").data["endpoints"]}
        for version in ("2.1.1", "2.2.1", "2.3.0")
    }
    assert ("invoicereconciliation", "SENDER") in endpoints["2.3.0"]
    assert not any(name == "invoicereconciliation" for v in ("2.1.1", "2.2.1") for name, _ in endpoints[v])
    assert emsp.call("GET", "/ocpi/2.2.1/invoicereconciliation").status == 404
    assert emsp.call("PUT", PATH, {}).status == 405
    assert emsp.call("GET", PATH, query={"position": "x"}).code == 2001


def save(stage: Stage, header: Document, by_party: dict[str, list[str]]) -> None:
    """Records of a document as they are made at its issue."""
    from roamclear.ocpi import store

    assert header.net == Money(830, "EUR")
    made = 0
    for owner, listed in sorted(by_party.items()):
        for record in reconciliation.records(stage.ctx, header, owner, listed, made):
            made += 1
            assert store.save_invoice_record(stage.ctx.db, record, ("NLRON", "BERON"))
