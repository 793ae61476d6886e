"""Pages of lists: every item once, in order, whatever changes between two pages."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from roamclear.billing import service as billing
from roamclear.identity.model import Role
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionType
from tests.integration import test_close as month
from tests.support import builders as b
from tests.support import memory_stage
from tests.support.api import Api, environment
from tests.support.moto_stack import Stage
from tests.support.receivables import issue


@pytest.fixture
def stage() -> Iterator[Stage]:
    with memory_stage.stage(datetime(2026, 9, 1, tzinfo=UTC)) as made, environment(made):
        yield made


def walked(api: Api, path: str, key: str, **query: str) -> list[Any]:
    """All items of a list, two at a time."""
    found: list[Any] = []
    cursor: dict[str, str] = {}
    for _ in range(20):
        reply = api.call("GET", path, "FINANCE", limit="2", **query, **cursor)
        assert reply.status == 200
        assert len(reply.body["items"]) <= 2
        found += [item[key] for item in reply.body["items"]]
        if reply.body["next"] is None:
            return found
        cursor = {"cursor": reply.body["next"]}
    raise AssertionError("a list without an end")


def test_sessions_of_a_run_in_pages_each_once_though_one_leaves(stage: Stage) -> None:
    month.start(stage)
    refs = [month.push(stage, b.cdr(number)) for number in range(1, 8)]
    run = month.open_run(stage)
    api, path = Api(stage), f"/v1/runs/{run.run_id}/sessions"
    assert walked(api, path, "cdr_ref") == refs
    whole = api.call("GET", path, "FINANCE").body
    assert ([s["cdr_ref"] for s in whole["items"]], whole["next"], whole["left"]) == (refs, None, [])
    first = api.call("GET", path, "FINANCE", limit="3").body
    assert "fees" in first
    left = api.call("POST", f"/v1/cdrs/{refs[1]}/invalidate", "FINANCE", {"reason": "a test of ours"})
    assert left.status == 200
    rest = api.call("GET", path, "FINANCE", limit="100", cursor=first["next"]).body
    assert ([s["cdr_ref"] for s in rest["items"]], rest["next"]) == (refs[3:], None)
    assert "left" not in rest
    assert walked(api, path, "cdr_ref") == [ref for ref in refs if ref != refs[1]]


def test_documents_runs_exceptions_and_waiting_sessions_in_pages(stage: Stage) -> None:
    month.start(stage)
    refs = [month.push(stage, b.cdr(number)) for number in range(1, 6)]
    api = Api(stage)
    assert walked(api, "/v1/cdrs", "cdr_ref", contract=b.CONTRACT) == refs
    totals = api.call("GET", "/v1/cdrs", "FINANCE", contract=b.CONTRACT, limit="1").body
    assert (totals["count"], totals["net_minor"], len(totals["items"])) == (5, 5 * 830, 1)
    for number in range(1, 6):
        issue(stage.ctx, number, "10.00", due=date(2026, 12, number))
        journal.raise_once(stage.ctx, b.ISSUER, ExceptionType.UNMATCHED_CREDIT, f"P-{number}", "money came")
        stage.clock.advance(timedelta(seconds=1))
    known = [d.number for d in billing.documents(stage.ctx, b.actor(Role.FINANCE), b.ISSUER)]
    assert walked(api, "/v1/invoices", "number") == known
    assert walked(api, "/v1/exceptions", "subject")[-5:] == [f"P-{number}" for number in range(1, 6)]
    run = month.open_run(stage)
    assert walked(api, "/v1/runs", "run_id") == [run.run_id]
    assert walked(api, "/v1/payouts", "payout_id") == []


def test_a_wrong_limit_or_cursor_is_named(stage: Stage) -> None:
    month.start(stage)
    api = Api(stage)
    wrong = {"limit": ("0", "2001", "-1", "x"), "cursor": ("*", "_w")}
    for name, text in ((name, text) for name, texts in wrong.items() for text in texts):
        reply = api.call("GET", "/v1/invoices", "FINANCE", **{name: text})
        assert (reply.status, reply.body["field"]) == (422, name)
