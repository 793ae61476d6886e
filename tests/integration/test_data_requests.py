"""What is held of a data subject, and what an erasure comes to (product.md row 139)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from roamclear.audit import service as audit
from roamclear.cdrs import service as cdrs
from roamclear.documents.tables import read_xlsx
from roamclear.identity.model import Role
from roamclear.kernel import numbers_json
from roamclear.kernel.errors import Forbidden, InRecovery, InvalidInput, NotFound
from roamclear.kernel.writes import Table
from roamclear.mode import service as mode
from roamclear.privacy import answering, requests
from roamclear.privacy import service as privacy
from roamclear.privacy.model import DataRequest, Subject
from roamclear.retention import pseudonyms
from tests.integration.test_detail import OVER, everything, expire, settled
from tests.support import builders as b
from tests.support import memory_stage, moto_stack
from tests.support.api import Api, environment
from tests.support.corrections import INVOICE, ref
from tests.support.handlers import call, sample
from tests.support.moto_stack import Stage

ADMIN = b.actor(Role.ADMIN)
CARD = Subject(emsp_party=b.EMSP, token_uid="token0001")
CONTRACT = Subject(emsp_party=b.EMSP, contract_id="NL-RON-C00000002")


@pytest.fixture
def stage() -> Iterator[Stage]:
    with memory_stage.stage() as made:
        yield made


def ask(stage: Stage, subject: Subject = CARD, kind: str = "EXPORT", reference: str = "RON-2026-77") -> DataRequest:
    return requests.ask(stage.ctx, ADMIN, b.ISSUER, kind, subject, reference)


def answered(stage: Stage, subject: Subject = CARD, kind: str = "EXPORT") -> dict[str, Any]:
    made = ask(stage, subject, kind)
    assert answering.answer_all(stage.ctx) == [made.request_id]
    return package(stage, made.request_id)


def package(stage: Stage, request_id: str) -> dict[str, Any]:
    body = stage.ctx.objects.get("exports", f"data-requests/{b.ISSUER}/{request_id}.json")
    assert body is not None
    found = numbers_json.loads(body)
    assert isinstance(found, dict)
    return found


def states(told: dict[str, Any]) -> dict[str, str]:
    return {held["object"]: held["state"] for held in told["objects"]}


def test_a_token_finds_its_sessions_and_every_object_that_holds_them(stage: Stage) -> None:
    settled(stage)
    told = answered(stage)
    assert [s["cdr_ref"] for s in told["sessions"]] == [ref(1)]
    (one,) = told["sessions"]
    assert (one["place"], one["evse_id"]) == ("Hafenparkhaus, Hafenstrasse 12, 20457, Hamburg", "DEVWKE001")
    assert (one["net"], one["billing"], one["documents"]) == ("8.30", "INVOICED", [INVOICE])
    assert states(told) == {
        "CDR as it came": "CLEAR",
        "session with its price steps": "CLEAR",
        f"session lists of {INVOICE}": "MASKED",
        "lock manifest": "PSEUDONYMISED",
        "payout statement PO-OWN-1-0001": "MASKED",
    }
    kept = {held["object"]: (held.get("until"), held["ground"]) for held in told["objects"]}
    assert kept["CDR as it came"][0] == "2035-01-01"
    assert "UStG 14b" in kept["CDR as it came"][1]
    assert kept[f"session lists of {INVOICE}"][0] == "2036-12-31"
    assert "Voltwerk Ladenetz GmbH" in told["controller"]
    assert "TOKEN0001" not in numbers_json.dumps(told).upper()


def test_a_contract_id_is_searched_in_everything_that_came(stage: Stage) -> None:
    settled(stage)
    told = answered(stage, CONTRACT)
    assert [s["cdr_ref"] for s in told["sessions"]] == [ref(2)]


@pytest.mark.parametrize(("subject", "number"), [(CARD, 1), (CONTRACT, 2)])
def test_what_expired_is_still_found_while_its_secret_stands(stage: Stage, subject: Subject, number: int) -> None:
    settled(stage)
    expire(stage)
    told = answered(stage, subject)
    assert [s["cdr_ref"] for s in told["sessions"]] == [ref(number)]
    assert states(told)["CDR as it came"] == "PSEUDONYMISED"
    assert "place" not in told["sessions"][0]
    pseudonyms.destroy(stage.ctx, ADMIN, b.ISSUER, 1, "no way back")
    again = requests.ask(stage.ctx, ADMIN, b.ISSUER, "EXPORT", subject, "RON-2026-78")
    answering.answer_all(stage.ctx)
    assert package(stage, again.request_id)["sessions"] == []


def test_an_erasure_gives_up_what_is_over_and_says_why_the_rest_stays(stage: Stage) -> None:
    settled(stage)
    kept = answered(stage, kind="ERASURE")
    assert states(kept)["CDR as it came"] == "CLEAR"
    assert "TOKEN0001" in everything(stage)
    stage.clock.set(OVER)
    again = ask(stage, kind="ERASURE", reference="RON-2035-1")
    answering.answer_all(stage.ctx)
    gone = package(stage, again.request_id)
    assert states(gone)["CDR as it came"] == "PSEUDONYMISED"
    assert states(gone)["session with its price steps"] == "PSEUDONYMISED"
    assert states(gone)[f"session lists of {INVOICE}"] == "MASKED"
    assert "TOKEN0001" not in everything(stage)
    other = cdrs.session(stage.ctx, b.ISSUER, ref(2))
    assert other is not None
    assert other.detail_expired_at_utc is None, "nobody asked for this one"
    (report,) = requests.reports(stage.ctx, b.actor(Role.VIEWER), b.ISSUER)
    assert report.sessions == 1


def test_an_open_invoice_keeps_its_sessions(stage: Stage) -> None:
    settled(stage, paid=False)
    stage.clock.set(OVER)
    told = answered(stage, kind="ERASURE")
    (held,) = [h for h in told["objects"] if h["object"] == "CDR as it came"]
    assert (held["state"], held.get("until")) == ("CLEAR", None)
    assert "DOCUMENT_OPEN" in held["ground"]


def test_a_request_forgets_whom_it_was_about_and_is_audited(stage: Stage) -> None:
    settled(stage)
    made = ask(stage)
    assert ask(stage).request_id == made.request_id
    assert made.subject is None
    answering.answer_all(stage.ctx)
    assert answering.answer_all(stage.ctx) == []
    for row in stage.ctx.db.rows(Table.CLEARING, f"{b.ISSUER}#DATAREQUEST#{made.request_id}"):
        assert "token0001" not in str(row)
    (known,) = requests.requests(stage.ctx, b.actor(Role.VIEWER), b.ISSUER)
    assert (known.state, known.sessions, known.masked) == ("ANSWERED", 1, "******001")
    links = requests.opened(stage.ctx, ADMIN, b.ISSUER, made.request_id)
    assert [link.name for link in links] == [f"{made.request_id}.json", f"{made.request_id}.xlsx"]
    said = audit.history(stage.ctx, b.ISSUER, "DATAREQUEST", made.request_id)
    assert [e.action for e in said] == ["DATA_REQUEST_ASKED", "DATA_REQUEST_ANSWERED", "DATA_REQUEST_OPENED"]
    assert "token0001" not in str([e.dump() for e in said]).lower()


def test_the_workbook_says_the_same(stage: Stage) -> None:
    settled(stage)
    told = answered(stage)
    (made,) = requests.requests(stage.ctx, ADMIN, b.ISSUER)
    book = stage.ctx.objects.get("exports", f"data-requests/{b.ISSUER}/{made.request_id}.xlsx")
    assert book is not None
    rows = list(read_xlsx(book, max_rows=10, max_columns=20))
    assert rows[1][0] == told["sessions"][0]["cdr_ref"]


def test_a_search_goes_on_where_it_stopped(stage: Stage) -> None:
    settled(stage, 5)
    made = ask(stage, Subject(emsp_party=b.EMSP, contract_id="NLRONC00000005"))
    for _ in range(6):
        left = iter([True, True, True])
        if answering.answer_all(stage.ctx, time_left=lambda left=left: next(left, False)):  # type: ignore[misc]
            break
    assert [s["cdr_ref"] for s in package(stage, made.request_id)["sessions"]] == [ref(5)]


def test_who_may(stage: Stage) -> None:
    settled(stage, 1)
    for role in (Role.FINANCE, Role.VIEWER, Role.OPS, Role.FINANCE_APPROVER, Role.DISPUTE_AGENT):
        with pytest.raises(Forbidden):
            requests.ask(stage.ctx, b.actor(role), b.ISSUER, "EXPORT", CARD, "reference")
    with pytest.raises(Forbidden):
        requests.ask(stage.ctx, b.emsp_user(), b.ISSUER, "EXPORT", CARD, "reference")
    made = ask(stage)
    answering.answer_all(stage.ctx)
    assert requests.request(stage.ctx, b.actor(Role.VIEWER), b.ISSUER, made.request_id).state == "ANSWERED"
    with pytest.raises(Forbidden):
        requests.opened(stage.ctx, b.actor(Role.VIEWER), b.ISSUER, made.request_id)
    with pytest.raises(InvalidInput):
        ask(stage, Subject(emsp_party=b.EMSP))
    with pytest.raises(NotFound):
        requests.opened(stage.ctx, ADMIN, b.ISSUER, "DR-nothing")


def test_nothing_is_answered_in_recovery(stage: Stage) -> None:
    settled(stage, 1)
    ask(stage)
    mode.enter(stage.ctx, "restored")
    with pytest.raises(InRecovery):
        answering.answer_all(stage.ctx)


def test_by_the_api_and_the_handlers() -> None:
    with moto_stack.stage(datetime(2026, 10, 1, tzinfo=UTC)) as stage, environment(stage):
        settled(stage, 1)
        api = Api(stage)
        body = {"kind": "EXPORT", "reference": "RON-77", "emsp_party": b.EMSP, "token_uid": "TOKEN0001"}
        assert api.call("POST", "/v1/data-requests", "VIEWER", body).status == 403
        made = api.call("POST", "/v1/data-requests", "ADMIN", body)
        assert made.status == 202
        assert "subject" not in made.body
        path = f"/v1/data-requests/{made.body['request_id']}"
        assert api.call("GET", f"{path}/files", "ADMIN").status == 404
        stage.clock.advance(timedelta(minutes=1))
        assert len(answering.answer_all(stage.ctx)) == 1
        assert api.call("GET", path, "VIEWER").body["state"] == "ANSWERED"
        assert api.call("GET", "/v1/data-requests", "VIEWER").body["items"][0]["sessions"] == 1
        assert len(api.call("GET", f"{path}/files", "ADMIN").body["items"]) == 2
        stage.clock.set(OVER)
        (report,) = privacy.expire_all(stage.ctx)
        assert report.sessions == 1
        assert api.call("GET", "/v1/detail-reports", "VIEWER").body["items"][0]["sessions"] == 1
        secret = api.call("GET", "/v1/pseudonym-secrets", "ADMIN").body["items"][0]
        assert (secret["epoch"], "secret" in secret) == (1, False)
        gone = api.call("POST", "/v1/pseudonym-secrets/1/destroy", "ADMIN", {"reason": "no way back"})
        assert (gone.status, "destroyed_at_utc" in gone.body) == (200, True)
        assert api.call("POST", "/v1/pseudonym-secrets/x/destroy", "ADMIN", {"reason": "no way"}).status == 404
        for name in ("expire_detail", "answer_data_requests"):
            for event in ("schedule", "by_hand"):
                call(name, sample(name, event))
