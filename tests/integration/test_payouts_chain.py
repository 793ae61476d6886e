"""From received CDRs over a real run to payouts and the whole proof, through the facts of the outbox."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from roamclear.cdrs import service as cdrs
from roamclear.cdrs.model import Billing, PayoutState
from roamclear.evses import service as evses
from roamclear.evses.model import RequestState
from roamclear.facts import proof
from roamclear.facts import service as facts
from roamclear.identity.model import Role
from roamclear.kernel.context import Context
from roamclear.kernel.money import Money
from roamclear.payouts import export
from roamclear.payouts import service as payouts
from tests.integration import test_close as month
from tests.support import builders as b
from tests.support import payees
from tests.support.moto_stack import Stage

PARTNER = "DE*VWK*E777"


def external(ctx: Context) -> None:
    maker, checker = b.actor(Role.FINANCE), b.actor(Role.FINANCE_APPROVER)
    evses.create_account(ctx, maker, b.ISSUER, "SUB-1", "Partner", payees.terms())
    evses.approve_account(ctx, checker, b.ISSUER, "SUB-1")


def assign(ctx: Context, evse_id: str) -> None:
    asked = evses.assign(ctx, b.actor(Role.FINANCE), b.ISSUER, [evse_id], "SUB-1")
    assert asked.state is RequestState.PENDING
    evses.approve_assignment(ctx, b.actor(Role.FINANCE_APPROVER), b.ISSUER, asked.request_id)


def standing(ctx: Context, ref: str) -> PayoutState:
    session = cdrs.session(ctx, b.ISSUER, ref)
    assert session is not None
    return payouts.session_state(ctx, session)


def deliver(stage: Stage) -> None:
    """What stream and sweep do with every fact; twice, because they may."""
    stage.clock.advance(timedelta(minutes=2))
    faults: list[object] = []
    for _ in range(2):
        facts.sweep(stage.ctx, lambda *told: faults.append(told))
    assert faults == []


def test_a_month_reaches_the_accounts(stage: Stage) -> None:
    ctx = stage.ctx
    month.start(stage)
    external(ctx)
    evses.register_location(ctx, b.ISSUER, b.PARTY, b.location(PARTNER, number=7))
    assign(ctx, PARTNER)
    for number in range(1, 6):
        month.push(stage, b.cdr(number))
    refs = [month.push(stage, b.cdr(number, evse=PARTNER)) for number in range(6, 9)]
    assert {month.state(stage, ref)[0] for ref in refs} == {Billing.VERIFIED}
    month.close_run(stage, month.open_run(stage))
    assert standing(ctx, refs[0]) is PayoutState.NONE
    deliver(stage)
    assert standing(ctx, refs[0]) is PayoutState.ACCRUED
    made = payouts.close_cycle(ctx, b.actor(Role.FINANCE), b.ISSUER, ctx.now())
    assert {p.account_id: (p.sessions, p.gross.amount_minor) for p in made} == {
        "OWN-1": (5, 5 * 830),
        "SUB-1": (3, 3 * 830),
    }
    assert standing(ctx, refs[0]) is PayoutState.READY
    stage.clock.set(datetime(2026, 11, 12, 9, tzinfo=UTC))
    batch = payouts.make_batch(ctx, b.actor(Role.FINANCE), b.ISSUER, date(2026, 11, 16))
    payouts.approve_batch(ctx, b.actor(Role.FINANCE_APPROVER), b.ISSUER, batch.batch_id, batch.digest)
    assert len(export.export_due(ctx, b.ISSUER)) == 1
    assert standing(ctx, refs[0]) is PayoutState.EXPORTED
    assert [e for e in proof.prove(ctx, b.ISSUER) if not e.holds] == []


def test_an_assignment_releases_what_was_held(stage: Stage) -> None:
    ctx = stage.ctx
    month.start(stage)
    external(ctx)
    ref = month.push(stage, b.cdr(1, evse=PARTNER))
    assert month.state(stage, ref) == (Billing.ON_HOLD, ("EVSE_UNASSIGNED",))
    known = evses.find(ctx, b.ISSUER, PARTNER)
    assert known is not None
    assert known.source == "CDR"
    waits = payouts.held(ctx, b.actor(Role.OPS), b.ISSUER, [PARTNER, "DE*VWK*E001"])
    assert (waits.evses, waits.sessions, waits.net) == (2, 1, (Money(830, "EUR"),))
    assign(ctx, PARTNER)
    deliver(stage)
    assert month.state(stage, ref) == (Billing.VERIFIED, ())
    assert evses.payee(ctx, b.ISSUER, PARTNER, datetime(2026, 10, 1, tzinfo=UTC)) == "SUB-1"
