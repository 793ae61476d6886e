"""The eMSP accepts its whole list and closes its own window before its time (product.md E.2)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from roamclear.audit import service as audit
from roamclear.billing import early, notices, reminders, store
from roamclear.billing import service as billing
from roamclear.billing.model import Run, RunState
from roamclear.cdrs.model import Billing
from roamclear.disputes import service as disputes
from roamclear.disputes.model import Claim, Reason
from roamclear.facts import service as facts
from roamclear.kernel.errors import Conflict, Forbidden, NotFound, RoamclearError, Unavailable, WindowClosed
from roamclear.kernel.money import Money
from roamclear.kernel.time import sort_instant
from roamclear.kernel.writes import Table
from tests.integration.test_close import CLOSES, OPENS, open_run, push, start, state
from tests.integration.test_notices import Refusing
from tests.support import builders as b
from tests.support import memory_stage
from tests.support.api import Api, environment
from tests.support.moto_stack import Stage

USER = b.emsp_user()
NOON = OPENS + timedelta(hours=13)


@pytest.fixture
def memory() -> Iterator[Stage]:
    with memory_stage.stage() as made:
        yield made


def opened(stage: Stage, *, allowed: bool = True, **contract: Any) -> Run:
    """Two sessions in an open window whose close is parked."""
    start(stage, early_acceptance=allowed, **contract)
    for n in (1, 2):
        push(stage, b.cdr(n))
    run = open_run(stage)
    billing.park(stage.ctx, b.ISSUER, run.run_id, "CLOSES", "token")
    reminders.plan(stage.ctx, b.ISSUER, run.run_id)
    stage.clock.set(NOON)
    return run


def claim(stage: Stage, ref: str) -> None:
    wanted = Claim(cdr_ref=ref, reason=Reason.PRICE_NOT_AS_AGREED, claimed=Money(300, "EUR"), text="too dear")
    disputes.file(stage.ctx, USER, b.ISSUER, wanted)


def sweep(stage: Stage) -> None:
    def fault(row: Any, error: Exception) -> None:
        raise error

    facts.sweep(stage.ctx, fault)


def told(stage: Stage) -> list[str]:
    return [row["fact"] for row in stage.ctx.db.rows(Table.CLEARING, f"{b.ISSUER}#OUTBOX")]


def test_accepting_closes_this_window_now_and_the_lock_takes_its_usual_write(memory: Stage) -> None:
    run = opened(memory)
    claim(memory, "DEVWK*CDR-000002")
    made = early.accept_all(memory.ctx, USER, b.ISSUER, run.run_id)
    assert (made.state, made.closes_at_utc, made.accepted_by) == (RunState.WINDOW, NOON, USER.actor_id)
    assert "window.accepted" in told(memory)
    with pytest.raises(WindowClosed) as closed:
        claim(memory, "DEVWK*CDR-000001")
    assert sort_instant(NOON)[:19] in str(closed.value.details)
    # Again, by anybody of the eMSP, minutes later: nothing moves.
    memory.clock.advance(timedelta(seconds=30))
    other = b.actor("EMSP_USER", name="colleague", contract_id=b.CONTRACT)
    assert early.accept_all(memory.ctx, other, b.ISSUER, run.run_id).accepted_at_utc == NOON
    assert billing.lock_outcome(memory.ctx, b.ISSUER, run.run_id) == {"outcome": "NOT_YET"}
    assert memory.workflows.completed == []
    memory.clock.set(NOON + timedelta(seconds=61))
    sweep(memory)
    assert [token for token, _ in memory.workflows.completed] == ["token"]
    locked = billing.lock(memory.ctx, b.ISSUER, run.run_id)
    assert (locked.state, locked.locked, locked.left) == (RunState.LOCKED, 1, 1)
    assert state(memory, "DEVWK*CDR-000002")[0] is Billing.ON_HOLD
    assert early.accept_all(memory.ctx, USER, b.ISSUER, run.run_id).state is RunState.LOCKED
    actions = [e.action for e in audit.history(memory.ctx, b.ISSUER, "RUN", run.run_id)]
    assert actions == ["WINDOW_OPENED", "WINDOW_ACCEPTED", "LOCKED"]


def test_the_emsp_has_it_in_writing_once_and_no_reminder_comes(memory: Stage) -> None:
    run = opened(memory)
    before = len(memory.mail.sent)
    early.accept_all(memory.ctx, USER, b.ISSUER, run.run_id)
    mailer = memory.ctx.mailer
    object.__setattr__(memory.ctx, "mailer", Refusing())
    with pytest.raises(Unavailable):
        early.follow(memory.ctx, b.ISSUER, run.run_id)
    object.__setattr__(memory.ctx, "mailer", mailer)
    memory.clock.set(NOON + timedelta(minutes=2))
    billing.lock(memory.ctx, b.ISSUER, run.run_id)
    for _ in range(2):
        sweep(memory)
        memory.clock.advance(timedelta(minutes=5))
    memory.clock.set(CLOSES + timedelta(days=1))
    sweep(memory)
    mails = [mail for mail in memory.mail.sent[before:] if mail.recipients == ("finance@ronde.example",)]
    assert [b": accepted" in mail.raw for mail in mails] == [True, False]
    assert b"review closed" in mails[1].raw
    assert list(store.due_of(memory.ctx.db, b.ISSUER, f"{run.run_id}#CLOSES")) == []


def test_a_crash_after_the_write_is_made_good_by_the_fact(memory: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    run = opened(memory)
    with monkeypatch.context() as broken:
        broken.setattr(early, "hasten", lambda ctx, run: (_ for _ in ()).throw(Unavailable("crashed")))
        with pytest.raises(Unavailable):
            early.accept_all(memory.ctx, USER, b.ISSUER, run.run_id)
    memory.clock.set(NOON + timedelta(minutes=2))
    sweep(memory)
    assert [token for token, _ in memory.workflows.completed] == ["token"]


def test_nothing_restarts_an_accepted_window(memory: Stage) -> None:
    run = opened(memory)
    early.accept_all(memory.ctx, USER, b.ISSUER, run.run_id)
    with pytest.raises(Conflict):
        notices.notify_other(memory.ctx, b.actor("FINANCE"), b.ISSUER, run.run_id, ("other@ronde.example",))
    for message_id in billing.run(memory.ctx, b.ISSUER, run.run_id).notice_ids:
        notices.bounced(memory.ctx, b.ISSUER, run.run_id, message_id)
    memory.clock.set(NOON + timedelta(seconds=61))
    assert billing.lock_outcome(memory.ctx, b.ISSUER, run.run_id)["outcome"] == "LOCKED"


def test_who_may_not_and_when_not(memory: Stage) -> None:
    run = opened(memory)
    for role in ("FINANCE", "FINANCE_APPROVER", "ADMIN", "VIEWER", "API_PARTNER"):
        with pytest.raises(Forbidden):
            early.accept_all(memory.ctx, b.actor(role, contract_id=b.CONTRACT), b.ISSUER, run.run_id)
    with pytest.raises(NotFound):
        early.accept_all(memory.ctx, b.emsp_user("C-OTHER"), b.ISSUER, run.run_id)
    with pytest.raises(NotFound):
        early.accept_all(memory.ctx, USER, b.ISSUER, "C-RON.2026-09.CLOSE")
    memory.clock.set(CLOSES)
    with pytest.raises(WindowClosed):
        early.accept_all(memory.ctx, USER, b.ISSUER, run.run_id)
    memory.clock.set(CLOSES + timedelta(seconds=61))
    billing.lock(memory.ctx, b.ISSUER, run.run_id)
    with pytest.raises(WindowClosed):
        early.accept_all(memory.ctx, USER, b.ISSUER, run.run_id)


def test_a_contract_that_does_not_allow_it(memory: Stage) -> None:
    run = opened(memory, allowed=False)
    with pytest.raises(Conflict) as refused:
        early.accept_all(memory.ctx, USER, b.ISSUER, run.run_id)
    assert refused.value.details["rule"] == "EARLY_ACCEPTANCE"
    assert billing.run(memory.ctx, b.ISSUER, run.run_id).closes_at_utc == CLOSES


def test_a_window_whose_notice_is_not_proven_is_not_accepted(memory: Stage) -> None:
    run = opened(memory)
    memory.ctx.db.write(store.run_update(run, (RunState.WINDOW,), notice_ids=()))
    with pytest.raises(Conflict) as refused:
        early.accept_all(memory.ctx, USER, b.ISSUER, run.run_id)
    assert refused.value.details["rule"] == "WINDOW_NOTICE_FAILED"
    notices.record_proof(memory.ctx, b.actor("FINANCE"), b.ISSUER, run.run_id, "told by telephone on 2 November")
    assert early.accept_all(memory.ctx, USER, b.ISSUER, run.run_id).accepted_at_utc == NOON


def test_two_at_once_and_a_claim_of_that_very_moment(stage: Stage) -> None:
    run = opened(stage)
    gate, refused = threading.Barrier(3), []

    def work(what: Any) -> None:
        gate.wait()
        try:
            what()
        except RoamclearError as error:
            refused.append(error)

    jobs = [
        lambda: early.accept_all(stage.ctx, USER, b.ISSUER, run.run_id),
        lambda: early.accept_all(stage.ctx, USER, b.ISSUER, run.run_id),
        lambda: claim(stage, "DEVWK*CDR-000001"),
    ]
    threads = [threading.Thread(target=work, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(isinstance(error, WindowClosed) for error in refused)
    actions = [e.action for e in audit.history(stage.ctx, b.ISSUER, "RUN", run.run_id)]
    assert actions.count("WINDOW_ACCEPTED") == 1
    stage.clock.advance(timedelta(seconds=61))
    assert billing.lock(stage.ctx, b.ISSUER, run.run_id).locked == 1 + len(refused)


def test_by_api(stage: Stage) -> None:
    run = opened(stage)
    with environment(stage):
        api = Api(stage)
        path = f"/v1/runs/{run.run_id}/accept"
        assert api.call("POST", path, "FINANCE", {}).status == 403
        assert api.call("POST", path, "EMSP_USER", {}, contract_id="C-OTHER").status == 404
        for _ in range(2):
            made = api.call("POST", path, "EMSP_USER", {}, contract_id=b.CONTRACT)
            assert (made.status, made.body["closes_at_utc"]) == (200, sort_instant(NOON))
