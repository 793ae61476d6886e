"""Reminders of a window: two days before its close where nobody reviewed, at its close, each said once (row 45)."""

from __future__ import annotations

import email
import email.policy
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from roamclear.audit import service as audit
from roamclear.billing import reminders, store
from roamclear.billing import service as billing
from roamclear.billing.model import Run, RunState
from roamclear.cdrs import service as cdrs
from roamclear.kernel.errors import Conflict, Forbidden, NotFound
from roamclear.kernel.writes import Table
from tests.integration.test_close import CLOSES, OPENS, open_run, push, start
from tests.integration.test_notices import Refusing, kinds
from tests.support import builders as b
from tests.support import memory_stage
from tests.support.crashing import Fuse, mortal, survives
from tests.support.moto_stack import Stage

CLOSING = CLOSES - timedelta(hours=48)
USER = b.emsp_user()


@pytest.fixture
def stage() -> Iterator[Stage]:
    """These are use cases: the tables in memory do."""
    with memory_stage.stage() as made:
        yield made


def opened(stage: Stage, **contract: Any) -> Run:
    """An open window whose reminders are planned."""
    start(stage, **contract)
    push(stage, b.cdr(1))
    run = open_run(stage)
    reminders.plan(stage.ctx, b.ISSUER, run.run_id)
    return run


def at(stage: Stage, instant: datetime) -> int:
    stage.clock.set(instant)
    return reminders.send_due(stage.ctx, b.ISSUER) + reminders.send_due(stage.ctx, b.ISSUER)


def subjects(stage: Stage) -> list[str]:
    return [str(email.message_from_bytes(m.raw, policy=email.policy.default)["Subject"]) for m in stage.mail.sent]


def facts(stage: Stage) -> set[str]:
    return {row["fact"] for row in stage.ctx.db.rows(Table.CLEARING, f"{b.ISSUER}#OUTBOX")}


def read(stage: Stage, run: Run) -> Run:
    return billing.run(stage.ctx, b.ISSUER, run.run_id)


def test_a_window_nobody_reviewed_is_reminded_of_once_and_its_close_told_once(stage: Stage) -> None:
    run = opened(stage)
    assert at(stage, CLOSING - timedelta(seconds=1)) == 0
    assert at(stage, CLOSING) == 1
    reminders.plan(stage.ctx, b.ISSUER, run.run_id)  # the fact is answered again
    assert at(stage, CLOSING + timedelta(hours=1)) == 0
    assert at(stage, CLOSES + timedelta(minutes=3)) == 0  # the lock comes first
    billing.lock(stage.ctx, b.ISSUER, run.run_id)
    assert at(stage, CLOSES + timedelta(minutes=4)) == 1
    assert subjects(stage)[1:] == [
        "Reminder: review of 01/10/2026 – 31/10/2026 ends on 08/11/2026 24:00",
        "Sessions 01/10/2026 – 31/10/2026: review closed",
    ]
    found = read(stage, run)
    assert (len(found.closing_notice_ids or ()), len(found.closed_notice_ids or ())) == (1, 1)
    assert {"window.closing", "window.closed"} <= facts(stage)
    actions = [e.action for e in audit.history(stage.ctx, b.ISSUER, "RUN", run.run_id)]
    assert actions == ["WINDOW_OPENED", "WINDOW_CLOSING", "LOCKED", "WINDOW_CLOSED"]


def test_who_reviewed_is_not_reminded(stage: Stage) -> None:
    run = opened(stage)
    with pytest.raises(Forbidden):
        reminders.reviewed(stage.ctx, b.actor("FINANCE"), b.ISSUER, run.run_id, "SAID")
    with pytest.raises(NotFound):
        reminders.reviewed(stage.ctx, b.emsp_user("C-OTHER"), b.ISSUER, run.run_id, "SAID")
    reminders.read_by(stage.ctx, b.actor("FINANCE"), run)
    assert read(stage, run).reviewed_at_utc is None
    reminders.read_by(stage.ctx, USER, run)
    stage.clock.set(OPENS + timedelta(hours=1))
    assert reminders.reviewed(stage.ctx, USER, b.ISSUER, run.run_id, "SAID").reviewed_at_utc == OPENS
    assert at(stage, CLOSING) == 0
    assert len(stage.mail.sent) == 1
    assert "window.closing" not in facts(stage)
    stage.clock.set(CLOSES + timedelta(minutes=3))
    billing.lock(stage.ctx, b.ISSUER, run.run_id)
    assert at(stage, CLOSES + timedelta(minutes=4)) == 1
    assert [e.action for e in audit.history(stage.ctx, b.ISSUER, "RUN", run.run_id)][1] == "REVIEWED"


def test_the_review_of_a_closed_window_says_nothing(stage: Stage) -> None:
    run = opened(stage)
    stage.clock.set(CLOSES + timedelta(minutes=3))
    billing.lock(stage.ctx, b.ISSUER, run.run_id)
    with pytest.raises(Conflict):
        reminders.reviewed(stage.ctx, USER, b.ISSUER, run.run_id, "SAID")
    reminders.read_by(stage.ctx, USER, run)
    assert read(stage, run).reviewed_at_utc is None


def test_a_window_that_starts_again_moves_its_reminders(stage: Stage) -> None:
    run = opened(stage)
    stage.clock.set(OPENS + timedelta(days=2))
    told = billing.notify_other(stage.ctx, b.actor("FINANCE"), b.ISSUER, run.run_id, ("board@ronde.example",))
    assert told.closes_at_utc == CLOSES + timedelta(days=2)
    assert at(stage, CLOSING) == 0
    assert at(stage, CLOSING + timedelta(days=2)) == 1


def test_a_window_shorter_than_the_warning_is_not_warned_of(stage: Stage) -> None:
    run = opened(stage, window_days=2)
    assert run.closes_at_utc == OPENS + timedelta(days=2)
    assert at(stage, OPENS + timedelta(hours=1)) == 0
    assert len(stage.mail.sent) == 1


def test_a_reminder_that_is_not_taken_is_tried_again(stage: Stage) -> None:
    run = opened(stage)
    mailer = stage.ctx.mailer
    object.__setattr__(stage.ctx, "mailer", Refusing())
    assert at(stage, CLOSING) == 0
    assert "DELIVERY_FAILED" in kinds(stage)
    object.__setattr__(stage.ctx, "mailer", mailer)
    assert at(stage, CLOSING + timedelta(minutes=5)) == 1
    assert read(stage, run).closing_notice_ids


@pytest.mark.parametrize("after", [False, True])
def test_a_crash_at_any_effect_reminds_once(stage: Stage, after: bool) -> None:
    run = opened(stage)
    stage.clock.set(CLOSING)
    for left in range(4):
        with survives():
            reminders.send_due(mortal(stage.ctx, Fuse(left, after)), b.ISSUER)
    reminders.send_due(stage.ctx, b.ISSUER)
    assert len(read(stage, run).closing_notice_ids or ()) == 1
    ids = {email.message_from_bytes(m.raw)["Message-ID"] for m in stage.mail.sent}
    assert len(ids) == 2  # the opening and one reminder, however often it was handed over


def test_a_shorter_window_in_new_terms_shortens_no_open_one(stage: Stage) -> None:
    run = opened(stage)
    stage.clock.set(OPENS + timedelta(days=1))
    b.found_contract(stage.ctx, window_days=2, valid_from=date(2026, 11, 3))
    again = billing.open_window(stage.ctx, b.ISSUER, run.run_id)
    assert again.closes_at_utc == CLOSES
    told = billing.notify_other(stage.ctx, b.actor("FINANCE"), b.ISSUER, run.run_id, ("board@ronde.example",))
    assert told.closes_at_utc == CLOSES + timedelta(days=1)
    stage.clock.set(OPENS + timedelta(days=4))
    with pytest.raises(Conflict):
        billing.lock(stage.ctx, b.ISSUER, run.run_id)


def test_a_window_that_ends_with_nothing_promises_no_invoice(stage: Stage) -> None:
    run = opened(stage)
    (session, _), *_ = billing.members(stage.ctx, run)
    cdrs.invalidate(stage.ctx, b.actor("FINANCE"), b.ISSUER, session.cdr_ref, "a test of the charger")
    stage.clock.set(CLOSES + timedelta(seconds=61))
    assert billing.lock(stage.ctx, b.ISSUER, run.run_id).state is RunState.SETTLED
    assert at(stage, CLOSES + timedelta(minutes=4)) == 0
    assert not [subject for subject in subjects(stage) if "closed" in subject]
    assert list(store.reminders_due(stage.ctx.db, b.ISSUER, stage.clock.now())) == []
