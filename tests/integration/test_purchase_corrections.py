"""Corrections of what we buy (389) by hand: the 261 that refers to it, what is paid then, and the corrected 389."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from typing import Any

import pytest

from roamclear.billing import corrections, self_billing, store
from roamclear.billing import service as billing
from roamclear.billing.correction_runs import request_of
from roamclear.billing.corrections import Wanted
from roamclear.billing.model import Acceptance, CorrectionState, Document, DocumentState
from roamclear.contracts import service as contracts
from roamclear.documents.checks import missing
from roamclear.documents.ubl import write_ubl
from roamclear.journal.model import ExceptionType
from roamclear.kernel.context import Context
from roamclear.kernel.errors import Conflict, RoamclearError
from roamclear.kernel.money import Money
from roamclear.ledger import service as ledger
from roamclear.ledger.model import Event
from roamclear.payouts import service as payouts
from roamclear.payouts.model import Payout, PayoutStatus
from tests.integration import test_close as month
from tests.integration.test_payouts_chain import deliver
from tests.support import builders as b
from tests.support import crashing, memory_stage
from tests.support import peppol as network
from tests.support.corrections import CHECKER, MAKER, credited, document, euros, facts_told, play, proved
from tests.support.moto_stack import Stage
from tests.unit.billing.test_self_billing import AGREED, CPO, DEEMED, closed, credit_of, opened, start

FIRST, NOTE = "VWG-2026-000001", "VWH-2026-000001"


@pytest.fixture
def stage() -> Iterator[Stage]:
    with memory_stage.stage() as made:
        yield made


def ref(number: int) -> str:
    return f"{CPO}*CDR-{number:06d}"


def purchased(stage: Stage, sessions: int = 3, **contract: Any) -> Document:
    """October with sessions of 9.96 each (8.30 and 20 % VAT), bought and told."""
    start(stage, **contract)
    closed(stage, sessions)
    facts_told(stage.ctx, stage)
    return document(stage, FIRST)


def accepted(stage: Stage, *numbers: str) -> None:
    for number in numbers:
        self_billing.accept(stage.ctx, b.emsp_user(), b.ISSUER, number)
        deliver(stage)


def paid(stage: Stage) -> list[Payout]:
    return payouts.payouts(stage.ctx, MAKER, b.ISSUER)


def word(stage: Stage, number: str) -> Acceptance:
    known = document(stage, number).self_billed
    assert known is not None
    return known.acceptance


def test_named_sessions_make_a_261_that_lowers_what_we_pay(stage: Stage) -> None:
    purchased(stage)
    made = credited(stage, FIRST, cdr_refs=(ref(1),))
    assert (made.state, made.note) == (CorrectionState.ISSUED, NOTE)
    note, invoice = document(stage, NOTE), document(stage, FIRST)
    assert (note.type_code, note.net, note.tax, note.open_amount) == ("261", euros(-830), euros(-166), euros(0))
    assert (note.preceding, note.state) == (FIRST, DocumentState.ISSUED)
    assert (invoice.open_amount, invoice.corrected_by, invoice.correcting) == (euros(2988 - 996), (NOTE,), None)
    model = billing.document_model(stage.ctx, note)
    assert [(p.number, p.issue_date) for p in model.preceding] == [(FIRST, invoice.issue_date)]
    assert model.correction_reason == "agreed by telephone"
    assert missing(model) == []
    assert network.failed(write_ubl(model)) == set()
    mirror = ledger.find(stage.ctx, b.ISSUER, Event.SELF_BILLED, NOTE)
    assert mirror is not None
    assert {(x.account, x.amount.amount_minor) for x in mirror.lines} == {
        ("energy_cost:C-RON", -830), ("input_vat:DE", -166), ("payable:CPO-1", 996),
    }  # fmt: skip
    entry = ledger.find(stage.ctx, b.ISSUER, Event.ALLOCATION, NOTE)
    assert entry is not None
    assert [(x.account, x.amount, x.note) for x in entry.lines] == [
        ("payable:CPO-1", euros(996), FIRST), ("payable:CPO-1", euros(-996), NOTE),
    ]  # fmt: skip
    proved(stage)
    accepted(stage, FIRST, NOTE)
    (only,) = paid(stage)
    assert (only.purchase, only.pay) == (FIRST, euros(1992))
    assert store.open_purchases(stage.ctx.db, b.ISSUER) == []
    proved(stage)


def test_an_amount_is_credited_on_one_line(stage: Stage) -> None:
    purchased(stage)
    credited(stage, FIRST, amount=euros(1001))
    note = document(stage, NOTE)
    assert (note.net, note.tax, document(stage, FIRST).open_amount) == (euros(-1001), euros(-200), euros(2988 - 1201))
    with pytest.raises(Conflict, match="more would be credited"):
        credited(stage, FIRST, amount=euros(2490 - 1000))
    proved(stage)


def test_what_was_paid_is_taken_from_the_next_payout_once_accepted(stage: Stage) -> None:
    purchased(stage)
    accepted(stage, FIRST)
    credited(stage, FIRST, cdr_refs=(ref(2),))
    note = document(stage, NOTE)
    assert (note.open_amount, document(stage, FIRST).open_amount) == (euros(-996), euros(0))
    assert ledger.find(stage.ctx, b.ISSUER, Event.ALLOCATION, NOTE) is None
    assert len(paid(stage)) == 1
    proved(stage)
    accepted(stage, NOTE)
    first, carried = paid(stage)
    assert (first.pay, carried.state, carried.closing) == (euros(2988), PayoutStatus.CARRIED, euros(-996))
    proved(stage)


def test_a_cancelled_389_is_billed_again_at_once_and_only_that_is_paid(stage: Stage) -> None:
    purchased(stage, 2)
    self_billing.object_to(stage.ctx, b.emsp_user(), b.ISSUER, FIRST, "the address is wrong")
    assert len(opened(stage, ExceptionType.SELF_BILLING_OBJECTED)) == 1
    credited(stage, FIRST, bill_again=True, at_once=True)
    invoice, again = document(stage, FIRST), document(stage, "VWG-2026-000002")
    assert (invoice.state, invoice.cancelled_by, invoice.open_amount) == (DocumentState.CANCELLED, NOTE, euros(0))
    assert (again.type_code, again.gross, again.replaces) == ("389", euros(1992), (FIRST,))
    assert invoice.replaced_by == (again.number,)
    model = billing.document_model(stage.ctx, again)
    assert [p.number for p in model.preceding] == [FIRST]
    assert network.failed(write_ubl(model)) == set()
    assert opened(stage, ExceptionType.SELF_BILLING_OBJECTED) == []
    for say in (self_billing.accept, lambda *a: self_billing.object_to(*a, "once more")):
        with pytest.raises(Conflict) as refused:
            say(stage.ctx, b.emsp_user(), b.ISSUER, FIRST)
        assert refused.value.details["cancelled_by"] == NOTE
    accepted(stage, NOTE, again.number)
    (only,) = paid(stage)
    assert (only.purchase, only.pay) == (again.number, euros(1992))
    proved(stage)


def test_sessions_of_a_cancelled_389_join_the_next_run(stage: Stage) -> None:
    purchased(stage, 1)
    credited(stage, FIRST, bill_again=True)
    stage.clock.set(datetime(2026, 11, 30, 23, 5, tzinfo=UTC))
    run = billing.prepare(stage.ctx, month.REQUEST.model_copy(update={"period": "2026-11"}))
    stage.clock.set(run.opens_at_utc)
    run = billing.open_window(stage.ctx, b.ISSUER, run.run_id)
    assert run.members == 1
    assert run.closes_at_utc is not None
    stage.clock.set(run.closes_at_utc.replace(minute=2))
    billing.lock(stage.ctx, b.ISSUER, run.run_id)
    (number,) = billing.issue(stage.ctx, b.ISSUER, run.run_id, missing).numbers
    facts_told(stage.ctx, stage)
    assert (document(stage, number).type_code, document(stage, number).replaces) == ("389", (FIRST,))
    assert document(stage, FIRST).replaced_by == (number,)
    proved(stage)


def test_silence_accepts_a_261_that_left_nothing_open(stage: Stage) -> None:
    purchased(stage, self_billing=DEEMED)
    credited(stage, FIRST, cdr_refs=(ref(1),))
    assert word(stage, NOTE) is Acceptance.AWAITED
    stage.clock.set(datetime(2026, 11, 30, tzinfo=UTC))
    deliver(stage)
    deliver(stage)
    assert (word(stage, NOTE), word(stage, FIRST)) == (Acceptance.DEEMED, Acceptance.DEEMED)
    (only,) = paid(stage)
    assert only.pay == euros(1992)
    assert store.open_purchases(stage.ctx.db, b.ISSUER) == []
    proved(stage)


def test_a_supplier_may_object_to_a_261(stage: Stage) -> None:
    purchased(stage)
    credited(stage, FIRST, cdr_refs=(ref(1),))
    self_billing.object_to(stage.ctx, b.emsp_user(), b.ISSUER, NOTE, "that session took place")
    (told,) = opened(stage, ExceptionType.SELF_BILLING_OBJECTED)
    assert told.document == NOTE
    with pytest.raises(Conflict, match="only an invoice"):
        credited(stage, NOTE)
    proved(stage)


def test_an_agreement_that_ended_does_not_forbid_the_261_but_a_new_389(stage: Stage) -> None:
    purchased(stage, self_billing=AGREED | {"valid_to": "2026-11-10"})
    stage.clock.set(datetime(2026, 11, 12, 9, tzinfo=UTC))
    credited(stage, FIRST)
    assert document(stage, FIRST).state is DocumentState.CANCELLED
    proved(stage)


def test_a_corrected_389_waits_for_an_agreement(stage: Stage) -> None:
    purchased(stage, self_billing=AGREED | {"valid_to": "2026-11-10"})
    stage.clock.set(datetime(2026, 11, 12, 9, tzinfo=UTC))
    with pytest.raises(Conflict) as refused:
        credited(stage, FIRST, bill_again=True, at_once=True)
    assert refused.value.details["faults"][0].startswith("terms.self_billing: the agreement SB-1 holds")
    assert document(stage, FIRST).state is DocumentState.CANCELLED
    head = contracts.head(stage.ctx, b.ISSUER, b.CONTRACT)
    terms = contracts.version(stage.ctx, b.ISSUER, b.CONTRACT, 1).terms.dump()
    renewed = AGREED | {"valid_from": "2026-11-12", "agreed_on": "2026-11-12", "reference": "SB-2"}
    contracts.publish(
        stage.ctx, MAKER, b.ISSUER, b.CONTRACT, name=head.name, valid_from=date(2026, 11, 12),
        terms=b.terms(**(terms | {"self_billing": renewed})),
    )  # fmt: skip
    play(stage.ctx, stage)
    again = document(stage, "VWG-2026-000002")
    assert again.self_billed is not None
    assert (again.self_billed.agreement, again.replaces) == ("SB-2", (FIRST,))
    proved(stage)


def test_what_was_credited_by_the_cpo_stays_out_of_a_cancellation(stage: Stage) -> None:
    purchased(stage, 2)
    month.push(stage, credit_of(1))
    facts_told(stage.ctx, stage)
    play(stage.ctx, stage)
    credited(stage, FIRST)
    notes = [d for d in store.documents(stage.ctx.db, b.ISSUER) if d.type_code == "261"]
    assert sum(d.net.amount_minor for d in notes) >= -1660
    proved(stage)


@pytest.mark.parametrize(
    "wanted",
    [{"cdr_refs": (ref(1),)}, {"amount": Money(500, "EUR")}, {}, {"bill_again": True, "at_once": True}],
    ids=["sessions", "amount", "whole", "billed again"],
)
@pytest.mark.parametrize("after", [False, True])
def test_a_crash_anywhere_corrects_and_pays_once(wanted: dict[str, Any], *, after: bool) -> None:
    seen: set[tuple[Any, ...]] = set()
    for place in range(120):
        with memory_stage.stage() as stage:
            purchased(stage, 2)
            made = corrections.prepare(
                stage.ctx, MAKER, b.ISSUER, Wanted(number=FIRST, reason="agreed by telephone", **wanted)
            )
            corrections.approve(stage.ctx, CHECKER, b.ISSUER, made.correction_id)

            def work(ctx: Context, stage: Stage = stage) -> None:
                play(ctx, stage)
                for header in store.documents(ctx.db, b.ISSUER):
                    if header.state is not DocumentState.CANCELLED:
                        self_billing.accept(ctx, b.emsp_user(), b.ISSUER, header.number)
                facts_told(ctx, stage)

            with crashing.survives() as died:
                work(crashing.mortal(stage.ctx, crashing.Fuse(left=place, after=after)))
            for _ in range(2):
                work(stage.ctx)
            documents = store.documents(stage.ctx.db, b.ISSUER)
            seen.add((
                tuple((d.number, d.gross.amount_minor, d.open_amount.amount_minor, d.state) for d in documents),
                sum(p.pay.amount_minor for p in paid(stage)),
            ))  # fmt: skip
            proved(stage)
        if not died:
            assert place > 10
            break
    else:
        pytest.fail("the work has more effects than were tried")
    assert len(seen) == 1, seen


def test_two_at_once_make_one_261(stage: Stage) -> None:
    purchased(stage)
    made = corrections.prepare(stage.ctx, MAKER, b.ISSUER, Wanted(number=FIRST, reason="twice", amount=euros(300)))
    corrections.approve(stage.ctx, CHECKER, b.ISSUER, made.correction_id)

    def worker(_: int) -> None:
        try:
            play(stage.ctx, stage)
        except RoamclearError:
            pass  # the other one was faster; what is left is played below

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(worker, range(2)))
    play(stage.ctx, stage)
    assert [d.number for d in store.documents(stage.ctx.db, b.ISSUER)] == [FIRST, NOTE]
    proved(stage)


def numbered(stage: Stage) -> None:
    """A 261 that has its number and whose fact nobody answered yet."""
    made = corrections.prepare(
        stage.ctx, MAKER, b.ISSUER, Wanted(number=FIRST, reason="one session less", cdr_refs=(ref(1),))
    )
    corrections.approve(stage.ctx, CHECKER, b.ISSUER, made.correction_id)
    run = billing.prepare(stage.ctx, request_of(b.ISSUER, b.CONTRACT, made.correction_id))
    billing.open_window(stage.ctx, b.ISSUER, run.run_id)
    billing.lock(stage.ctx, b.ISSUER, run.run_id)
    billing.issue(stage.ctx, b.ISSUER, run.run_id, missing)


def test_a_payment_between_number_and_set_off_is_made_good_by_the_next(stage: Stage) -> None:
    purchased(stage)
    numbered(stage)
    self_billing.accept(stage.ctx, b.emsp_user(), b.ISSUER, FIRST)
    payouts.take_over(stage.ctx, b.ISSUER, FIRST)
    proved(stage)
    play(stage.ctx, stage)
    assert (document(stage, NOTE).open_amount, document(stage, FIRST).corrected_by) == (euros(-996), (NOTE,))
    accepted(stage, NOTE)
    assert [(p.pay, p.closing) for p in paid(stage)] == [(euros(2988), euros(0)), (euros(0), euros(-996))]
    proved(stage)


@pytest.mark.parametrize("_trial", range(6))
def test_set_off_and_payout_at_once_owe_the_same(_trial: int) -> None:
    with memory_stage.stage() as stage:
        purchased(stage)
        numbered(stage)
        for number in (FIRST, NOTE):
            self_billing.accept(stage.ctx, b.emsp_user(), b.ISSUER, number)
        work = (
            lambda: billing.settle_correction(stage.ctx, b.ISSUER, NOTE),
            lambda: payouts.take_over(stage.ctx, b.ISSUER, FIRST),
            lambda: payouts.take_over(stage.ctx, b.ISSUER, NOTE),
        )
        with ThreadPoolExecutor(3) as pool:
            for done in [pool.submit(each) for each in work]:
                done.result()
        proved(stage)
        for number in (FIRST, NOTE):
            payouts.take_over(stage.ctx, b.ISSUER, number)
        known = store.documents(stage.ctx.db, b.ISSUER)
        assert [d.open_amount.amount_minor for d in known] == [0, 0]
        assert sum(p.pay.amount_minor for p in paid(stage)) + paid(stage)[-1].closing.amount_minor == 1992
        proved(stage)


def test_facts_out_of_order_and_twice_change_nothing(stage: Stage) -> None:
    purchased(stage)
    accepted(stage, FIRST)
    credited(stage, FIRST, cdr_refs=(ref(1),))
    for number in (NOTE, FIRST, NOTE):
        billing.settle_correction(stage.ctx, b.ISSUER, number)
        payouts.take_over(stage.ctx, b.ISSUER, number)
    accepted(stage, NOTE, NOTE)
    assert [p.purchase for p in paid(stage)] == [FIRST, NOTE]
    proved(stage)
