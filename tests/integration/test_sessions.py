"""What may happen to a session before its lock: collisions, re-rating, withdrawal, expiry."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from roamclear.billing import service as billing
from roamclear.cdrs import service as cdrs
from roamclear.cdrs.model import Billing
from roamclear.disputes import service as disputes
from roamclear.disputes.model import Claim, Reason
from roamclear.journal import service as journal
from roamclear.kernel.errors import Conflict, Forbidden, InvalidInput, Locked
from roamclear.kernel.money import Money
from tests.integration.test_close import CLOSES, close_run, open_run, push, start, state
from tests.support import builders as b
from tests.support.moto_stack import Stage

FIRST = datetime(2026, 10, 5, 10, 0, tzinfo=UTC)


def cheaper(stage: Stage, kwh: str) -> None:
    """Put a version of the first one's day in force, so that it prices the same sessions."""
    grid = ({"id": "standard", "tariff": b.tariff(kwh, "0.50")},)
    b.backdate(stage.ctx, grid=grid, reason=f"{kwh} per kWh")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"start": FIRST + timedelta(minutes=30)}, "OVERLAP_CONNECTOR"),
        ({"start": FIRST}, "POSSIBLE_DUPLICATE"),
        ({"start": FIRST + timedelta(hours=5), "session_id": "S-000001"}, "POSSIBLE_DUPLICATE"),
    ],
)
def test_the_later_of_two_that_collide_waits(stage: Stage, changes: dict[str, Any], reason: str) -> None:
    start(stage)
    first = push(stage, b.cdr(1, start=FIRST))
    second = push(stage, b.cdr(2, **changes))
    assert state(stage, first)[0] is Billing.VERIFIED
    assert state(stage, second)[0] is Billing.ON_HOLD
    assert reason in state(stage, second)[1]
    cdrs.process(stage.ctx, b.ISSUER, first)
    assert state(stage, first)[0] is Billing.VERIFIED


def test_sessions_side_by_side_do_not_collide(stage: Stage) -> None:
    start(stage)
    push(stage, b.cdr(1, start=FIRST))
    assert state(stage, push(stage, b.cdr(2, start=FIRST + timedelta(hours=1))))[0] is Billing.VERIFIED


def test_a_replacement_after_a_credit_is_accepted(stage: Stage) -> None:
    start(stage)
    original = b.cdr(1, start=FIRST)
    first = push(stage, original)
    total = {"excl_vat": -original["total_cost"]["excl_vat"]}
    credit = original | {"id": "CDR-1-C", "credit": True, "credit_reference_id": original["id"], "total_cost": total}
    push(stage, credit)
    again = push(stage, b.cdr(2, start=FIRST, session_id="S-000001"))
    session = cdrs.session(stage.ctx, b.ISSUER, again)
    assert session is not None
    assert (session.billing, session.replaces) == (Billing.VERIFIED, first)


def test_a_price_that_falls_stays_in_the_run_and_one_that_rises_leaves(stage: Stage) -> None:
    start(stage)
    falls, rises = push(stage, b.cdr(1)), push(stage, b.cdr(2))
    run = open_run(stage)
    finance = b.actor("FINANCE")
    cheaper(stage, "0.30")
    made = cdrs.rerate(stage.ctx, finance, b.ISSUER, falls, "price agreed on 3 November")
    assert (made.net, made.run_id, made.rating_version) == (Money(650, "EUR"), run.run_id, 2)
    cheaper(stage, "0.45")
    made = cdrs.rerate(stage.ctx, finance, b.ISSUER, rises, "price agreed on 4 November")
    assert (made.net, made.run_id, made.billing) == (Money(950, "EUR"), None, Billing.VERIFIED)
    versions = cdrs.trace(stage.ctx, finance, b.ISSUER, rises)[2]
    assert [(r.version, r.net.amount_minor, r.author) for r in versions] == [
        (1, 830, "system:intake"),
        (2, 950, "finance"),
    ]
    done = close_run(stage, run)
    assert (done.locked, done.locked_net) == (1, Money(650, "EUR"))
    with pytest.raises(Locked):
        cdrs.rerate(stage.ctx, finance, b.ISSUER, falls, "too late")
    with pytest.raises(Locked):
        cdrs.invalidate(stage.ctx, finance, b.ISSUER, falls, "too late")


def test_rerating_and_withdrawal_need_right_reason_and_no_dispute(stage: Stage) -> None:
    start(stage)
    ref = push(stage, b.cdr(1))
    with pytest.raises(Forbidden):
        cdrs.rerate(stage.ctx, b.actor("VIEWER"), b.ISSUER, ref, "because")
    with pytest.raises(InvalidInput):
        cdrs.rerate(stage.ctx, b.actor("FINANCE"), b.ISSUER, ref, " ")
    open_run(stage)
    disputes.file(stage.ctx, b.emsp_user(), b.ISSUER, Claim(cdr_ref=ref, reason=Reason.FRAUD))
    with pytest.raises(Conflict):
        cdrs.rerate(stage.ctx, b.actor("FINANCE"), b.ISSUER, ref, "because")


def test_a_withdrawn_session_leaves_its_run(stage: Stage) -> None:
    start(stage)
    gone, kept = push(stage, b.cdr(1)), push(stage, b.cdr(2))
    run = open_run(stage)
    cdrs.invalidate(stage.ctx, b.actor("DISPUTE_AGENT"), b.ISSUER, gone, "charger fault")
    done = close_run(stage, run)
    assert (done.locked, done.left) == (1, 1)
    assert [s.cdr_ref for s, _ in billing.members(stage.ctx, done)] == [kept]


def test_a_disputed_session_is_not_freed_by_a_retry(stage: Stage) -> None:
    start(stage)
    ref = push(stage, b.cdr(1))
    run = open_run(stage)
    disputes.file(stage.ctx, b.emsp_user(), b.ISSUER, Claim(cdr_ref=ref, reason=Reason.FRAUD))
    stage.clock.set(CLOSES + timedelta(seconds=61))
    billing.lock(stage.ctx, b.ISSUER, run.run_id)
    cdrs.retry_waiting(stage.ctx, b.ISSUER, b.CONTRACT)
    assert state(stage, ref) == (Billing.ON_HOLD, ("DISPUTED",))


def test_what_waits_too_long_expires_with_an_exception(stage: Stage) -> None:
    start(stage)
    ref = push(stage, b.cdr(1, emsp="FRXXX"))
    stage.clock.advance(timedelta(days=89))
    assert cdrs.expire(stage.ctx, b.ISSUER, None, 90) == 0
    stage.clock.advance(timedelta(days=2))
    assert cdrs.expire(stage.ctx, b.ISSUER, None, 90) == 1
    assert state(stage, ref)[0] is Billing.EXPIRED
    kinds = {e.kind.value for e in journal.listed(stage.ctx, b.actor("FINANCE"), b.ISSUER)}
    assert {"NO_CONTRACT", "TOO_LATE"} <= kinds
