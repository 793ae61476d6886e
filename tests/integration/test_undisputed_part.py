"""``invoice_undisputed_part``: what is not in dispute is billed now, the rest as a debit line later (product.md A3)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import pytest
from pydantic import ValidationError

from roamclear.billing import service as billing
from roamclear.billing.model import Run, RunState
from roamclear.cdrs import adjustments, pricing
from roamclear.cdrs import service as cdrs
from roamclear.cdrs.model import Billing, DisputeState, Session
from roamclear.disputes import service as disputes
from roamclear.disputes import withheld
from roamclear.disputes.model import Claim, Dispute, Reason, State
from roamclear.facts import service as facts
from roamclear.kernel.errors import Conflict, Locked, WindowClosed
from roamclear.kernel.money import Money
from roamclear.packages import rows as listed
from tests.integration.test_close import close_run, open_run, push, start
from tests.integration.test_corrections_found import withdrawal
from tests.support import builders as b
from tests.support import memory_stage
from tests.support.corrections import (
    INVOICE,
    NOVEMBER,
    credited,
    document,
    euros,
    facts_told,
    november,
    play,
    proved,
    ref,
    session,
)
from tests.support.crashing import Fuse, mortal, survives
from tests.support.moto_stack import Stage
from tests.unit.cdrs import month

AGENT = b.actor("DISPUTE_AGENT")
REST = f"{ref(1)}~withheld-1"


@pytest.fixture
def stage() -> Iterator[Stage]:
    with memory_stage.stage() as made:
        yield made


def opened(stage: Stage, **contract: object) -> Run:
    """October with two sessions of 8.30, in its window."""
    start(stage, **{"invoice_undisputed_part": True} | contract)
    push(stage, b.cdr(1))
    push(stage, b.cdr(2))
    return open_run(stage)


def claim(stage: Stage, minor: int | None = 300, number: int = 1) -> Dispute:
    claimed = euros(minor) if minor is not None else None
    wanted = Claim(cdr_ref=ref(number), reason=Reason.PRICE_NOT_AS_AGREED, claimed=claimed)
    return disputes.file(stage.ctx, b.emsp_user(), b.ISSUER, wanted)


def disputed(stage: Stage, **contract: object) -> Dispute:
    """October invoiced without 3.00 of its first session."""
    run = opened(stage, **contract)
    made = claim(stage)
    close_run(stage, run)
    facts_told(stage.ctx, stage)
    return made


def rest(stage: Stage) -> Session | None:
    return cdrs.session(stage.ctx, b.ISSUER, REST)


def test_what_is_not_in_dispute_is_billed_and_the_rest_follows_a_rejection(stage: Stage) -> None:
    made = disputed(stage)
    first = session(stage, ref(1))
    assert (first.billing, first.dispute) == (Billing.LOCKED, DisputeState.OPEN)
    assert (first.net, first.withheld) == (euros(530), euros(300))
    header = document(stage, INVOICE)
    assert (header.net, header.sessions) == (euros(1360), 2)
    run = billing.run(stage.ctx, b.ISSUER, header.run_id)
    assert (run.locked, run.locked_net, run.withheld, run.left) == (2, euros(1360), euros(300), 0)
    assert run.proforma == euros(1360 + 300)
    lines = {(line.component.value, line.quantity, line.net) for line in document_lines(stage, INVOICE)}
    assert ("DISPUTED", -1, euros(-300)) in lines
    disputes.reject(stage.ctx, AGENT, b.ISSUER, made.dispute_id, answer="the price is that of the contract")
    facts_told(stage.ctx, stage)
    row = rest(stage)
    assert row is not None
    assert (row.billing, row.net, row.account_id, row.borne) == (
        Billing.VERIFIED,
        euros(300),
        first.account_id,
        False,
    )
    following = november(stage)
    (line,) = document_lines(stage, following.numbers[0])
    assert (line.section.kind.value, line.component.value, line.net) == ("ADJUSTMENT", "DISPUTED", euros(300))
    assert session(stage, ref(1)).dispute is DisputeState.REJECTED
    proved(stage)


def document_lines(stage: Stage, number: str) -> tuple:  # type: ignore[type-arg]
    return billing.document_model(stage.ctx, document(stage, number)).lines


@pytest.mark.parametrize(
    ("accepted", "billed", "state"), [(euros(300), 0, State.ACCEPTED), (euros(100), 200, State.PARTIAL)]
)
def test_what_is_granted_of_the_part_is_not_billed(stage: Stage, accepted: Money, billed: int, state: State) -> None:
    made = disputed(stage)
    ended = disputes.accept(stage.ctx, AGENT, b.ISSUER, made.dispute_id, accepted=accepted)
    facts_told(stage.ctx, stage)
    row = rest(stage)
    assert (ended.state, row.net.amount_minor if row and row.net else 0) == (state, billed)
    assert session(stage, ref(1)).net == euros(530)
    proved(stage)


def test_what_is_withdrawn_is_billed(stage: Stage) -> None:
    made = disputed(stage)
    disputes.withdraw(stage.ctx, b.emsp_user(), b.ISSUER, made.dispute_id)
    facts_told(stage.ctx, stage)
    assert rest(stage).net == euros(300)  # type: ignore[union-attr]


@pytest.mark.parametrize(("silence", "state", "billed"), [("ACCEPT", "ACCEPTED", 0), ("REJECT", "REJECTED", 300)])
def test_the_silence_of_the_cpo_ends_as_the_contract_says(stage: Stage, silence: str, state: str, billed: int) -> None:
    made = disputed(stage, on_cpo_silence=silence)
    stage.clock.set(made.answer_due_utc + timedelta(minutes=1))
    assert disputes.settle_unanswered(stage.ctx, b.ISSUER) == 1
    facts_told(stage.ctx, stage)
    ended = disputes.dispute(stage.ctx, b.emsp_user(), b.ISSUER, made.dispute_id)
    row = rest(stage)
    assert (ended.state.value, row.net.amount_minor if row and row.net else 0) == (state, billed)


@pytest.mark.parametrize("minor", [None, 830])
def test_a_claim_of_the_whole_price_holds_the_session_whole(stage: Stage, minor: int | None) -> None:
    run = opened(stage)
    claim(stage, minor)
    close_run(stage, run)
    first = session(stage, ref(1))
    assert (first.billing, first.net, first.withheld, first.run_id) == (Billing.ON_HOLD, euros(830), None, None)
    assert document(stage, INVOICE).net == euros(830)


def test_without_the_option_the_session_is_held_whole(stage: Stage) -> None:
    run = opened(stage, invoice_undisputed_part=False)
    claim(stage)
    close_run(stage, run)
    assert session(stage, ref(1)).billing is Billing.ON_HOLD


def test_the_option_belongs_to_hold(stage: Stage) -> None:
    with pytest.raises(ValidationError, match="unanswered_policy HOLD"):
        start(stage, invoice_undisputed_part=True, unanswered_policy="DROP")


def test_nothing_is_billed_twice_by_repeats_and_two_workers(stage: Stage) -> None:
    made = disputed(stage)
    disputes.reject(stage.ctx, AGENT, b.ISSUER, made.dispute_id, answer="no")
    for _ in range(3):
        withheld.settle(stage.ctx, b.ISSUER, made.dispute_id)
    facts_told(stage.ctx, stage)
    assert withheld.settle(stage.ctx, b.ISSUER, made.dispute_id) is None
    assert cdrs.session(stage.ctx, b.ISSUER, f"{ref(1)}~withheld-2") is None


def test_a_lock_that_dies_anywhere_withholds_once(stage: Stage) -> None:
    run = opened(stage)
    claim(stage)
    assert run.closes_at_utc is not None
    stage.clock.set(run.closes_at_utc + timedelta(seconds=61))
    for allowed in range(1, 40):
        with survives() as died:
            billing.lock(mortal(stage.ctx, Fuse(allowed)), b.ISSUER, run.run_id)
        if not died:
            break
    done = billing.run(stage.ctx, b.ISSUER, run.run_id)
    assert (done.state, done.locked_net, done.withheld) == (RunState.LOCKED, euros(1360), euros(300))
    assert session(stage, ref(1)).rating_version == 2


def test_an_answer_while_the_run_is_locking_waits(stage: Stage) -> None:
    run = opened(stage)
    made = claim(stage)
    assert run.closes_at_utc is not None
    stage.clock.set(run.closes_at_utc + timedelta(seconds=61))
    with survives():
        billing.lock(mortal(stage.ctx, Fuse(1)), b.ISSUER, run.run_id)
    with pytest.raises(Locked):
        disputes.accept(stage.ctx, AGENT, b.ISSUER, made.dispute_id)


def test_an_escalation_while_the_rest_waits_takes_back_what_is_granted(stage: Stage) -> None:
    made = disputed(stage)
    disputes.reject(stage.ctx, AGENT, b.ISSUER, made.dispute_id, answer="no")
    facts_told(stage.ctx, stage)
    disputes.escalate(stage.ctx, b.emsp_user(), b.ISSUER, made.dispute_id, contacts=("Sales",), text="look again")
    disputes.accept(stage.ctx, AGENT, b.ISSUER, made.dispute_id, accepted=euros(120))
    facts_told(stage.ctx, stage)
    rows = [cdrs.session(stage.ctx, b.ISSUER, f"{ref(1)}~withheld-{n}") for n in (1, 2)]
    assert [row.net for row in rows if row] == [euros(300), euros(-120)]
    following = november(stage)
    assert document(stage, following.numbers[0]).net == euros(180)
    proved(stage)


def test_no_escalation_and_no_second_dispute_of_a_rest_that_is_billed(stage: Stage) -> None:
    made = disputed(stage)
    disputes.reject(stage.ctx, AGENT, b.ISSUER, made.dispute_id, answer="no")
    facts_told(stage.ctx, stage)
    stage.clock.set(stage.clock.now().replace(month=11, day=30, hour=23, minute=5))
    run = billing.prepare(stage.ctx, NOVEMBER)
    stage.clock.set(run.opens_at_utc)
    run = billing.open_window(stage.ctx, b.ISSUER, run.run_id)
    again = Claim(cdr_ref=REST, reason=Reason.PRICE_NOT_AS_AGREED)
    with pytest.raises(Conflict, match="disputed once"):
        disputes.file(stage.ctx, b.emsp_user(), b.ISSUER, again)
    assert run.closes_at_utc is not None
    stage.clock.set(run.closes_at_utc + timedelta(seconds=61))
    billing.lock(stage.ctx, b.ISSUER, run.run_id)
    with pytest.raises(WindowClosed):
        disputes.escalate(stage.ctx, b.emsp_user(), b.ISSUER, made.dispute_id, contacts=("Sales",), text="again")


def test_nothing_more_is_billed_of_a_session_that_was_credited_whole(stage: Stage) -> None:
    made = disputed(stage)
    credited(stage, cdr_refs=(ref(1),))
    disputes.reject(stage.ctx, AGENT, b.ISSUER, made.dispute_id, answer="no")
    facts_told(stage.ctx, stage)
    assert rest(stage) is None
    proved(stage)


def test_a_cancelled_document_bills_the_rest_beside_its_successor(stage: Stage) -> None:
    made = disputed(stage)
    credited(stage, bill_again=True, at_once=True)
    play(stage.ctx, stage)
    replaced = document(stage, INVOICE).replaced_by[0]
    assert document(stage, replaced).net == euros(1360)
    disputes.reject(stage.ctx, AGENT, b.ISSUER, made.dispute_id, answer="no")
    facts_told(stage.ctx, stage)
    following = november(stage)
    assert document(stage, following.numbers[0]).net == euros(300)
    for _ in range(2):
        assert withheld.settle(stage.ctx, b.ISSUER, made.dispute_id) is None
    proved(stage)


def test_while_the_session_waits_to_be_billed_anew_the_answer_waits_too(stage: Stage) -> None:
    made = disputed(stage)
    credited(stage, bill_again=True)
    with pytest.raises(Locked, match="billed anew"):
        disputes.reject(stage.ctx, AGENT, b.ISSUER, made.dispute_id, answer="no")
    following = november(stage)
    assert document(stage, following.numbers[0]).net == euros(1360)
    disputes.reject(stage.ctx, AGENT, b.ISSUER, made.dispute_id, answer="no")
    facts_told(stage.ctx, stage)
    row = withheld.rest(stage.ctx, session(stage, ref(1)))
    assert row is not None
    assert (row.net, row.credit_of) == (euros(300), row.counterpart)
    proved(stage)


def test_a_session_withdrawn_while_it_waits_to_be_billed_anew_ends_its_dispute(stage: Stage) -> None:
    made = disputed(stage)
    credited(stage, bill_again=True)
    raw = b.cdr(1)
    total = {"excl_vat": -raw["total_cost"]["excl_vat"]}
    push(stage, raw | {"id": "CDR-000001-C", "credit": True, "credit_reference_id": raw["id"], "total_cost": total})
    assert adjustments.current(stage.ctx, session(stage, ref(1))).billing is Billing.CREDITED
    disputes.reject(stage.ctx, AGENT, b.ISSUER, made.dispute_id, answer="no")
    facts_told(stage.ctx, stage)
    assert withheld.rest(stage.ctx, session(stage, ref(1))) is None
    following = november(stage)
    assert document(stage, following.numbers[0]).net == euros(830)
    proved(stage)


def test_the_list_shows_what_was_withheld_whatever_became_of_it(stage: Stage) -> None:
    made = disputed(stage)
    disputes.accept(stage.ctx, AGENT, b.ISSUER, made.dispute_id, accepted=euros(100))
    kept = session(stage, ref(1))
    rating = cdrs.ratings(stage.ctx, b.ISSUER, [kept])[kept.cdr_ref]
    body = cdrs.originals(stage.ctx, b.ISSUER, [kept.cdr_ref])[kept.cdr_ref]
    row = listed.session_row(kept, rating, body, "CONTRACT_GRID", "PERIOD")
    assert (row.net, row.original, row.accepted, row.dispute_outcome) == (euros(530), euros(830), None, "OPEN")


@pytest.mark.parametrize("answered_first", [False, True])
def test_a_version_of_past_days_prices_the_session_once_its_part_is_decided(
    stage: Stage, *, answered_first: bool
) -> None:
    """8.30 at 0.39 is 6.70 at 0.31: whatever comes first, 6.70 is billed in the end."""
    made = disputed(stage)
    if answered_first:
        disputes.reject(stage.ctx, AGENT, b.ISSUER, made.dispute_id, answer="no")
        facts_told(stage.ctx, stage)
    b.backdate(stage.ctx, grid=month.grid("0.31"), valid_from=date(2026, 10, 1), invoice_undisputed_part=True)
    swept(stage)
    kept = session(stage, ref(1))
    if not answered_first:
        assert adjustments.outstanding(stage.ctx, kept) == euros(530)
        disputes.reject(stage.ctx, AGENT, b.ISSUER, made.dispute_id, answer="no")
        swept(stage)
    assert adjustments.outstanding(stage.ctx, kept) == euros(670)
    following = november(stage)
    lines = document_lines(stage, following.numbers[0])
    # A credit note states what it gives back: the part that is charged stands on it with a minus.
    assert sum(line.net.amount_minor for line in lines if line.component.value == "DISPUTED") == -300
    assert document(stage, following.numbers[0]).net == euros(300 - 2 * 160)
    proved(stage)


@pytest.mark.parametrize("withholds", [False, True])
def test_what_was_granted_stays_granted_when_the_session_is_billed_anew(stage: Stage, *, withholds: bool) -> None:
    """Of 8.30 a claim of 3.00 was granted with 1.00: a version of past days leaves the 7.30 alone."""
    run = opened(stage)
    made = claim(stage)
    if not withholds:
        disputes.accept(stage.ctx, AGENT, b.ISSUER, made.dispute_id, accepted=euros(100))
    close_run(stage, run)
    facts_told(stage.ctx, stage)
    credited(stage, bill_again=True, at_once=True)
    if withholds:
        disputes.accept(stage.ctx, AGENT, b.ISSUER, made.dispute_id, accepted=euros(100))
        facts_told(stage.ctx, stage)
    billed = adjustments.current(stage.ctx, session(stage, ref(1)))
    assert billed.cdr_ref != ref(1)
    assert adjustments.outstanding(stage.ctx, billed) == euros(730)
    b.backdate(stage.ctx, grid=month.grid("0.31"), valid_from=date(2026, 10, 1), invoice_undisputed_part=True)
    swept(stage)
    assert adjustments.outstanding(stage.ctx, billed) == euros(730)
    other = adjustments.current(stage.ctx, session(stage, ref(2)))
    assert adjustments.outstanding(stage.ctx, other) == euros(670)


def swept(stage: Stage) -> None:
    """Facts and jobs to their end."""
    for _ in range(4):
        facts_told(stage.ctx, stage)
        stage.clock.advance(timedelta(minutes=6))
        facts.sweep(stage.ctx, told)


def told(row: dict[str, object], error: Exception) -> None:
    raise AssertionError(row["pk"]) from error


def test_a_session_that_is_billed_anew_is_not_disputed_again(stage: Stage) -> None:
    """Two claims of one price would withhold from it twice."""
    disputed(stage)
    credited(stage, bill_again=True)
    stage.clock.set(stage.clock.now().replace(month=11, day=30, hour=23, minute=5))
    run = billing.prepare(stage.ctx, NOVEMBER)
    stage.clock.set(run.opens_at_utc)
    billing.open_window(stage.ctx, b.ISSUER, run.run_id)
    for number in (1, 2):
        row = adjustments.current(stage.ctx, session(stage, ref(number)))
        again = Claim(cdr_ref=row.cdr_ref, reason=Reason.PRICE_NOT_AS_AGREED, claimed=euros(200))
        if number == 1:
            with pytest.raises(Conflict, match="disputed before"):
                disputes.file(stage.ctx, b.emsp_user(), b.ISSUER, again)
        else:
            assert disputes.file(stage.ctx, b.emsp_user(), b.ISSUER, again).state is State.OPEN


def test_a_credit_cdr_between_the_answer_and_its_rest_leaves_no_rest(stage: Stage) -> None:
    """Two workers at once: the one that bills the rest read the session before the other one credited it."""
    made = disputed(stage)
    disputes.reject(stage.ctx, AGENT, b.ISSUER, made.dispute_id, answer="no")
    kept = session(stage, ref(1))
    push(stage, withdrawal(1))
    with pytest.raises(Conflict, match="nothing is billed"):
        adjustments.adjust(
            stage.ctx,
            kept,
            key="withheld-1",
            lines=(pricing.withheld(euros(300)),),
            kind=adjustments.WITHHELD,
            reason="its dispute was rejected",
            author="system:disputes",
        )
    facts_told(stage.ctx, stage)
    assert rest(stage) is None
