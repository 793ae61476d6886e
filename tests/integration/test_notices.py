"""A window whose eMSP was not told does not close (rules.md 6)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from roamclear.billing import service as billing
from roamclear.billing.model import Run, RunState
from roamclear.journal import service as journal
from roamclear.kernel.errors import Conflict, Forbidden, InvalidInput, Unavailable
from tests.integration.test_close import CLOSES, OPENS, open_run, push, start
from tests.support import builders as b
from tests.support.moto_stack import Stage


class Refusing:
    """A mail service that takes nothing."""

    def send(self, raw: bytes, **to: Any) -> str:
        raise Unavailable("no mail today")


@pytest.fixture
def untold(stage: Stage) -> tuple[Stage, Run]:
    """An open window whose notice was not taken."""
    start(stage)
    push(stage, b.cdr(1))
    mailer = stage.ctx.mailer
    object.__setattr__(stage.ctx, "mailer", Refusing())
    run = open_run(stage)
    object.__setattr__(stage.ctx, "mailer", mailer)
    return stage, run


def kinds(stage: Stage) -> set[str]:
    return {e.kind.value for e in journal.listed(stage.ctx, b.actor("FINANCE"), b.ISSUER)}


def test_the_lock_waits_and_a_late_notice_restarts_the_window(untold: tuple[Stage, Run]) -> None:
    stage, run = untold
    assert (run.state, run.notice_ids) == (RunState.WINDOW, ())
    assert "WINDOW_NOTICE_FAILED" in kinds(stage)
    stage.clock.set(CLOSES + timedelta(seconds=61))
    with pytest.raises(Conflict):
        billing.lock(stage.ctx, b.ISSUER, run.run_id)
    assert billing.lock_outcome(stage.ctx, b.ISSUER, run.run_id)["outcome"] == "NOT_YET"
    told = billing.run(stage.ctx, b.ISSUER, run.run_id)
    assert told.notice_ids
    assert told.closes_at_utc == CLOSES + timedelta(days=8)
    assert "WINDOW_NOTICE_FAILED" not in kinds(stage)
    assert len(stage.mail.sent) == 1
    stage.clock.set(told.closes_at_utc + timedelta(seconds=61))
    assert billing.lock_outcome(stage.ctx, b.ISSUER, run.run_id)["outcome"] == "LOCKED"


def test_other_contacts_are_told_and_the_window_starts_again(untold: tuple[Stage, Run]) -> None:
    stage, run = untold
    stage.clock.set(OPENS + timedelta(days=2, hours=5))
    finance = b.actor("FINANCE")
    told = billing.notify_other(stage.ctx, finance, b.ISSUER, run.run_id, ("board@ronde.example",))
    assert told.closes_at_utc == CLOSES + timedelta(days=3)
    assert stage.mail.sent[-1].recipients == ("board@ronde.example",)
    with pytest.raises(InvalidInput):
        billing.notify_other(stage.ctx, finance, b.ISSUER, run.run_id, ("nobody",))
    with pytest.raises(Forbidden):
        billing.notify_other(stage.ctx, b.actor("VIEWER"), b.ISSUER, run.run_id, ("a@b.example",))


def test_other_proof_lets_the_window_close_in_time(untold: tuple[Stage, Run]) -> None:
    stage, run = untold
    with pytest.raises(InvalidInput):
        billing.record_proof(stage.ctx, b.actor("FINANCE"), b.ISSUER, run.run_id, "yes")
    billing.record_proof(stage.ctx, b.actor("FINANCE"), b.ISSUER, run.run_id, "read out by phone on 3 November")
    stage.clock.set(CLOSES + timedelta(seconds=61))
    assert billing.lock(stage.ctx, b.ISSUER, run.run_id).state is RunState.LOCKED
