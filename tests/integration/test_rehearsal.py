"""Rehearsals: pro-formas for the eMSP, drafts for who approves, blockers for finance (rows 55, 69, 70; B3)."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import openpyxl
import pypdf
import pytest

from functions.rehearse import handler as function
from roamclear.billing import drafts, notices
from roamclear.billing import service as billing
from roamclear.billing.model import Run, RunState
from roamclear.facts import service as facts
from roamclear.identity.model import Role
from roamclear.kernel.errors import Conflict, Forbidden, InRecovery, NotFound
from roamclear.kernel.money import Money
from roamclear.kernel.writes import Key, Put, Table
from roamclear.mode import service as mode
from roamclear.rehearsal import service, store, working
from roamclear.rehearsal.doors import OverlayObjects, shadow
from roamclear.rehearsal.model import Rehearsal, State
from roamclear.rehearsal.overlay import OverlayTables, TooLarge
from tests.integration import test_close as month
from tests.support import builders as b
from tests.support import memory_stage
from tests.support.api import Api, environment
from tests.support.fonts import with_fonts
from tests.support.handlers import Invocation
from tests.support.moto_stack import BUCKETS, Stage

RUN = month.REQUEST.run_id


@pytest.fixture
def memory() -> Iterator[Stage]:
    with memory_stage.stage() as made:
        with_fonts(made.ctx)
        yield made


def opened(stage: Stage, **contract: Any) -> Run:
    """Three sessions of 8.30 in an open window."""
    month.start(stage, **contract)
    for n in range(1, 4):
        month.push(stage, b.cdr(n))
    return month.open_run(stage)


def awaiting(stage: Stage) -> Run:
    """The same locked, and waiting for a person."""
    run = opened(stage, auto_issue=False)
    stage.clock.set(month.CLOSES + timedelta(seconds=61))
    assert billing.lock_outcome(stage.ctx, b.ISSUER, run.run_id)["needs_approval"]
    billing.park(stage.ctx, b.ISSUER, run.run_id, "APPROVED", "token")
    return billing.run(stage.ctx, b.ISSUER, run.run_id)


def deliver(stage: Stage) -> None:
    def fault(row: Any, error: Exception) -> None:
        raise error

    stage.clock.advance(timedelta(minutes=6))
    facts.sweep(stage.ctx, fault)


def done(stage: Stage, known: Rehearsal) -> Rehearsal:
    return working.work(stage.ctx, service.request_key(known))


def text_of(pdf: bytes) -> str:
    return "\n".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(pdf)).pages)


def files_of(stage: Stage, found: dict[str, Any]) -> dict[str, bytes]:
    """The drawn files by their ending."""
    keys = [key for run in found["runs"] for each in run.documents for key in each.files]
    bodies = {key.split("-PROFORMA.")[-1].split("-DRAFT.")[-1]: stage.ctx.objects.get("exports", key) for key in keys}
    assert all(body is not None for body in bodies.values())
    return {name: body for name, body in bodies.items() if body is not None}


def test_the_pro_forma_of_an_open_window_is_the_emsps(memory: Stage) -> None:
    opened(memory)
    user = b.emsp_user()
    asked = service.rehearse_run(memory.ctx, user, b.ISSUER, RUN)
    assert service.rehearse_run(memory.ctx, user, b.ISSUER, RUN) == asked
    mails = len(memory.mail.sent)
    assert done(memory, asked).state is State.DONE
    assert done(memory, asked).state is State.DONE
    found = service.rehearsal(memory.ctx, user, b.ISSUER, asked.rehearsal_id)
    (run,) = found["runs"]
    (paper,) = run.documents
    assert (paper.type_code, paper.net, paper.sessions, paper.lines) == ("380", Money(2490, "EUR"), 3, 2)
    assert {"folder", "asked_by", "board"}.isdisjoint(found)
    drawn = files_of(memory, found)
    assert set(drawn) == {"pdf", "xlsx", "csv"}
    assert "VW-2026" not in text_of(drawn["pdf"])
    assert b"factur-x" not in drawn["pdf"]
    sheet = openpyxl.load_workbook(io.BytesIO(drawn["xlsx"]))
    assert "not issued yet" in {cell.value for page in sheet for row in page for cell in row}
    assert [each["name"].rsplit(".", 1)[1] for each in found["files"]] == ["pdf", "xlsx", "csv"]
    assert all("seconds=3600" in each["link"] for each in found["files"])
    # The window, its mails and its series are what they were.
    assert billing.run(memory.ctx, b.ISSUER, RUN).state is RunState.WINDOW
    assert (len(memory.mail.sent), billing.counted(memory.ctx, b.ISSUER, "VW.380.2026")) == (mails, 0)
    assert list(memory.ctx.objects.keys("documents")) == []
    other = b.emsp_user("C-OTHER")
    with pytest.raises(NotFound):
        service.rehearsal(memory.ctx, other, b.ISSUER, asked.rehearsal_id)
    with pytest.raises(NotFound):
        service.rehearse_run(memory.ctx, other, b.ISSUER, RUN)


def test_a_run_that_waits_for_approval_has_drafts_once(memory: Stage) -> None:
    run = awaiting(memory)
    deliver(memory)
    deliver(memory)
    (key,) = working.waiting(memory.ctx)
    drawn = working.work(memory.ctx, key)
    assert working.waiting(memory.ctx) == []
    found = service.rehearsal(memory.ctx, b.actor(Role.FINANCE_APPROVER), b.ISSUER, drawn.rehearsal_id)
    (preview,) = found["runs"]
    assert (preview.blocked, preview.documents[0].net) == ("APPROVAL_NEEDED", Money(2490, "EUR"))
    files = files_of(memory, found)
    assert set(files) == {"pdf", "xml", "ubl.xml", "xlsx", "csv"}
    assert all(b"VW-2026-999999" in files[name] for name in ("xml", "ubl.xml"))
    assert b"VW-2026-000001" not in b"".join(files.values())
    assert service.rehearsals(memory.ctx, b.actor(Role.FINANCE), b.ISSUER, RUN) == [drawn]
    with pytest.raises(Conflict):
        service.rehearse_run(memory.ctx, b.emsp_user(), b.ISSUER, RUN)
    with pytest.raises(NotFound):
        service.rehearsal(memory.ctx, b.emsp_user(), b.ISSUER, drawn.rehearsal_id)
    # Approving assigns the number.
    seen = drafts.content_hash(memory.ctx, billing.run(memory.ctx, b.ISSUER, run.run_id))
    billing.approve(memory.ctx, b.actor(Role.FINANCE_APPROVER), b.ISSUER, run.run_id, seen)
    issued = billing.issue(memory.ctx, b.ISSUER, run.run_id, lambda document: [])
    assert issued.numbers == ("VW-2026-000001",)
    assert billing.document(memory.ctx, b.ISSUER, issued.numbers[0]).net == preview.documents[0].net
    with pytest.raises(Conflict):
        service.rehearse_run(memory.ctx, b.actor(Role.FINANCE), b.ISSUER, RUN)


def test_a_window_whose_notice_came_back_is_blocked(memory: Stage) -> None:
    run = opened(memory)
    update = notices.store.run_update(run, (RunState.WINDOW,), notice_ids=())
    memory.ctx.db.write(update)
    asked = service.rehearse_all(memory.ctx, b.actor(Role.FINANCE), b.ISSUER, service.Request(files=False))
    done(memory, asked)
    board = service.blockers(memory.ctx, b.actor(Role.VIEWER), b.ISSUER)
    (mine,) = [each for each in board["contracts"] if each.contract_id == b.CONTRACT]
    assert [(s.reason, s.count, s.net) for s in mine.blocked] == [("NOTICE_FAILED", 3, Money(2490, "EUR"))]
    assert (mine.invoiced, mine.documents) == ((), 0)
    assert [(r.run_id, r.blocked) for r in board["runs"]] == [(RUN, "NOTICE_FAILED")]


def test_only_who_may_rehearses(memory: Stage) -> None:
    opened(memory)
    with pytest.raises(Forbidden):
        service.rehearse_run(memory.ctx, b.actor(Role.VIEWER), b.ISSUER, RUN)
    with pytest.raises(NotFound):
        service.rehearse_all(memory.ctx, b.emsp_user(), b.ISSUER, service.Request())
    with pytest.raises(NotFound):
        service.blockers(memory.ctx, b.emsp_user(), b.ISSUER)
    with pytest.raises(NotFound):
        service.blockers(memory.ctx, b.actor(Role.FINANCE), b.ISSUER)
    with pytest.raises(NotFound):
        service.rehearsals(memory.ctx, b.emsp_user(), b.ISSUER)
    with pytest.raises(NotFound):
        working.work(memory.ctx, "rehearse/voltwerk/H-0000000000000000.json")


def test_a_restored_stage_rehearses_nothing(memory: Stage) -> None:
    opened(memory)
    asked = service.rehearse_run(memory.ctx, b.actor(Role.FINANCE), b.ISSUER, RUN)
    mode.enter(memory.ctx, "restored")
    with pytest.raises(InRecovery):
        done(memory, asked)
    assert store.find(memory.ctx.db, b.ISSUER, asked.rehearsal_id) == asked
    # What nobody could do for hours is given up, and asked for again.
    memory.clock.advance(timedelta(hours=2, minutes=1))
    assert done(memory, asked).failure == "it could not be done in time"
    assert working.waiting(memory.ctx) == []


def test_what_does_not_fit_is_told_and_not_tried_again(memory: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    opened(memory)
    monkeypatch.setattr(
        working, "shadow", lambda ctx: (made := shadow(ctx), setattr(made.tables, "most", 3))[0]
    )  # fmt: skip
    asked = service.rehearse_run(memory.ctx, b.actor(Role.FINANCE), b.ISSUER, RUN)
    ended = done(memory, asked)
    assert (ended.state, ended.failure) == (
        State.FAILED,
        "a rehearsal of this many sessions is too large; rehearse run by run",
    )
    every = service.rehearse_all(memory.ctx, b.actor(Role.FINANCE), b.ISSUER, service.Request(files=False))
    done(memory, every)
    board = service.blockers(memory.ctx, b.actor(Role.FINANCE), b.ISSUER)
    (mine,) = [each for each in board["contracts"] if each.contract_id == b.CONTRACT]
    assert {s.reason for s in mine.blocked} == {"TOO_LARGE"}


def test_the_overlay_holds_no_more_than_it_may(memory: Stage) -> None:
    tables = OverlayTables(memory.ctx.db, most=1)
    tables.write(Put(Table.CLEARING, Key("p", "a"), {"n": 1}))
    with pytest.raises(TooLarge):
        tables.write(Put(Table.CLEARING, Key("p", "b"), {"n": 1}))
    objects = OverlayObjects(memory.ctx.objects)
    objects.put("exports", "a", b"1", "text/plain")
    assert (objects.get("exports", "a"), memory.ctx.objects.get("exports", "a")) == (b"1", None)
    assert list(objects.keys("exports")) == ["a"]


def test_over_the_api(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    with_fonts(stage.ctx)
    opened(stage)
    monkeypatch.setattr(function, "compose", lambda: stage.ctx)
    with environment(stage):
        api = Api(stage)
        assert api.call("GET", "/v1/blockers", "FINANCE").status == 404
        reply = api.call("POST", f"/v1/runs/{RUN}/rehearse", "EMSP_USER", {}, contract_id=b.CONTRACT)
        assert (reply.status, reply.body["state"]) == (202, "WAITING")
        proforma = reply.body["rehearsal_id"]
        reply = api.call("POST", "/v1/rehearsals", "FINANCE", {"files": False})
        assert reply.status == 202
        reply = api.call("POST", "/v1/rehearsals", "FINANCE", {"period": "October"})
        assert (reply.status, reply.body["field"]) == (422, "period")
        key = f"rehearse/{b.ISSUER}/{proforma}.json"
        assert stage.ctx.objects.get("inbox", key) == b"{}"
        event = {
            "detail-type": "Object Created",
            "detail": {"bucket": {"name": BUCKETS["inbox"]}, "object": {"key": key}},
        }
        assert function.handler(event, Invocation("rehearse")) == {"rehearsals": [proforma]}
        assert len(function.handler({"reason": "schedule"}, Invocation("rehearse"))["rehearsals"]) == 1
        assert function.handler({"reason": "schedule"}, Invocation("rehearse")) == {"rehearsals": []}
        reply = api.call("GET", f"/v1/rehearsals/{proforma}", "EMSP_USER", contract_id=b.CONTRACT)
        assert reply.body["runs"][0]["documents"][0]["gross"] == {"amount_minor": 2490, "currency": "EUR"}
        assert [each["name"].rsplit(".", 1)[1] for each in reply.body["files"]] == ["pdf", "xlsx", "csv"]
        assert api.call("GET", f"/v1/rehearsals/{proforma}", "EMSP_USER", contract_id="C-OTHER").status == 404
        reply = api.call("GET", "/v1/blockers", "FINANCE")
        assert [c["documents"] for c in reply.body["contracts"]] == [1, 0]
        assert api.call("GET", "/v1/rehearsals", "FINANCE", run=RUN).body["items"][0]["rehearsal_id"] == proforma
        assert stage.clock.now() >= datetime(2026, 11, 1, tzinfo=UTC)
