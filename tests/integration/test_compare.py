"""A partner's own list against an open window: asked for, compared, read page by page, disputed (product.md B1)."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import openpyxl
import pytest

from functions.compare_sessions import handler as function
from roamclear.billing import service as billing
from roamclear.cdrs import service as cdrs
from roamclear.cdrs.model import DisputeState
from roamclear.compare import service as compare
from roamclear.compare import working
from roamclear.compare.model import Comparison, Match, State
from roamclear.documents import tables
from roamclear.identity.model import Role
from roamclear.kernel.errors import Conflict, Forbidden, InvalidInput, NotFound, Unavailable
from tests.integration import test_close as month
from tests.support import builders as b
from tests.support import memory_stage
from tests.support.api import Api, environment
from tests.support.handlers import Invocation
from tests.support.moto_stack import BUCKETS, Stage

RUN = month.REQUEST.run_id
TITLES = "CDR ID;EVSE-ID;Start;kWh;Betrag netto\n"


@pytest.fixture
def memory() -> Iterator[Stage]:
    """Ten sessions in an open window."""
    with memory_stage.stage() as made:
        month.start(made)
        for n in range(1, 11):
            month.push(made, b.cdr(n))
        month.open_run(made)
        yield made


def said(n: int, **changes: str) -> str:
    """The partner's row of session ``n``."""
    raw = b.cdr(n)
    cells = {
        "id": raw["id"],
        "evse": "de*vwk*eOO1",
        "start": raw["start_date_time"],
        "kwh": "20,0",
        "net": "8,30",
    } | changes
    return ";".join(cells.values()) + "\n"


def text() -> str:
    """Six as ours; one dearer here, one without its id, one unknown here; nine and ten are not on it."""
    rows = [said(n) for n in range(1, 7)]
    return TITLES + "".join([*rows, said(7, net="7,80"), said(8, id=""), said(77), said(1), "Summe;;;;999,00\n"])


def asked(stage: Stage, body: str | None = None, **changes: Any) -> Comparison:
    request = compare.Request.model_validate({"run_id": RUN, "text": body or text()} | changes)
    known, form = compare.ask(stage.ctx, b.emsp_user(), b.ISSUER, request)
    assert form is None
    return working.work(stage.ctx, compare.file_key(known))


def lines(stage: Stage, known: Comparison, match: Match | None = None) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        page, cursor = compare.rows(stage.ctx, b.emsp_user(), b.ISSUER, known.comparison_id, match=match, cursor=cursor)
        found += page
        if cursor is None:
            return found


def test_every_row_is_in_one_class_with_its_sums(memory: Stage) -> None:
    known = asked(memory)
    assert (known.state, known.rows_here, known.rows_there, known.rows_passed_over) == (State.DONE, 10, 10, 1)
    found = {s.match.value: (s.rows_here, s.rows_there, s.net_here.amount_minor) for s in known.sums}
    assert found == {
        "AMOUNT_DIFFERS": (1, 1, 830),
        "MISSING_THERE": (2, 0, 1660),
        "MISSING_HERE": (0, 2, 0),
        "PARTIAL": (0, 0, 0),
        "EXACT": (7, 7, 5810),
    }
    told = lines(memory, known)
    assert [line["class"] for line in told][:5] == ["AMOUNT_DIFFERS", *["MISSING_THERE"] * 2, *["MISSING_HERE"] * 2]
    dearer = told[0]
    assert (dearer["row"], dearer["joined_by"], dearer["differences"]) == (8, "CDR_ID", ["AMOUNT"])
    assert dearer["claim"]["claimed"] == {"amount_minor": 50, "currency": "EUR"}
    assert [line["claim"]["reason"] for line in told[1:3]] == ["NO_SUCH_SESSION"] * 2
    assert sorted(line.get("differences", ["-"])[0] for line in told[3:5]) == ["-", "DUPLICATE"]
    fuzzy = [line for line in lines(memory, known, Match.EXACT) if line["joined_by"] == "EVSE_START_ENERGY"]
    assert [line["here"]["cdr_id"] for line in fuzzy] == ["CDR-000008"]


def test_differences_become_disputes_in_one_call_and_only_once(memory: Stage) -> None:
    known, actor = asked(memory), b.emsp_user()
    both = frozenset({Match.AMOUNT_DIFFERS, Match.MISSING_THERE})
    outcomes, following = compare.dispute(memory.ctx, actor, b.ISSUER, known.comparison_id, matches=both)
    assert ([o.code for o in outcomes], following) == (["CREATED"] * 3, None)
    again, _ = compare.dispute(memory.ctx, actor, b.ISSUER, known.comparison_id, matches=both)
    assert [(o.code, o.dispute_id) for o in again] == [("KNOWN", o.dispute_id) for o in outcomes]
    disputed = cdrs.session(memory.ctx, b.ISSUER, "DEVWK*CDR-000007")
    assert disputed is not None
    assert disputed.dispute is DisputeState.OPEN
    other = asked(memory, text() + "\n")
    assert other.comparison_id != known.comparison_id
    assert other.claims == 0


def test_after_the_close_no_claim_lands(memory: Stage) -> None:
    known = asked(memory)
    memory.clock.set(month.CLOSES + timedelta(seconds=1))
    outcomes, _ = compare.dispute(
        memory.ctx, b.emsp_user(), b.ISSUER, known.comparison_id, matches=frozenset({Match.MISSING_THERE})
    )
    assert [o.code for o in outcomes] == ["WINDOW_CLOSED"] * 2


def test_claims_are_filed_in_portions(memory: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare, "CLAIMS_AT_ONCE", 2)
    known, actor = asked(memory, TITLES), b.emsp_user()
    filed, at = [], 0
    while at is not None:
        some, at = compare.dispute(
            memory.ctx, actor, b.ISSUER, known.comparison_id, matches=frozenset({Match.MISSING_THERE}), cursor=at
        )
        filed += some
    assert [o.code for o in filed] == ["CREATED"] * 10


def test_our_own_list_comes_back_as_exact_and_the_files_agree_with_the_rows(
    memory: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("roamclear.compare.service.PAGE", 3)
    monkeypatch.setattr("roamclear.compare.working.PAGE", 3)
    known = asked(memory)
    told = lines(memory, known)
    assert len(told) == 12
    table = memory.ctx.objects.get("exports", f"{known.folder}/result.csv") or b""
    rows = list(csv.DictReader(io.StringIO(table.decode("utf-8-sig"))))
    assert [r["Class"] for r in rows] == [line["class"] for line in told]
    assert sum(Decimal(r["Net"] or 0) for r in rows) == sum(s.net_here.to_decimal() for s in known.sums)
    sheet = openpyxl.load_workbook(io.BytesIO(memory.ctx.objects.get("exports", f"{known.folder}/result.xlsx") or b""))
    assert sheet.active is not None
    assert sheet.active.max_row == 13
    mine = "CDR id;Session id;EVSE id;Start;kWh;Net EUR\n" + "".join(
        f"{s.cdr_id};{s.session_id};{s.evse_id};{s.start_utc.isoformat()};{s.energy_kwh};{s.net.to_decimal()}\n"
        for s, _ in billing.members(memory.ctx, billing.run(memory.ctx, b.ISSUER, RUN)) if s.net
    )  # fmt: skip
    assert {s.match: s.rows_here for s in asked(memory, mine).sums if s.rows_here} == {Match.EXACT: 10}


def test_the_same_file_is_the_same_comparison(memory: Stage) -> None:
    known = asked(memory)
    objects = dict(memory.ctx.objects.kept)  # type: ignore[attr-defined]
    assert asked(memory) == known
    assert memory.ctx.objects.kept == objects  # type: ignore[attr-defined]
    assert asked(memory, options={"tolerance": {"amount_minor": 50}}).comparison_id != known.comparison_id
    assert len(compare.comparisons(memory.ctx, b.emsp_user(), b.ISSUER, RUN)) == 2


def test_a_crash_between_the_files_and_the_row_is_repaired_by_the_next_try(memory: Stage) -> None:
    request = compare.Request(run_id=RUN, text=text())
    known, _ = compare.ask(memory.ctx, b.emsp_user(), b.ISSUER, request)
    key, put = compare.file_key(known), memory.ctx.objects.put

    def broken(bucket: str, name: str, body: bytes, content_type: str) -> Any:
        if name.endswith("result.xlsx"):
            raise Unavailable("the bucket is gone")
        return put(bucket, name, body, content_type)

    memory.ctx.objects.put = broken  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        working.work(memory.ctx, key)
    memory.ctx.objects.put = put  # type: ignore[method-assign]
    with pytest.raises(Conflict, match="WAITING"):
        lines(memory, known)
    assert working.waiting(memory.ctx) == [key]
    assert working.work(memory.ctx, key).state is State.DONE
    assert working.waiting(memory.ctx) == []
    assert len(lines(memory, known)) == 12


def test_a_file_that_fails_does_not_stop_the_others(memory: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(function, "compose", lambda: memory.ctx)
    keys = []
    for body in (text(), text() + "\n"):
        known, _ = compare.ask(memory.ctx, b.emsp_user(), b.ISSUER, compare.Request(run_id=RUN, text=body))
        keys.append(compare.file_key(known))
    first, get = min(keys), memory.ctx.objects.get

    def failing(bucket: str, key: str) -> bytes | None:
        if key == first:
            raise Unavailable("the inbox did not give an object")
        return get(bucket, key)

    memory.ctx.objects.get = failing  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        function.handler({"reason": "schedule"}, Invocation("compare_sessions"))
    memory.ctx.objects.get = get  # type: ignore[method-assign]
    assert working.waiting(memory.ctx) == [first]
    assert len(function.handler({"reason": "schedule"}, Invocation("compare_sessions"))["comparisons"]) == 1


def test_the_member_of_another_currency_is_compared_in_that_of_the_contract(memory: Stage) -> None:
    session = cdrs.session(memory.ctx, b.ISSUER, "DEVWK*CDR-000001")
    assert session is not None
    assert working.of(session.model_copy(update={"currency": "CHF"})).currency == "EUR"


@pytest.mark.parametrize(
    ("body", "words"),
    [("nothing here", "no row names"), ("cdr id;kwh\n1;2.5\n2;2,5\n", "decimal comma and others")],
)
def test_a_file_that_cannot_be_read_is_refused_with_its_fault(memory: Stage, body: str, words: str) -> None:
    known = asked(memory, body)
    assert known.state is State.REFUSED
    assert words in str(known.fault)
    with pytest.raises(Conflict):
        lines(memory, known)


def test_another_file_than_announced_is_refused(memory: Stage) -> None:
    request = compare.Request(run_id=RUN, format="csv", sha256="0" * 64)
    known, form = compare.ask(memory.ctx, b.emsp_user(), b.ISSUER, request)
    assert form is not None
    assert form.fields["key"] == compare.file_key(known)
    memory.ctx.objects.put("inbox", compare.file_key(known), text().encode(), "text/csv")
    assert working.work(memory.ctx, compare.file_key(known)).fault == "this is not the file that was announced"
    with pytest.raises(NotFound):
        working.work(memory.ctx, "compare/voltwerk/M-0000000000000000.csv")


def test_who_may_and_who_may_not(memory: Stage) -> None:
    known = asked(memory)
    stranger = b.emsp_user("C-OTHER")
    request = compare.Request(run_id=RUN, text=text())
    for call in (
        lambda: compare.ask(memory.ctx, stranger, b.ISSUER, request),
        lambda: compare.comparison(memory.ctx, stranger, b.ISSUER, known.comparison_id),
        lambda: compare.comparisons(memory.ctx, stranger, b.ISSUER, RUN),
        lambda: compare.rows(memory.ctx, stranger, b.ISSUER, known.comparison_id),
        lambda: compare.comparison(memory.ctx, b.emsp_user(), "other-issuer", known.comparison_id),
        lambda: compare.ask(
            memory.ctx, b.emsp_user(), b.ISSUER, compare.Request(run_id="C-NO.2026-10.CLOSE", text="x")
        ),
    ):
        with pytest.raises(NotFound):
            call()
    with pytest.raises(Forbidden):
        compare.ask(memory.ctx, b.actor(Role.VIEWER), b.ISSUER, request)
    matches = frozenset({Match.MISSING_THERE})
    with pytest.raises(Forbidden):
        compare.dispute(memory.ctx, b.actor(Role.FINANCE), b.ISSUER, known.comparison_id, matches=matches)


def test_a_run_takes_so_many_comparisons(memory: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare, "MOST_OF_A_RUN", 1)
    asked(memory)
    with pytest.raises(Conflict, match="a run takes 1"):
        asked(memory, text() + "\n")
    assert asked(memory).state is State.DONE
    with pytest.raises(InvalidInput):
        compare.ask(memory.ctx, b.emsp_user(), b.ISSUER, compare.Request(run_id=RUN))
    with pytest.raises(InvalidInput):
        compare.rows(memory.ctx, b.emsp_user(), b.ISSUER, asked(memory).comparison_id, cursor="EXACT-9")


def test_over_the_api_and_the_function(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sheet is announced, posted, read on its event, shown and disputed."""
    month.start(stage)
    for n in range(1, 4):
        month.push(stage, b.cdr(n))
    month.open_run(stage)
    monkeypatch.setattr(function, "compose", lambda: stage.ctx)
    raw = b.cdr(1)
    sheet = tables.write_xlsx(
        "List",
        ("cdr id", "start", "kwh", "net"),
        [[raw["id"], raw["start_date_time"], Decimal(20), Decimal("8.00")], ["=cmd|x", None, None, None]],
        created=stage.ctx.now(),
    )
    with environment(stage):
        api = Api(stage)
        body = {"run_id": RUN, "format": "xlsx", "sha256": hashlib.sha256(sheet).hexdigest()}
        reply = api.call("POST", "/v1/compare", "EMSP_USER", body, contract_id=b.CONTRACT)
        assert (reply.status, reply.body["state"]) == (202, "WAITING")
        key, number = reply.body["upload"]["fields"]["key"], reply.body["comparison_id"]
        stage.ctx.objects.put("inbox", key, sheet, "application/octet-stream")
        event = {
            "detail-type": "Object Created",
            "detail": {"bucket": {"name": BUCKETS["inbox"]}, "object": {"key": key}},
        }
        done = function.handler(event, Invocation("compare_sessions"))
        assert done == {"comparisons": [{"comparison": number, "state": "DONE", "rows": 2}]}
        assert function.handler({"reason": "schedule"}, Invocation("compare_sessions")) == {"comparisons": []}
        reply = api.call("POST", "/v1/compare", "EMSP_USER", body, contract_id=b.CONTRACT)
        assert (reply.status, reply.body["state"], reply.body["claims"]) == (200, "DONE", 3)
        assert [f["name"] for f in reply.body["files"]] == [f"{number}.csv", f"{number}.xlsx"]
        assert "folder" not in reply.body
        reply = api.call(
            "GET", f"/v1/compare/{number}/rows", "EMSP_USER", contract_id=b.CONTRACT, **{"class": "MISSING_HERE"}
        )
        assert [(r["row"], r["there"]["cdr_id"]) for r in reply.body["items"]] == [(3, "=cmd|x")]
        (result,) = [k for k in stage.ctx.objects.keys("exports", "compare/") if k.endswith("result.csv")]
        table = stage.ctx.objects.get("exports", result)
        assert b"'=cmd|x" in (table or b"")
        assert api.call("GET", "/v1/compare", "EMSP_USER", contract_id=b.CONTRACT, run=RUN).body["items"]
        reply = api.call("GET", f"/v1/compare/{number}/rows", "EMSP_USER", contract_id=b.CONTRACT, **{"class": "NONE"})
        assert (reply.status, reply.body["field"]) == (422, "class")
        assert api.call("GET", f"/v1/compare/{number}", "EMSP_USER", contract_id="C-OTHER").status == 404
        reply = api.call("POST", f"/v1/compare/{number}/disputes", "EMSP_USER", {}, contract_id=b.CONTRACT)
        assert [o["code"] for o in reply.body["items"]] == ["CREATED"] * 3
        lone = f'{{"run_id": "{RUN}", "text": "\\ud800"}}'
        reply = api.call("POST", "/v1/compare", "EMSP_USER", lone, contract_id=b.CONTRACT)
        assert (reply.status, reply.body["field"]) == (422, "body")
