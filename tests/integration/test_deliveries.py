"""What came back of a mail: told once, taken back where it was the opening notice, kept where nobody knows the mail."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from roamclear.billing import service as billing
from roamclear.billing.model import Run, RunState
from roamclear.deliveries import service as deliveries
from roamclear.deliveries.model import Failure, What
from roamclear.facts import service as facts
from roamclear.journal import service as journal
from roamclear.kernel.errors import Conflict
from tests.integration.test_close import CLOSES, OPENS, open_run, push, start
from tests.support import builders as b
from tests.support.crashing import Fuse, mortal, survives
from tests.support.handlers import call, on, sample
from tests.support.memory_stage import fresh
from tests.support.moto_stack import Stage


@pytest.fixture
def told() -> tuple[Stage, Run]:
    """An open window whose notice went to two contacts."""
    stage = fresh()
    start(stage, contact_emails=("finance@ronde.example", "ops@ronde.example"))
    push(stage, b.cdr(1))
    run = open_run(stage)
    sweep(stage)
    return stage, run


def sweep(stage: Stage) -> None:
    """Let every fact be answered."""
    stage.clock.advance(timedelta(minutes=2))
    facts.sweep(stage.ctx, lambda row, error: None)


def kinds(stage: Stage) -> list[str]:
    """Open exceptions about deliveries."""
    found = [e.kind.value for e in journal.listed(stage.ctx, b.actor("FINANCE"), b.ISSUER)]
    return sorted(kind for kind in found if kind in ("DELIVERY_FAILED", "WINDOW_NOTICE_FAILED"))


def bounce(message_id: str, *to: str, **changes: Any) -> Failure:
    base: dict[str, Any] = {"event_id": f"e-{'-'.join(to)}", "message_id": message_id, "what": What.BOUNCED}
    return Failure.model_validate(
        base | {"recipients": to, "at_utc": OPENS + timedelta(minutes=1), "reason": "Permanent"} | changes
    )


def read(stage: Stage, run: Run) -> Run:
    return billing.run(stage.ctx, b.ISSUER, run.run_id)


def test_a_notice_that_reached_nobody_is_taken_back(told: tuple[Stage, Run]) -> None:
    stage, run = told
    (message_id,) = run.notice_ids
    deliveries.take(stage.ctx, bounce(message_id, "finance@ronde.example"))
    sweep(stage)
    assert read(stage, run).notice_ids == (message_id,), "the other contact was told"
    assert kinds(stage) == ["DELIVERY_FAILED"]
    for _ in range(2):
        assert deliveries.take(stage.ctx, bounce(message_id, "ops@ronde.example")) == "ANSWERED"
        sweep(stage)
    assert read(stage, run).notice_ids == ()
    assert kinds(stage) == ["DELIVERY_FAILED", "WINDOW_NOTICE_FAILED"]
    stage.clock.set(CLOSES + timedelta(seconds=61))
    before = len(stage.mail.sent)
    assert billing.lock_outcome(stage.ctx, b.ISSUER, run.run_id)["outcome"] == "NOT_YET"
    assert len(stage.mail.sent) == before, "the same contacts are not told again"
    with pytest.raises(Conflict):
        billing.lock(stage.ctx, b.ISSUER, run.run_id)
    renewed = billing.notify_other(stage.ctx, b.actor("FINANCE"), b.ISSUER, run.run_id, ("board@ronde.example",))
    assert renewed.closes_at_utc == CLOSES + timedelta(days=8)
    assert "WINDOW_NOTICE_FAILED" not in kinds(stage)
    stage.clock.set(renewed.closes_at_utc + timedelta(seconds=61))
    assert billing.lock_outcome(stage.ctx, b.ISSUER, run.run_id)["outcome"] == "LOCKED"


@pytest.mark.parametrize("after", [False, True])
def test_a_report_outlives_a_crash_at_every_effect(after: bool) -> None:
    place, died = 0, True
    while died:
        stage = fresh()
        start(stage)
        push(stage, b.cdr(1))
        run = open_run(stage)
        sweep(stage)
        gone = bounce(run.notice_ids[0], "finance@ronde.example")
        with survives() as dead:
            ctx = mortal(stage.ctx, Fuse(left=place, after=after))
            deliveries.take(ctx, gone)
            stage.clock.advance(timedelta(minutes=2))
            facts.sweep(ctx, lambda row, error: None)
        died, place = bool(dead), place + 1
        deliveries.take(stage.ctx, gone)
        sweep(stage)
        assert read(stage, run).notice_ids == ()
        assert kinds(stage) == ["DELIVERY_FAILED", "WINDOW_NOTICE_FAILED"]
        told = [e.what for e in deliveries.log(stage.ctx, b.ISSUER, run.run_id)]
        assert sorted(told) == [What.BOUNCED, What.MAILED]
    assert place > 4


def test_the_next_notice_may_come_back_too(told: tuple[Stage, Run]) -> None:
    stage, run = told
    everyone = ("finance@ronde.example", "ops@ronde.example")
    deliveries.take(stage.ctx, bounce(run.notice_ids[0], *everyone))
    sweep(stage)
    again = billing.notify_other(stage.ctx, b.actor("FINANCE"), b.ISSUER, run.run_id, ("board@ronde.example",))
    deliveries.take(stage.ctx, bounce(again.notice_ids[0], "Board@Ronde.example".lower()))
    sweep(stage)
    assert read(stage, run).notice_ids == ()
    assert kinds(stage).count("WINDOW_NOTICE_FAILED") == 1


@pytest.mark.parametrize("changes", [{"what": What.COMPLAINED}, {"lasting": False}])
def test_a_complaint_or_an_answer_of_somebody_on_leave_takes_nothing_back(
    told: tuple[Stage, Run], changes: dict[str, Any]
) -> None:
    stage, run = told
    everyone = ("finance@ronde.example", "ops@ronde.example")
    deliveries.take(stage.ctx, bounce(run.notice_ids[0], *everyone, **changes))
    sweep(stage)
    assert read(stage, run).notice_ids == run.notice_ids
    assert kinds(stage) == ["DELIVERY_FAILED"]


def test_after_the_lock_nothing_is_taken_back(told: tuple[Stage, Run]) -> None:
    stage, run = told
    stage.clock.set(CLOSES + timedelta(seconds=61))
    billing.lock(stage.ctx, b.ISSUER, run.run_id)
    deliveries.take(stage.ctx, bounce(run.notice_ids[0], "finance@ronde.example", "ops@ronde.example"))
    sweep(stage)
    assert read(stage, run).state is RunState.LOCKED
    assert read(stage, run).notice_ids == run.notice_ids


def test_a_report_that_comes_before_its_mail_is_answered_afterwards() -> None:
    stage = fresh()
    early = bounce("mail-1", "finance@ronde.example")
    assert deliveries.take(stage.ctx, early) == "WAITING"
    assert deliveries.take(stage.ctx, early) == "WAITING"
    start(stage)
    push(stage, b.cdr(1))
    run = open_run(stage)
    assert run.notice_ids == ()
    assert kinds(stage) == ["WINDOW_NOTICE_FAILED"]
    for _ in range(3):
        sweep(stage)
    assert kinds(stage) == ["DELIVERY_FAILED", "WINDOW_NOTICE_FAILED"]
    assert [e.what for e in deliveries.log(stage.ctx, b.ISSUER, run.run_id)] == [What.MAILED, What.BOUNCED]


def test_the_function_takes_every_spelling_of_an_event_twice(stage: Stage) -> None:
    start(stage)
    push(stage, b.cdr(1))
    run = open_run(stage)
    with on(stage.ctx):
        for name in ("bounce", "complaint", "sns"):
            for _ in range(2):
                event = sample("take_mail_event", name, message_id=run.notice_ids[0])
                assert call("take_mail_event", event) == {"done": ["ANSWERED"]}
        assert call("take_mail_event", {"detail": {"eventType": "Send", "mail": {}}}) == {"done": []}
        assert call("take_mail_event", sample("take_mail_event", "bounce", message_id="m-0")) == {"done": ["WAITING"]}
    log = deliveries.log(stage.ctx, b.ISSUER, run.run_id)
    assert sorted(e.what.value for e in log) == ["BOUNCED", "BOUNCED", "COMPLAINED", "MAILED"]
    assert kinds(stage) == ["DELIVERY_FAILED", "DELIVERY_FAILED"]
