"""Pages of lists: every item once, in order, whatever changes between two pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from roamclear.billing import service as billing
from roamclear.billing import store
from roamclear.billing.model import Member
from roamclear.cdrs import store as sessions
from roamclear.cdrs.model import Billing, Session
from roamclear.identity.model import Role
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionType
from tests.integration import test_close as month
from tests.support import builders as b
from tests.support import memory_stage
from tests.support.api import Api, environment
from tests.support.moto_stack import Stage
from tests.support.payees import session as a_session
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
    first = api.call("GET", "/v1/cdrs", "FINANCE", contract=b.CONTRACT, limit="1").body
    assert (len(first["items"]), first["list"]) == (1, "rated")
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


# ---- what a page costs ---------------------------------------------------------------------------------------------
class Counting:
    """Tables that count the rows they give."""

    def __init__(self, real: Any) -> None:
        self._real, self.rows_read = real, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def page(self, *args: Any, **kwargs: Any) -> Any:
        found = self._real.page(*args, **kwargs)
        self.rows_read += len(found.rows)
        return found

    def rows(self, *args: Any, **kwargs: Any) -> Iterator[Any]:
        for row in self._real.rows(*args, **kwargs):
            self.rows_read += 1
            yield row

    def get(self, *args: Any, **kwargs: Any) -> Any:
        self.rows_read += 1
        return self._real.get(*args, **kwargs)

    def get_many(self, *args: Any, **kwargs: Any) -> Any:
        found = self._real.get_many(*args, **kwargs)
        self.rows_read += len(found)
        return found


def _documents(stage: Stage, count: int) -> None:
    for number in range(1, count + 1):
        issue(stage.ctx, number, "10.00")


def _sessions(number: int, state: Billing, **changes: Any) -> Session:
    made = a_session(number, 830, issuer_id=b.ISSUER, contract_id=b.CONTRACT, **changes)
    return made.model_copy(update={"billing": state})


def _exceptions(stage: Stage, count: int) -> None:
    for number in range(count):
        journal.raise_once(stage.ctx, b.ISSUER, ExceptionType.UNMATCHED_CREDIT, f"P-{number:04d}", "money came")


def _waiting(stage: Stage, count: int) -> None:
    for number in range(count):
        stage.ctx.db.write(sessions.create(_sessions(number, Billing.VERIFIED, run_id=None)))


def _runs(stage: Stage, count: int) -> None:
    for number in range(count):
        known = store.run(stage.ctx.db, b.ISSUER, month.REQUEST.run_id)
        assert known is not None
        stage.ctx.db.write(store.run_create(known.model_copy(update={"run_id": f"C-RON.{number:04d}.REGULAR"})))


def _members(stage: Stage, count: int) -> None:
    for number in range(count):
        made = _sessions(number, Billing.IN_WINDOW, run_id=month.REQUEST.run_id)
        stage.ctx.db.write(sessions.create(made))
        member = Member(
            issuer_id=b.ISSUER, run_id=month.REQUEST.run_id, cdr_ref=made.cdr_ref, stop_utc=made.stop_utc,
            section="PERIOD",
        )  # fmt: skip
        stage.ctx.db.write(store.member_put(member))


LISTS: dict[str, tuple[str, str, Callable[[Stage, int], None], dict[str, str]]] = {
    "invoices": ("/v1/invoices", "number", _documents, {}),
    "exceptions": ("/v1/exceptions", "subject", _exceptions, {}),
    "cdrs": ("/v1/cdrs", "cdr_ref", _waiting, {"contract": b.CONTRACT}),
    "runs": ("/v1/runs", "run_id", _runs, {}),
    "members": (f"/v1/runs/{month.REQUEST.run_id}/sessions", "cdr_ref", _members, {}),
}


@pytest.mark.parametrize("name", sorted(LISTS))
def test_the_hundredth_page_costs_what_the_first_one_costs(stage: Stage, name: str) -> None:
    path, key, fill, query = LISTS[name]
    month.start(stage)
    if name in ("runs", "members"):
        month.open_run(stage)
    fill(stage, 210)
    counting = Counting(stage.ctx.db)
    object.__setattr__(stage.ctx, "db", counting)
    api, cursor, costs, seen = Api(stage), {}, [], []
    while True:
        before = counting.rows_read
        reply = api.call("GET", path, "FINANCE", limit="2", **query, **cursor)
        costs.append(counting.rows_read - before)
        seen += [item[key] for item in reply.body["items"]]
        if reply.body["next"] is None:
            break
        cursor = {"cursor": reply.body["next"]}
    assert len(costs) >= 105
    assert len(seen) == len(set(seen)) >= 210
    assert costs[99] == costs[2] <= costs[0]
    assert max(costs[1:]) <= 20


def test_a_page_of_an_emsp_looks_at_a_bounded_number_of_rows(stage: Stage) -> None:
    month.start(stage)
    b.found_contract(stage.ctx, contract_id="C-OTH", party_ids=("NLOTH",))
    for number in range(1, 1203):
        issue(stage.ctx, number, "10.00", contract_id=b.CONTRACT if number in (1, 1202) else "C-OTH")
    counting = Counting(stage.ctx.db)
    object.__setattr__(stage.ctx, "db", counting)
    api = Api(stage)
    before = counting.rows_read
    first = api.call("GET", "/v1/invoices", "EMSP_USER", contract_id=b.CONTRACT, limit="2").body
    assert counting.rows_read - before < 2 * (2 + 1000) + 50
    assert [item["number"] for item in first["items"]] == ["VW-2026-000001"]
    rest = api.call("GET", "/v1/invoices", "EMSP_USER", contract_id=b.CONTRACT, limit="2", cursor=first["next"]).body
    assert ([item["number"] for item in rest["items"]], rest["next"]) == (["VW-2026-001202"], None)


def test_what_is_added_before_and_behind_a_place_moves_nothing(stage: Stage) -> None:
    month.start(stage)
    for number in (2, 4, 6):
        issue(stage.ctx, number, "10.00")
    api = Api(stage)
    first = api.call("GET", "/v1/invoices", "FINANCE", limit="2").body
    for number in (1, 3, 5, 7):
        issue(stage.ctx, number, "10.00")
    rest = api.call("GET", "/v1/invoices", "FINANCE", limit="9", cursor=first["next"]).body
    assert [item["number"][-1] for item in (*first["items"], *rest["items"])] == ["2", "4", "5", "6", "7"]


def test_a_cursor_belongs_to_its_list_and_filter(stage: Stage) -> None:
    month.start(stage)
    _documents(stage, 3)
    api = Api(stage)
    cursor = api.call("GET", "/v1/invoices", "FINANCE", limit="1").body["next"]
    for path, query in (("/v1/runs", {}), ("/v1/exceptions", {"state": "OPEN"}), ("/v1/invoices", {"x": "1"})):
        reply = api.call("GET", path, "FINANCE", cursor=cursor, **query)
        assert (reply.status, reply.body["field"]) == (422, "cursor")
    assert api.call("GET", "/v1/invoices", "FINANCE", limit="2", cursor=cursor).status == 200
