"""Disputes through the API and the function that looks at posted files, on the tables and buckets of moto."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from roamclear.documents import tables
from tests.integration import test_close as month
from tests.support import builders as b
from tests.support.api import Api, environment
from tests.support.handlers import call, on, sample
from tests.support.moto_stack import Stage

OWN = {"contract_id": b.CONTRACT}
NUMBER = "D-CB34F7D9335E"


@pytest.fixture
def api(stage: Stage) -> Iterator[Api]:
    """An open window with three sessions behind the API."""
    with environment(stage):
        month.start(stage)
        for n in range(1, 4):
            month.push(stage, b.cdr(n))
        month.open_run(stage)
        yield Api(stage)


def claim(number: int = 1, **more: Any) -> dict[str, Any]:
    return {"cdr_ref": f"DEVWK*CDR-{number:06d}", "reason": "ENERGY_TOO_HIGH", "text": "too much"} | more


def post(api: Api, form: dict[str, Any], data: bytes) -> None:
    """What the store does with a posted form; moto keeps its conditions to itself."""
    api.stage.ctx.objects.put("inbox", form["fields"]["key"], data, form["fields"]["Content-Type"])


def test_a_dispute_from_claim_to_final_answer(api: Api) -> None:
    made = api.call("POST", "/v1/disputes", "EMSP_USER", claim(), **OWN)
    assert (made.status, made.body["dispute_id"], made.body["clocks"]["waits_for"]) == (201, NUMBER, "CPO")
    path = f"/v1/disputes/{NUMBER}"
    assert api.call("POST", f"{path}/review", "DISPUTE_AGENT").body["state"] == "UNDER_REVIEW"
    asked = api.call("POST", f"{path}/info-request", "DISPUTE_AGENT", {"text": "which meter?"})
    assert (asked.body["state"], asked.body["clocks"]["waits_for"]) == ("INFO_REQUESTED", "EMSP")
    assert api.call("POST", f"{path}/info", "DISPUTE_AGENT", {"text": "mine"}).status == 403
    assert api.call("POST", f"{path}/info", "EMSP_USER", {"text": "meter 4711"}, **OWN).body["state"] == "UNDER_REVIEW"
    assert api.call("POST", f"{path}/comments", "FINANCE", {"text": "we look"}).status == 201
    assert api.call("POST", f"{path}/comments", "EMSP_USER", {"text": ""}, **OWN).body["field"] == "text"
    answer = {"outcome": "REJECTED", "answer": "our meter is right"}
    assert api.call("POST", f"{path}/answer", "DISPUTE_AGENT", answer).body["state"] == "REJECTED"
    body = {"contacts": ["Key account management"], "text": "we insist"}
    assert api.call("POST", f"{path}/escalate", "EMSP_USER", body, **OWN).body["state"] == "ESCALATED"
    assert api.call("POST", f"{path}/answer", "FINANCE", answer).body["state"] == "REJECTED"
    assert api.call("POST", f"{path}/escalate", "EMSP_USER", body, **OWN).status == 409
    view = api.call("GET", f"{path}/view", "EMSP_USER", **OWN).body
    assert [e["side"] for e in view["thread"]] == ["EMSP", "CPO", "EMSP", "CPO", "CPO", "EMSP", "CPO"]
    assert view["cdr"]["raw"]["id"] == "CDR-000001"
    assert view["you"] == "EMSP"
    told = {role: api.call("GET", f"{path}/view", role).body["you"] for role in ("DISPUTE_AGENT", "FINANCE", "VIEWER")}
    assert told == {"DISPUTE_AGENT": "CPO", "FINANCE": "CPO", "VIEWER": None}
    assert "you" not in api.call("GET", f"{path}/export", "FINANCE").body
    assert "account_id" not in view["session"]
    history = api.call("GET", f"{path}/export", "VIEWER").body["history"]
    assert [e["action"] for e in history][:3] == ["FILED", "UNDER_REVIEW", "INFO_REQUESTED"]
    for wrong in (path, f"{path}/view", f"{path}/export", f"{path}/files/1"):
        assert api.call("GET", wrong, "EMSP_USER", contract_id="C-OTHER").status == 404


def test_the_queue_the_bulk_and_the_limits(api: Api) -> None:
    rows = [claim(1), claim(2, reason="NONSENSE"), claim(9), {"reason": "FRAUD"}, claim(3, reason="FRAUD")]
    found = api.call("POST", "/v1/disputes/bulk", "EMSP_USER", {"rows": rows}, **OWN).body["items"]
    assert [(o["row"], o["code"], o["field"]) for o in found] == [
        (1, "CREATED", ""),
        (2, "INVALID_INPUT", "reason"),
        (3, "NOT_FOUND", ""),
        (4, "INVALID_INPUT", "cdr_ref"),
        (5, "CREATED", ""),
    ]
    listed = api.call("GET", "/v1/disputes", "DISPUTE_AGENT", waiting="true", reason="FRAUD").body
    assert [d["cdr_ref"] for d in listed["items"]] == ["DEVWK*CDR-000003"]
    first = api.call("GET", "/v1/disputes", "DISPUTE_AGENT", limit="1").body
    second = api.call("GET", "/v1/disputes", "DISPUTE_AGENT", limit="1", after=first["after"]).body
    assert {first["items"][0]["cdr_ref"], second["items"][0]["cdr_ref"]} == {"DEVWK*CDR-000001", "DEVWK*CDR-000003"}
    late = api.call("GET", "/v1/disputes", "FINANCE", waiting="true", due_before_utc="2026-11-10T00:00:00Z")
    assert late.body["items"] == []
    for wrong in ({"state": "LOST"}, {"limit": "0"}, {"min_claimed_minor": "x"}, {"after": "x"}):
        assert api.call("GET", "/v1/disputes", "FINANCE", **wrong).status == 422, wrong
    assert api.call("GET", "/v1/disputes", "EMSP_USER", contract=b.CONTRACT, contract_id="C-OTHER").status == 404
    limit = {"amount": {"amount_minor": 100, "currency": "EUR"}}
    assert api.call("PUT", "/v1/disputes/limits", "DISPUTE_AGENT", limit).status == 403
    assert api.call("PUT", "/v1/disputes/limits", "FINANCE_APPROVER", limit).status == 200
    assert len(api.call("GET", "/v1/disputes/limits", "FINANCE").body["items"]) == 1
    numbers = [o["dispute_id"] for o in found if "dispute_id" in o]
    reviewed = api.call("POST", "/v1/disputes/review", "DISPUTE_AGENT", {"dispute_ids": numbers}).body["items"]
    assert [o["code"] for o in reviewed] == ["DONE", "DONE"]
    answers = {"items": [{"dispute_id": n, "outcome": "ACCEPTED"} for n in numbers]}
    refused = api.call("POST", "/v1/disputes/answers", "DISPUTE_AGENT", answers).body["items"]
    assert [o["code"] for o in refused] == ["FORBIDDEN", "FORBIDDEN"]
    done = api.call("POST", "/v1/disputes/answers", "FINANCE", answers).body["items"]
    assert [o["state"] for o in done] == ["ACCEPTED", "ACCEPTED"]


def test_the_review_of_a_window_is_recorded(api: Api) -> None:
    path = f"/v1/runs/{month.REQUEST.run_id}"
    assert api.call("POST", f"{path}/review", "FINANCE").status == 403
    assert "reviewed_at_utc" not in api.call("GET", path, "FINANCE").body
    assert api.call("GET", f"{path}/sessions", "EMSP_USER", **OWN).status == 200
    assert api.call("GET", path, "FINANCE").body["reviewed_by"] == f"emsp_user-{b.CONTRACT}"
    assert api.call("POST", f"{path}/review", "EMSP_USER", **OWN).status == 200


@pytest.mark.parametrize("name", ["object_created", "s3_notification", "schedule"])
def test_every_event_takes_a_posted_file_once(api: Api, name: str) -> None:
    api.call("POST", "/v1/disputes", "EMSP_USER", claim(), **OWN)
    made = api.call("POST", f"/v1/disputes/{NUMBER}/files", "EMSP_USER", {"name": "meter.pdf"}, **OWN)
    assert (made.status, made.body["form"]["max_bytes"]) == (201, 10_000_000)
    assert made.body["form"]["fields"]["Content-Type"] == "application/pdf"
    post(api, made.body["form"], b"%PDF-1.7")
    with on(api.stage.ctx):
        assert call("take_dispute_file", sample("take_dispute_file", name)) == {"files": ["STORED"]}
        again = call("take_dispute_file", sample("take_dispute_file", name))
        assert again == {"files": [] if name == "schedule" else ["STORED"]}
    told = api.call("GET", f"/v1/disputes/{NUMBER}/files/1", "DISPUTE_AGENT").body
    assert "attachment" in told["url"]
    assert told["file"]["kind"] == "PDF"
    stored = api.stage.ctx.objects.client().head_object(Bucket="b-exports", Key=told["file"]["key"])  # type: ignore[attr-defined]
    assert stored["ContentType"] == "application/octet-stream"


def test_a_posted_sheet_has_a_result_per_row(api: Api) -> None:
    made = api.call("POST", "/v1/disputes/lists", "EMSP_USER", **OWN)
    number = made.body["list"]["list_id"]
    assert api.call("GET", f"/v1/disputes/lists/{number}", "EMSP_USER", **OWN).body["list"]["state"] == "PENDING"
    rows = [["DEVWK*CDR-000001", "FRAUD", None, "x"], ["NONE", "FRAUD", None, "x"]]
    titles = ("cdr_id", "reason", "claimed_amount", "comment")
    post(api, made.body["form"], tables.write_xlsx("Claims", titles, rows, created=datetime(2026, 11, 2, tzinfo=UTC)))
    with on(api.stage.ctx):
        assert call("take_dispute_file", {"reason": "schedule"}) == {"files": ["DONE"]}
    told = api.call("GET", f"/v1/disputes/lists/{number}", "EMSP_USER", **OWN).body
    assert (told["list"]["filed"], told["list"]["refused"]) == (1, 1)
    assert "attachment" in told["url"]
    assert api.call("GET", f"/v1/disputes/lists/{number}", "EMSP_USER", contract_id="C-OTHER").status == 404
