"""A stage that was restored numbers, sends and pays nothing until it was brought forward and compared (rules.md 10)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from roamclear.billing import service as billing
from roamclear.billing.model import RunState
from roamclear.cdrs import service as cdrs
from roamclear.contracts.model import VatCategory, VatTreatment
from roamclear.evses import service as evses
from roamclear.facts import proof
from roamclear.facts import service as facts
from roamclear.identity.model import Role
from roamclear.kernel.errors import InRecovery
from roamclear.ledger import service as ledger
from roamclear.ledger.model import Event
from roamclear.mode import service as mode
from roamclear.mode import store as mode_store
from roamclear.mode.model import Mode
from roamclear.packages import service as packages
from roamclear.payouts import export
from roamclear.payouts import service as payouts
from roamclear.payouts.model import BatchState, PayoutStatus
from roamclear.recovery import service as recovery
from tests.integration import test_close as month
from tests.integration import test_payouts_chain as chain
from tests.support import builders as b
from tests.support import crashing
from tests.support.fonts import with_fonts
from tests.support.recorded import TimeMachine, machine

RUN = month.REQUEST.run_id
NUMBER = "VW-2026-000001"


@pytest.fixture
def house() -> TimeMachine:
    """Three sessions of a partner's charger in an open window; the streams have delivered, a sweep has counted."""
    made = machine()
    stage = made.stage
    with_fonts(stage.ctx)
    month.start(stage, vat=VatTreatment(category=VatCategory.STANDARD, rate_percent=Decimal(19)))
    chain.external(stage.ctx)
    evses.register_location(stage.ctx, b.ISSUER, b.PARTY, b.location(chain.PARTNER, number=7))
    chain.assign(stage.ctx, chain.PARTNER)
    for number in (6, 7, 8):
        month.push(stage, b.cdr(number, evse=chain.PARTNER))
    month.open_run(stage)
    assert mode.beat(stage.ctx) is Mode.NORMAL
    made.deliver()
    return made


def close(house: TimeMachine) -> None:
    """Lock, number, draw, send."""
    ctx = house.stage.ctx
    house.stage.clock.set(month.CLOSES + timedelta(seconds=61))
    billing.lock(ctx, b.ISSUER, RUN)
    billing.issue(ctx, b.ISSUER, RUN, packages.proof(ctx))
    packages.render_documents(ctx, b.ISSUER, RUN)
    packages.render_sessions(ctx, b.ISSUER, RUN)
    packages.send(ctx, b.ISSUER, RUN)
    billing.finish(ctx, b.ISSUER, RUN)


def proved(house: TimeMachine) -> None:
    """Every equation, the archive's too."""
    house.deliver()
    found = proof.equations(house.stage.ctx, b.ISSUER)
    assert [e for e in found if not e.holds] == []
    assert len(found) > 10


def test_restored_to_before_a_close(house: TimeMachine) -> None:
    ctx, before = house.stage.ctx, house.snapshot()
    close(house)
    house.deliver()
    after, mails = house.snapshot(), len(house.stage.mail.sent)
    house.restore(before)
    # The tables do not know it, and the first number shows it: the archive holds its posting already.
    billing.lock(ctx, b.ISSUER, RUN)
    with pytest.raises(InRecovery):
        billing.issue(ctx, b.ISSUER, RUN, packages.proof(ctx))
    assert mode.recovering(ctx)
    assert ledger.find(ctx, b.ISSUER, Event.INVOICE_ISSUED, NUMBER) is None
    # A look names what is missing and changes nothing.
    looked = recovery.recover(ctx, apply=False)
    assert {"INVOICE_ISSUED_BEHIND", "ENTRY_MISSING", "AUDIT_MISSING"} <= {d.kind for d in looked.differences}
    assert mode.recovering(ctx)
    report = recovery.recover(ctx, apply=True)
    assert report.broken_equations == ()
    assert (report.clean, report.mode, report.differences) == (True, Mode.NORMAL, ())
    for table, kept in after.items():
        for pk, rows in kept.items():
            if not pk.startswith("@#MODE") and not pk.endswith("#OUTBOX"):
                assert house.tables.tables[table].get(pk) == rows, pk
    # The close goes on where it was: no second number, no second mail.
    close(house)
    assert billing.run(ctx, b.ISSUER, RUN).state is RunState.SENT
    assert billing.run(ctx, b.ISSUER, RUN).numbers == (NUMBER,)
    assert len(house.stage.mail.sent) == mails
    proved(house)


def test_restored_to_between_export_and_confirmation(house: TimeMachine) -> None:
    ctx = house.stage.ctx
    close(house)
    chain.deliver(house.stage)
    payouts.close_cycle(ctx, b.actor(Role.FINANCE), b.ISSUER, ctx.now())
    house.stage.clock.set(datetime(2026, 11, 12, 9, tzinfo=UTC))
    batch = payouts.make_batch(ctx, b.actor(Role.FINANCE), b.ISSUER, date(2026, 11, 16))
    payouts.approve_batch(ctx, b.actor(Role.FINANCE_APPROVER), b.ISSUER, batch.batch_id, batch.digest)
    house.deliver()
    before = house.snapshot()
    (made,) = export.export_due(ctx, b.ISSUER)
    house.deliver()
    house.restore(before)
    # The batch reads APPROVED again; the file went to the bank once and must not go twice.
    assert payouts.find_batch(ctx, b.ISSUER, batch.batch_id).state is BatchState.APPROVED
    with pytest.raises(InRecovery):
        export.export_batch(ctx, b.ISSUER, batch.batch_id)
    report = recovery.recover(ctx, apply=True)
    assert (report.clean, report.mode) == (True, Mode.NORMAL)
    known = payouts.find_batch(ctx, b.ISSUER, batch.batch_id)
    assert (known.state, known.sha256) == (BatchState.EXPORTED, made.sha256)
    assert export.export_due(ctx, b.ISSUER) == []
    (item,) = known.items
    debit = {
        "end_to_end_id": item.end_to_end_id,
        "amount": {"amount_minor": item.amount.amount_minor, "currency": "EUR"},
        "entry_key": "e1",
        "booked_on": "2026-11-16",
        "account": known.debtor_iban,
    }
    assert payouts.confirm_debit(ctx, b.ISSUER, debit) == 1
    assert payouts.payout(ctx, b.ISSUER, item.payout_id).state is PayoutStatus.CONFIRMED


def test_a_sweep_sees_that_the_tables_are_old(house: TimeMachine) -> None:
    ctx, before = house.stage.ctx, house.snapshot()
    house.stage.clock.advance(timedelta(minutes=5))
    assert mode.beat(ctx) is Mode.NORMAL
    house.restore(before)
    assert mode.beat(ctx) is Mode.RECOVERY
    assert "beat 1, 2" in mode.current(ctx).reason
    with pytest.raises(InRecovery):
        mode.require_normal(ctx)
    # Counting goes on from the beat outside, or the next sweep would take the stage for old again.
    house.deliver()
    assert recovery.recover(ctx, apply=True).mode is Mode.NORMAL
    assert mode.beat(ctx) is Mode.NORMAL


def test_a_row_that_changes_again_in_the_hour_of_the_recovery_keeps_its_last_state(house: TimeMachine) -> None:
    """The stream of a restored table counts from the start: its low numbers are the later ones all the same."""
    ctx, before = house.stage.ctx, house.snapshot()
    for number in (20, 21, 22):
        month.push(house.stage, b.cdr(number, start=month.CLOSES))
    house.deliver()
    house.restore(before)
    mode.enter(ctx, "restored by an operator")
    assert recovery.recover(ctx, apply=True).mode is Mode.NORMAL
    ref = month.push(house.stage, b.cdr(21, start=month.CLOSES))
    changed = cdrs.session(ctx, b.ISSUER, ref)
    assert changed is not None
    ctx.db.write(cdrs.changed(changed, warnings=("LOOKED_AT",))[1])
    house.deliver()
    assert recovery.recover(ctx, apply=True).mode is Mode.NORMAL
    now = cdrs.session(ctx, b.ISSUER, ref)
    assert now is not None
    assert now.warnings == ("LOOKED_AT",)


@pytest.mark.parametrize("between", ["read", "beat_outside", "put", "keep_beat"])
def test_a_sweep_that_beats_beside_another_is_no_restore(
    house: TimeMachine, between: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two sweeps run at once where a wake-up meets the schedule."""
    ctx, real, modes = house.stage.ctx, getattr(mode_store, between), []

    def then_another(*args: Any) -> Any:
        found = real(*args)
        monkeypatch.setattr(mode_store, between, real)
        modes.append(mode.beat(ctx))
        return found

    monkeypatch.setattr(mode_store, between, then_another)
    modes += [mode.beat(ctx), mode.beat(ctx)]
    assert modes == [Mode.NORMAL] * 3


def test_bodies_that_came_after_the_instant_are_not_lost(house: TimeMachine) -> None:
    ctx, before = house.stage.ctx, house.snapshot()
    ref = month.push(house.stage, b.cdr(20))
    house.deliver()
    house.restore(before)
    mode.enter(ctx, "restored by an operator")
    # What a partner sends meanwhile is taken in and waits.
    later = b.body_of(b.cdr(21), received=house.stage.clock.now())
    cdrs.receive(ctx, later)
    house.deliver()
    assert recovery.recover(ctx, apply=True).clean
    assert cdrs.session(ctx, b.ISSUER, ref) is not None
    house.stage.clock.advance(timedelta(minutes=10))
    facts.sweep(ctx, lambda *_: None)
    assert cdrs.session(ctx, b.ISSUER, later.cdr_ref) is not None


@pytest.mark.parametrize("left", [0, 1, 3, 9, 20, 40])
@pytest.mark.parametrize("after", [False, True])
def test_a_recovery_that_dies_is_run_again(house: TimeMachine, left: int, after: bool) -> None:
    before = house.snapshot()
    close(house)
    house.deliver()
    house.restore(before)
    mode.enter(house.stage.ctx, "restored by an operator")
    fuse = crashing.Fuse(left, after)
    with pytest.raises(crashing.SimulatedCrash):
        recovery.recover(crashing.mortal(house.stage.ctx, fuse), apply=True)
    report = recovery.recover(house.stage.ctx, apply=True)
    assert (report.clean, report.mode) == (True, Mode.NORMAL)
    proved(house)


def test_what_cannot_be_brought_back_keeps_the_stage_in_recovery(house: TimeMachine) -> None:
    ctx, before = house.stage.ctx, house.snapshot()
    close(house)
    house.deliver()
    house.restore(before)
    lost = [place for place in ctx.objects.kept if place[0] == "changes" and "/clearing/" in place[1]]  # type: ignore[attr-defined]
    for place in lost:
        del ctx.objects.kept[place]  # type: ignore[attr-defined]
    report = recovery.recover(ctx, apply=True)
    assert not report.clean
    assert report.mode is Mode.RECOVERY
    assert ("INVOICE_ISSUED_BEHIND", NUMBER) in {(d.kind, d.subject) for d in report.differences}
    with pytest.raises(InRecovery):
        billing.issue(ctx, b.ISSUER, RUN, packages.proof(ctx)) if billing.lock(ctx, b.ISSUER, RUN) else None
