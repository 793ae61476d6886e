"""The JSON API through its real handler."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration import test_close as month
from tests.support import builders as b
from tests.support.api import Api, environment
from tests.support.moto_stack import Stage


@pytest.fixture
def api(stage: Stage) -> Iterator[Api]:
    """The API on a fresh stage."""
    with environment(stage):
        yield Api(stage)


def contract_body(**changes: Any) -> dict[str, Any]:
    return {"name": "Ronde", "valid_from": "2026-01-01", "terms": b.terms(**changes).dump()}


def test_an_issuer_and_a_contract_are_made_and_read(api: Api) -> None:
    made = api.call("PUT", "/v1/issuer", "ADMIN", b.issuer().dump())
    assert (made.status, made.body["iban"]) == (200, "DE89370400440532013000")
    created = api.call("PUT", "/v1/contracts/C-RON", "FINANCE", contract_body())
    assert (created.status, created.body["version"]) == (201, 1)
    again = api.call(
        "PUT",
        "/v1/contracts/C-RON",
        "FINANCE",
        contract_body(payment_days=14) | {"valid_from": "2026-11-01"},
        headers={"if-match": created.headers["ETag"]},
    )
    assert (again.status, again.body["version"]) == (200, 2)
    read = api.call("GET", "/v1/contracts/C-RON", "EMSP_USER", contract_id="C-RON")
    assert [v["version"] for v in read.body["versions"]] == [1, 2]
    assert api.call("GET", "/v1/contracts/C-RON", "EMSP_USER", contract_id="C-ELSE").status == 404
    assert api.call("GET", "/v1/contracts", "EMSP_USER", contract_id="C-ELSE").body["items"] == []


@pytest.mark.parametrize(
    ("role", "method", "path", "body", "status", "code"),
    [
        (None, "GET", "/v1/contracts", None, 401, "NOT_AUTHENTICATED"),
        ("VIEWER", "PUT", "/v1/contracts/C-1", {"name": "x"}, 422, "INVALID_INPUT"),
        ("VIEWER", "PUT", "/v1/issuer", b.issuer().dump(), 403, "FORBIDDEN"),
        ("FINANCE", "GET", "/v1/nowhere", None, 404, "NOT_FOUND"),
        ("FINANCE", "PUT", "/v1/contracts/C-1", "{not json", 422, "INVALID_INPUT"),
        ("FINANCE", "PUT", "/v1/contracts/C-1", "[1]", 422, "INVALID_INPUT"),
        ("FINANCE", "GET", "/v1/runs/none", None, 404, "NOT_FOUND"),
        ("FINANCE", "GET", "/v1/cdrs", None, 200, None),
    ],
)
def test_every_answer_has_its_status_and_code(
    api: Api, role: str | None, method: str, path: str, body: Any, status: int, code: str | None
) -> None:
    reply = api.call(method, path, role, body)
    assert (reply.status, reply.body.get("code")) == (status, code)


def test_an_incomplete_contract_is_a_draft_that_says_what_is_missing(api: Api) -> None:
    api.call("PUT", "/v1/issuer", "ADMIN", b.issuer().dump())
    body = contract_body()
    del body["terms"]["counterparty"]["buyer_reference"]
    draft = api.call("PUT", "/v1/contracts/C-RON", "FINANCE", body)
    assert (draft.body["status"], draft.body["missing"]) == ("DRAFT", ["terms.counterparty.buyer_reference"])
    ref = month.push(api.stage, b.cdr(1))
    assert month.state(api.stage, ref)[1] == ("NO_CONTRACT",)
    assert (
        api.call("PUT", "/v1/contracts/C-RON", "FINANCE", contract_body(), headers={"if-match": "*"}).body["status"]
        == "ACTIVE"
    )
    refused = api.call("PUT", "/v1/contracts/C-RON", "FINANCE", body, headers={"if-match": "*"})
    assert (refused.status, refused.body["field"]) == (422, "terms.counterparty.buyer_reference")


def test_a_bad_field_is_named(api: Api) -> None:
    body = contract_body()
    body["terms"]["zone"] = "Europe/Nowhere"
    reply = api.call("PUT", "/v1/contracts/C-RON", "FINANCE", body)
    assert (reply.status, reply.body["field"]) == (422, "terms.zone")
    body = contract_body()
    del body["terms"]["grid"][0]["tariff"]["elements"]
    reply = api.call("PUT", "/v1/contracts/C-RON", "FINANCE", body)
    assert (reply.status, reply.body["field"][:11]) == (422, "terms.grid.")


def test_the_lists_and_the_trace_of_a_cdr(api: Api) -> None:
    month.start(api.stage)
    ref = month.push(api.stage, b.cdr(1))
    month.push(api.stage, b.cdr(2, evse="DE*VWK*E999"))
    month.push(api.stage, b.cdr(3, emsp="FRXXX"))
    rated = api.call("GET", "/v1/cdrs", "FINANCE", list="rated", contract="C-RON")
    assert [s["net"]["amount_minor"] for s in rated.body["items"]] == [830]
    assert len(api.call("GET", "/v1/cdrs", "FINANCE", list="on_hold", contract="C-RON").body["items"]) == 1
    assert len(api.call("GET", "/v1/cdrs", "FINANCE", list="not_rated").body["items"]) == 1
    trace = api.call("GET", f"/v1/cdrs/{ref}/trace", "FINANCE")
    assert trace.body["ticks"] == dict.fromkeys(
        ("no_rule_open", "one_contract", "rated_with_vat", "evse_known_and_assigned", "has_end"), True
    )
    assert trace.body["ratings"][0]["trace"]["steps"]
    assert trace.body["raw"]["id"] == "CDR-000001"
    assert (trace.body["raw"]["cdr_token"]["uid"], trace.body["raw"]["cdr_token"]["contract_id"]) == (
        "TOKEN0001", "NLRONC00000001",
    )  # fmt: skip
    for role in ("VIEWER", "ADMIN", "FINANCE_APPROVER"):
        masked = api.call("GET", f"/v1/cdrs/{ref}/trace", role).body["raw"]["cdr_token"]
        assert (masked["uid"], masked["contract_id"], masked["party_id"]) == ("******001", "NLRON******001", "RON")
    assert api.call("GET", f"/v1/cdrs/{ref}/trace", "EMSP_USER", contract_id="C-ELSE").status == 404


def test_the_three_lists_add_up_and_sessions_are_rerated_and_withdrawn(api: Api) -> None:
    month.start(api.stage)
    refs = [month.push(api.stage, b.cdr(n)) for n in (1, 2)]
    month.push(api.stage, b.cdr(3, evse="DE*VWK*E999"))
    month.push(api.stage, b.cdr(4, emsp="FRXXX"))
    items = api.call("GET", "/v1/cdrs/summary", "FINANCE").body["items"]
    assert {(i["name"], i.get("contract_id"), i["count"], i["net"]["amount_minor"]) for i in items} == {
        ("RATED", "C-RON", 2, 1660),
        ("ON_HOLD", "C-RON", 1, 830),
        ("NOT_RATED", None, 1, 0),
    }
    body = {"cdr_refs": [refs[0], "DEVWK*NONE"], "reason": "checked again"}
    results = api.call("POST", "/v1/cdrs/rerate", "FINANCE", body).body["items"]
    assert [r["code"] for r in results] == ["OK", "NOT_FOUND"]
    one = api.call("POST", f"/v1/cdrs/{refs[0]}/rerate", "FINANCE", {"reason": "checked again"})
    assert (one.status, one.body["rating_version"]) == (200, 3)
    assert api.call("POST", "/v1/cdrs/DEVWK*NONE/rerate", "FINANCE", {"reason": "checked again"}).status == 404
    assert api.call("POST", f"/v1/cdrs/{refs[0]}/rerate", "VIEWER", {"reason": "checked again"}).status == 403
    assert api.call("POST", f"/v1/cdrs/{refs[1]}/invalidate", "VIEWER", {"reason": "fault"}).status == 403
    gone = api.call("POST", f"/v1/cdrs/{refs[1]}/invalidate", "FINANCE", {"reason": "fault"})
    assert gone.body["billing"] == "INVALIDATED"


def test_a_dispute_from_filing_to_its_answer(api: Api) -> None:
    month.start(api.stage)
    ref = month.push(api.stage, b.cdr(1))
    month.push(api.stage, b.cdr(2))
    run = month.open_run(api.stage)
    claim = {"cdr_ref": ref, "reason": "ENERGY_TOO_HIGH", "claimed": {"amount_minor": 200, "currency": "EUR"}}
    filed = api.call("POST", "/v1/disputes", "EMSP_USER", claim, contract_id="C-RON")
    assert (filed.status, filed.body["state"]) == (201, "OPEN")
    assert api.call("POST", "/v1/disputes", "EMSP_USER", claim, contract_id="C-RON").body == filed.body
    assert api.call("POST", "/v1/disputes", "FINANCE", claim).status == 403
    path = f"/v1/disputes/{filed.body['dispute_id']}/answer"
    answer = {"outcome": "PARTIAL", "accepted": {"amount_minor": 150, "currency": "EUR"}, "answer": "half of it"}
    assert api.call("POST", path, "EMSP_USER", answer, contract_id="C-RON").status == 403
    assert api.call("POST", path, "DISPUTE_AGENT", answer).body["state"] == "PARTIAL"
    assert api.call("POST", path, "DISPUTE_AGENT", answer).status == 409
    members = api.call("GET", f"/v1/runs/{run.run_id}/sessions", "EMSP_USER", contract_id="C-RON")
    assert sorted(s["net"]["amount_minor"] for s in members.body["items"]) == [680, 830]
    done = month.close_run(api.stage, run)
    late = api.call("POST", "/v1/disputes", "EMSP_USER", claim | {"cdr_ref": "DEVWK*CDR-000002"}, contract_id="C-RON")
    assert (late.status, late.body["code"], late.body["closed_at_utc"]) == (
        409,
        "WINDOW_CLOSED",
        "2026-11-08T23:00:00Z",
    )
    number = done.numbers[0]
    assert api.call("GET", f"/v1/invoices/{number}", "EMSP_USER", contract_id="C-RON").body["number"] == number
    assert api.call("GET", f"/v1/invoices/{number}", "EMSP_USER", contract_id="C-ELSE").status == 404
    found = api.call("GET", "/v1/document-by-reference", "FINANCE", text="vw 2O26 00 0OO1")
    assert found.body["number"] == number
    audit = api.call("GET", f"/v1/audit/DISPUTE/{filed.body['dispute_id']}", "VIEWER")
    assert [e["action"] for e in audit.body["items"]] == ["FILED", "PARTIAL"]
    assert audit.body["broken_link"] is None


def test_everybody_learns_who_they_are_and_nothing_of_others(api: Api) -> None:
    bare = api.call("GET", "/v1/me", "EMSP_USER", contract_id=b.CONTRACT).body
    assert (bare["items"][0]["name"], bare["items"][0]["zone"]) == (b.ISSUER, "UTC")
    month.start(api.stage)
    told = api.call("GET", "/v1/me", "EMSP_USER", contract_id=b.CONTRACT).body
    (own,) = told["items"]
    assert (told["actor_id"], told["now_utc"]) == (f"emsp_user-{b.CONTRACT}", "2026-10-01T00:00:00.000000Z")
    assert (own["name"], own["primary"], own["zone"]) == ("Voltwerk", "#0B3D5C", "Europe/Berlin")
    assert (own["roles"], own["contract_ids"]) == (["EMSP_USER"], [b.CONTRACT])
    assert "DISPUTE_CREATE" in own["rights"]
    assert "DISPUTE_RESOLVE" not in own["rights"]
    assert "DE89370400440532013000" not in str(told)
    assert "DISPUTE_RESOLVE" in api.call("GET", "/v1/me", "DISPUTE_AGENT").body["items"][0]["rights"]
    assert api.call("GET", "/v1/me", None).status == 401
