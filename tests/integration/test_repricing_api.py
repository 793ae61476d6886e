"""Re-rating jobs and back-dated versions as the JSON API offers them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest

from roamclear.cdrs import backdating, impact
from roamclear.cdrs.jobs import service as jobs
from roamclear.cdrs.selection import Filter
from roamclear.contracts import backdated
from roamclear.kernel.money import Money
from roamclear.kernel.time import format_instant
from tests.support import builders as b
from tests.support.api import Api, environment
from tests.support.moto_stack import Stage
from tests.unit.cdrs import month as m

JOB = {"job_id": "J-1", "filter": {"contract_id": b.CONTRACT}, "reason": "look at them again"}


@pytest.fixture
def api() -> Iterator[tuple[Api, Stage]]:
    """The API over a month in memory with one locked and one fresh session."""
    stage = m.started()
    m.push(stage, b.cdr(1))
    m.issued(stage, m.opened(stage))
    m.push(stage, b.cdr(2, start=m.LOCKS))
    with environment(stage):
        yield Api(stage), stage


def proposal(**changes: Any) -> dict[str, Any]:
    terms = b.terms(grid=m.grid("0.31")).dump()
    body = {"contract_id": b.CONTRACT, "valid_from": "2026-10-01", "terms": terms, "reason": "agreed at last"}
    return body | changes


def test_a_job_is_previewed_ordered_and_read(api: tuple[Api, Stage]) -> None:
    call, stage = api
    shown = call.call("POST", "/v1/rerate-jobs:preview", "FINANCE", {"filter": JOB["filter"]})
    assert (shown.status, shown.body["refused"], shown.body["unchanged"]) == (200, {"LOCKED": 1}, 1)
    assert call.call("POST", "/v1/rerate-jobs", "FINANCE", JOB).status == 202
    assert call.call("POST", "/v1/rerate-jobs", "FINANCE", JOB | {"reason": "another one"}).status == 409
    m.finished(stage, "J-1")
    found = call.call("GET", "/v1/rerate-jobs/J-1", "FINANCE").body
    assert [i["result"] for i in found["items"]] == ["REFUSED", "UNCHANGED"]
    assert (found["job"]["state"], found["cursor"]) == ("DONE", None)
    assert [j["job_id"] for j in call.call("GET", "/v1/rerate-jobs", "FINANCE").body["items"]] == ["J-1"]


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"country": "DE"}, "filter.body"),
        ({"contract_id": b.CONTRACT, "start_from_utc": "yesterday"}, "filter.start_from_utc"),
        ({"contract_id": b.CONTRACT, "state": "NICE"}, "filter.state"),
        ({"evse_id": "nonsense"}, "filter.evse_id"),
    ],
)
def test_a_wrong_filter_is_named(api: tuple[Api, Stage], given: dict[str, Any], field: str) -> None:
    reply = api[0].call("POST", "/v1/rerate-jobs:preview", "FINANCE", {"filter": given})
    assert (reply.status, reply.body["field"]) == (422, field)


def test_a_back_dated_version_from_proposal_to_effect(api: tuple[Api, Stage]) -> None:
    call, stage = api
    put = {"name": "Ronde", "valid_from": "2026-10-01", "terms": proposal()["terms"]}
    refused = call.call("PUT", f"/v1/contracts/{b.CONTRACT}", "FINANCE", put, headers={"if-match": "*"})
    assert (refused.status, refused.body["rule"]) == (409, "BACK_DATED")
    made = call.call("POST", "/v1/backdated-versions", "FINANCE", proposal())
    assert (made.status, made.body["state"]) == (201, "PROPOSED")
    path = f"/v1/backdated-versions/{b.CONTRACT}/{made.body['proposal_id']}"
    shown = call.call("GET", path, "FINANCE").body["impact"]
    assert shown["delta"] == [{"amount_minor": -320, "currency": "EUR"}]
    seen = {"as_of_utc": shown["as_of_utc"], "digest": shown["digest"]}
    assert call.call("POST", f"{path}/approve", "FINANCE", seen).status == 403
    changed = call.call("POST", f"{path}/approve", "FINANCE_APPROVER", seen | {"digest": "0" * 64})
    assert (changed.status, changed.body["impact"]["digest"]) == (409, shown["digest"])
    assert call.call("POST", f"{path}/approve", "FINANCE_APPROVER", seen).body["state"] == "PROPOSED"
    m.agreed(stage, _kept(stage, made.body["proposal_id"]), m.looked(stage, _kept(stage, made.body["proposal_id"])), [
        "another-approver"
    ])  # fmt: skip
    m.finished(stage, f"backdated.{b.CONTRACT}.v2")
    found = call.call("GET", path, "FINANCE").body
    assert (found["proposal"]["state"], found["impact"], found["job"]["state"]) == ("IN_FORCE", None, "DONE")
    assert call.call("GET", f"/v1/backdated-versions/{b.CONTRACT}", "FINANCE").body["items"][0]["version"] == 2


def test_a_proposal_is_refused_with_a_reason(api: tuple[Api, Stage]) -> None:
    call, _ = api
    made = call.call("POST", "/v1/backdated-versions", "FINANCE", proposal()).body
    path = f"/v1/backdated-versions/{b.CONTRACT}/{made['proposal_id']}"
    assert call.call("POST", f"{path}/reject", "FINANCE_APPROVER", {"reason": "no"}).status == 422
    assert call.call("POST", f"{path}/reject", "FINANCE_APPROVER", {"reason": "not agreed"}).body["state"] == "REJECTED"
    unreadable = proposal(terms=proposal()["terms"] | {"grid": [{"id": "x"}]})
    reply = call.call("POST", "/v1/backdated-versions", "FINANCE", unreadable)
    assert (reply.status, reply.body["field"]) == (422, "terms.grid.0")
    assert call.call("GET", path, "EMSP_USER", contract_id=b.CONTRACT).status == 403
    for verb in ("approve", "reject"):
        body = (
            {"reason": "not agreed"} if verb == "reject" else {"as_of_utc": "2026-11-01T00:00:00Z", "digest": "0" * 64}
        )
        assert call.call("POST", f"{path}/{verb}", "EMSP_USER", body, contract_id=b.CONTRACT).status == 403
        assert call.call("POST", f"{path}/{verb}", "FINANCE_APPROVER", body, contract_id="C-TWO").status == 404


def _kept(stage: Stage, proposal_id: str) -> Any:
    return backdated.proposal(stage.ctx, b.ISSUER, b.CONTRACT, proposal_id)


def test_a_large_preview_is_ordered(api: tuple[Api, Stage], monkeypatch: pytest.MonkeyPatch) -> None:
    call, stage = api
    made = call.call("POST", "/v1/backdated-versions", "FINANCE", proposal()).body
    path = f"/v1/backdated-versions/{b.CONTRACT}/{made['proposal_id']}"
    monkeypatch.setattr(impact, "MOST", 0)
    assert call.call("GET", path, "FINANCE").body["rule"] == "PREVIEW_LARGE"
    ordered = call.call("POST", f"{path}/preview", "FINANCE")
    assert (ordered.status, ordered.body["kind"]) == (202, "PREVIEW")
    m.finished(stage, ordered.body["job_id"])
    shown = call.call("GET", path, "FINANCE", as_of_utc=ordered.body["until_utc"]).body["impact"]
    assert (shown["sessions"], shown["as_of_utc"]) == (2, ordered.body["until_utc"])


def test_what_was_known_at_an_instant(api: tuple[Api, Stage]) -> None:
    call, stage = api
    before = "2026-11-01T00:00:00Z"
    b.backdate(stage.ctx, grid=m.grid("0.31"), valid_from=date(2026, 10, 1))
    stage.clock.advance(timedelta(minutes=1))
    path = f"/v1/contracts/{b.CONTRACT}"
    then = call.call("GET", path, "FINANCE", as_of=before).body
    now = call.call("GET", path, "FINANCE", as_of=format_instant(stage.clock.now())).body
    assert ([v["version"] for v in then["versions"]], then["in_force"]["version"]) == ([1], 1)
    assert ([v["version"] for v in now["versions"]], now["in_force"]["version"]) == ([1, 2], 2)
    assert call.call("GET", path, "FINANCE", as_of="2026-01-01T00:00:00Z").status == 404
    assert call.call("GET", path, "FINANCE", as_of="October").body["field"] == "as_of"
    assert call.call("GET", path, "EMSP_USER", contract_id="C-TWO", as_of=before).status == 404
    evse = "/v1/evses/DEVWKE001"
    assert len(call.call("GET", evse, "FINANCE", as_of=before).body["history"]) == 1
    assert call.call("GET", evse, "FINANCE", as_of="2026-01-01T00:00:00Z").body["history"] == []


def test_preview_effect_and_job_on_the_real_tables(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "_PIECE", 2)
    m.found(stage)
    for n in (1, 2, 3):
        m.push(stage, b.cdr(n))
    m.issued(stage, m.opened(stage))
    m.push(stage, b.cdr(4, start=m.LOCKS))
    m.push(stage, b.cdr(5, start=m.LOCKS + timedelta(hours=2), evse="DE*VWK*E777"))
    author, approver = b.actor("FINANCE"), b.actor("FINANCE_APPROVER")
    made = backdated.propose(
        stage.ctx, author, b.ISSUER, b.CONTRACT, valid_from=date(2026, 10, 1), terms=b.terms(grid=m.grid("0.31")),
        reason="agreed at last",
    )  # fmt: skip
    ordered = backdating.order_preview(stage.ctx, approver, b.ISSUER, b.CONTRACT, made.proposal_id)
    m.finished(stage, ordered.job_id)
    shown = m.looked(stage, made, ordered.until_utc)
    assert (shown.sessions, shown.delta, shown.waiting) == (4, (Money(-640, "EUR"),), 1)
    done = m.agreed(stage, made, shown, ["approver-1", "approver-2"])
    results = m.finished(stage, backdating.job_id(done)).results
    assert {(r.result.value, r.sessions, r.delta.amount_minor) for r in results} == {
        ("ADJUSTED", 3, -480), ("RERATED", 1, -160)
    }  # fmt: skip
    jobs.order(stage.ctx, author, b.ISSUER, "J-1", Filter(contract_id=b.CONTRACT), "look at them again")
    m.finished(stage, "J-1")
    page = jobs.job(stage.ctx, author, b.ISSUER, "J-1", after="DEVWK*CDR-000003")[1]
    assert [i.result.value for i in page] == ["UNCHANGED", "RETRIED"]
