"""Credits of issued documents: by session, by amount, whole; what they leave open, who is paid, and the chain."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from roamclear.billing import corrections, store
from roamclear.billing import service as billing
from roamclear.billing.corrections import Wanted
from roamclear.billing.lists import service as lists
from roamclear.billing.model import CorrectionState, DocumentState, RunState
from roamclear.cdrs import adjustments
from roamclear.cdrs.model import Billing
from roamclear.contracts.model import VatCategory, VatTreatment
from roamclear.documents.checks import missing
from roamclear.kernel.errors import Conflict, Forbidden, InvalidInput, NotFound, RoamclearError
from roamclear.kernel.pages import Asked
from roamclear.ledger import service as ledger
from roamclear.ledger.model import Event
from tests.integration.test_close import push
from tests.support import builders as b
from tests.support import memory_stage
from tests.support.corrections import (
    CHECKER,
    INVOICE,
    MAKER,
    credited,
    document,
    euros,
    invoiced,
    november,
    play,
    proved,
    ref,
    session,
)
from tests.support.crashing import Fuse, mortal, survives
from tests.support.moto_stack import Stage

NOTE = "VWC-2026-000001"
STANDARD = VatTreatment(category=VatCategory.STANDARD, rate_percent=Decimal(19))


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A stage in memory."""
    with memory_stage.stage() as made:
        yield made


def prepared(stage: Stage, key: str = "", **wanted: Any) -> corrections.Correction:
    base: dict[str, Any] = {"number": INVOICE, "reason": "agreed by telephone"}
    return corrections.prepare(stage.ctx, MAKER, b.ISSUER, Wanted(**(base | wanted)), key)


# ---- by session and by amount (row 67) -----------------------------------------------------------------------------
def test_named_sessions_get_a_credit_note_that_lowers_the_invoice(stage: Stage) -> None:
    invoiced(stage, vat=STANDARD)
    made = credited(stage, cdr_refs=(ref(1), ref(2)))
    assert (made.state, made.note) == (CorrectionState.ISSUED, NOTE)
    note, invoice = document(stage, NOTE), document(stage, INVOICE)
    assert (note.type_code, note.net, note.tax, note.open_amount) == ("381", euros(-1660), euros(-315), euros(0))
    assert (note.preceding, note.state) == (INVOICE, DocumentState.PAID)
    assert (invoice.gross, invoice.open_amount) == (euros(2963), euros(2963 - 1975))
    assert (invoice.corrected_by, invoice.correcting, invoice.state) == ((NOTE,), None, DocumentState.ISSUED)
    model = billing.document_model(stage.ctx, note)
    assert [(p.number, p.issue_date) for p in model.preceding] == [(INVOICE, invoice.issue_date)]
    assert model.correction_reason == "agreed by telephone"
    assert missing(model) == []
    entry = ledger.find(stage.ctx, b.ISSUER, Event.ALLOCATION, NOTE)
    assert entry is not None
    assert [(line.amount, line.note) for line in entry.lines] == [(euros(1975), NOTE), (euros(-1975), INVOICE)]
    proved(stage)


def test_an_amount_is_spread_over_what_is_left_and_borne_by_the_house(stage: Stage) -> None:
    invoiced(stage)
    credited(stage, cdr_refs=(ref(1),))
    credited(stage, amount=euros(1001))
    note = document(stage, "VWC-2026-000002")
    assert note.net == euros(-1001)
    model = billing.document_model(stage.ctx, note)
    assert [(line.quantity, line.net, line.unit_price) for line in model.lines] == [(Decimal(1), euros(1001), None)]
    assert [adjustments.outstanding(stage.ctx, session(stage, ref(n))).amount_minor for n in (1, 2, 3)] == [0, 329, 330]
    assert document(stage, INVOICE).open_amount == euros(2490 - 830 - 1001)
    rows = [s for s, _ in billing.members(stage.ctx, billing.run(stage.ctx, b.ISSUER, note.run_id))]
    assert all(row.borne for row in rows)
    with pytest.raises(Conflict, match="more would be credited"):
        prepared(stage, amount=euros(660))
    credited(stage, amount=euros(659))
    assert document(stage, INVOICE).state is DocumentState.PAID
    proved(stage)


def test_a_paid_invoice_leaves_a_credit_of_the_buyer(stage: Stage) -> None:
    header = invoiced(stage, sessions=1)
    _, write = billing.replace_document(header, open_amount=euros(130), state=DocumentState.PARTIALLY_PAID)
    stage.ctx.db.write(write)
    credited(stage, cdr_refs=(ref(1),))
    assert (document(stage, INVOICE).open_amount, document(stage, INVOICE).state) == (euros(0), DocumentState.PAID)
    note = document(stage, NOTE)
    assert (note.open_amount, note.state) == (euros(-700), DocumentState.ISSUED)
    assert [d.number for d in billing.open_documents(stage.ctx, b.ISSUER, b.CONTRACT)] == [NOTE]


def test_a_credit_cdr_between_approval_and_credit_leaves_only_the_rest(stage: Stage) -> None:
    invoiced(stage, sessions=2)
    made = prepared(stage, amount=euros(1000))
    corrections.approve(stage.ctx, CHECKER, b.ISSUER, made.correction_id)
    push(stage, credit_cdr(1))
    play(stage.ctx, stage)
    assert document(stage, NOTE).net == euros(-830)
    assert document(stage, INVOICE).correcting is None
    proved(stage)


def test_where_nothing_is_left_no_document_is_made(stage: Stage) -> None:
    invoiced(stage, sessions=1)
    made = prepared(stage, cdr_refs=(ref(1),))
    corrections.approve(stage.ctx, CHECKER, b.ISSUER, made.correction_id)
    push(stage, credit_cdr(1))
    play(stage.ctx, stage)
    known = corrections.correction(stage.ctx, MAKER, b.ISSUER, made.correction_id)
    assert (known.state, known.note) == (CorrectionState.ISSUED, None)
    assert (document(stage, INVOICE).correcting, billing.run(stage.ctx, b.ISSUER, made.run_id).state) == (
        None,
        RunState.SETTLED,
    )
    assert len(store.documents(stage.ctx.db, b.ISSUER)) == 1
    proved(stage)


# ---- two persons, once ---------------------------------------------------------------------------------------------
def test_two_persons_and_no_second_correction_meanwhile(stage: Stage) -> None:
    invoiced(stage)
    first, second = prepared(stage, cdr_refs=(ref(1),)), prepared(stage, amount=euros(100))
    with pytest.raises(Forbidden):
        corrections.approve(stage.ctx, MAKER, b.ISSUER, first.correction_id)
    both = b.actor("FINANCE_APPROVER", name=MAKER.actor_id)
    with pytest.raises(Forbidden, match="second person"):
        corrections.approve(stage.ctx, both, b.ISSUER, first.correction_id)
    corrections.approve(stage.ctx, CHECKER, b.ISSUER, first.correction_id)
    again = corrections.approve(stage.ctx, CHECKER, b.ISSUER, first.correction_id)
    assert again.state is CorrectionState.APPROVED
    with pytest.raises(Conflict, match="under way"):
        corrections.approve(stage.ctx, CHECKER, b.ISSUER, second.correction_id)
    play(stage.ctx, stage)
    corrections.approve(stage.ctx, CHECKER, b.ISSUER, second.correction_id)
    play(stage.ctx, stage)
    play(stage.ctx, stage)
    assert len(store.documents(stage.ctx.db, b.ISSUER)) == 3
    proved(stage)


def test_the_same_request_is_one_correction(stage: Stage) -> None:
    invoiced(stage)
    assert prepared(stage, "k", amount=euros(100)) == prepared(stage, "k", amount=euros(100))
    assert prepared(stage, "other", amount=euros(100)) != prepared(stage, "k", amount=euros(100))
    with pytest.raises(Conflict, match="Idempotency-Key"):
        prepared(stage, "k", amount=euros(101))
    assert len(lists.corrections(stage.ctx, MAKER, b.ISSUER, Asked(9)).items) == 2
    assert lists.corrections(stage.ctx, b.emsp_user(), b.ISSUER, Asked(9)).items == []


def test_a_rejected_correction_never_happens(stage: Stage) -> None:
    invoiced(stage)
    made = prepared(stage, cdr_refs=(ref(1),))
    gone = corrections.reject(stage.ctx, CHECKER, b.ISSUER, made.correction_id, "not agreed")
    assert (gone.state, gone.decision) == (CorrectionState.REJECTED, "not agreed")
    with pytest.raises(Conflict, match="rejected"):
        corrections.approve(stage.ctx, CHECKER, b.ISSUER, made.correction_id)
    play(stage.ctx, stage)
    assert len(store.documents(stage.ctx.db, b.ISSUER)) == 1


@pytest.mark.parametrize(
    ("wanted", "error", "field"),
    [
        ({"reason": "x"}, InvalidInput, "reason"),
        ({"amount": euros(0)}, InvalidInput, "amount"),
        ({"amount": euros(1), "cdr_refs": (ref(1),)}, InvalidInput, "amount"),
        ({"cdr_refs": (ref(1), ref(1))}, InvalidInput, "cdr_refs"),
        ({"amount": euros(1), "bill_again": True}, InvalidInput, "bill_again"),
        ({"at_once": True}, InvalidInput, "at_once"),
        ({"cdr_refs": (ref(9),)}, NotFound, None),
        ({"number": "VW-2026-000009"}, NotFound, None),
        ({"amount": euros(2491)}, Conflict, None),
    ],
)
def test_what_cannot_be_wanted(stage: Stage, wanted: dict[str, Any], error: type[Exception], field: str | None) -> None:
    invoiced(stage)
    with pytest.raises(error) as refused:
        prepared(stage, **wanted)
    assert getattr(refused.value, "field", None) == field


def test_a_credit_note_and_a_cancelled_document_are_not_credited(stage: Stage) -> None:
    invoiced(stage)
    credited(stage)
    with pytest.raises(Conflict, match="only an invoice"):
        prepared(stage, number=NOTE, amount=euros(1))
    with pytest.raises(Conflict, match="cancelled"):
        prepared(stage, amount=euros(1))


# ---- cancelled and billed again (row 66) ---------------------------------------------------------------------------
def test_a_cancelled_invoice_is_billed_again_in_the_next_run(stage: Stage) -> None:
    invoiced(stage, vat=STANDARD)
    credited(stage, bill_again=True)
    invoice, note = document(stage, INVOICE), document(stage, NOTE)
    assert (invoice.state, invoice.cancelled_by, invoice.open_amount) == (DocumentState.CANCELLED, NOTE, euros(0))
    assert (note.net, note.gross, note.preceding) == (-invoice.net, -invoice.gross, INVOICE)
    waiting = session(stage, f"{ref(1)}~r{store.corrections(stage.ctx.db, b.ISSUER)[0].correction_id.lower()}")
    assert (waiting.billing, waiting.replaces, waiting.net) == (Billing.VERIFIED, ref(1), euros(830))
    proved(stage)
    push(stage, b.cdr(480))
    run = november(stage)
    assert (run.state, run.locked) == (RunState.ISSUED, 4)
    after = document(stage, run.numbers[0])
    assert (after.net, after.replaces) == (euros(3320), (INVOICE,))
    assert document(stage, INVOICE).replaced_by == (after.number,)
    model = billing.document_model(stage.ctx, after)
    assert {line.section.kind.value for line in model.lines} == {"EARLIER", "COUNTRY"}
    proved(stage)


def test_a_corrected_invoice_follows_at_once(stage: Stage) -> None:
    invoiced(stage, vat=STANDARD)
    buyer = b.terms().counterparty.model_copy(update={"legal_name": "Ronde Laden B.V."})
    b.found_contract(stage.ctx, valid_from=date(2026, 11, 9), vat=STANDARD, counterparty=buyer)
    credited(stage, bill_again=True, at_once=True)
    invoice, note, after = (document(stage, number) for number in (INVOICE, NOTE, "VWK-2026-000001"))
    assert (after.type_code, after.net, after.gross) == ("384", invoice.net, invoice.gross)
    assert (invoice.state, invoice.cancelled_by, invoice.replaced_by) == (
        DocumentState.CANCELLED,
        NOTE,
        (after.number,),
    )
    assert (after.preceding, after.replaces, after.open_amount) == (INVOICE, (INVOICE,), after.gross)
    model = billing.document_model(stage.ctx, after)
    assert [p.number for p in model.preceding] == [INVOICE]
    assert {line.section.kind.value for line in model.lines} == {"COUNTRY"}
    assert missing(model) == []
    # The credit note goes to whom the invoice went, the corrected invoice to whom the contract names today.
    names = [billing.document_model(stage.ctx, d).buyer.name for d in (note, after)]
    assert names == ["Ronde Mobiliteit B.V.", "Ronde Laden B.V."]
    proved(stage)
    credited(stage, after.number, cdr_refs=(adjustments.current(stage.ctx, session(stage, ref(1))).cdr_ref,))
    assert document(stage, after.number).open_amount == after.gross - euros(988)
    proved(stage)


def test_what_was_credited_before_is_not_credited_again(stage: Stage) -> None:
    invoiced(stage, vat=STANDARD)
    credited(stage, cdr_refs=(ref(1),))
    credited(stage, amount=euros(77))
    credited(stage, bill_again=True)
    notes = [document(stage, f"VWC-2026-00000{n}") for n in (1, 2, 3)]
    assert sum(note.net.amount_minor for note in notes) == -2490
    invoice = document(stage, INVOICE)
    assert (invoice.state, invoice.open_amount, invoice.cancelled_by) == (
        DocumentState.CANCELLED,
        euros(0),
        notes[2].number,
    )
    again = [s for s in (f"{ref(n)}" for n in (1, 2, 3)) if adjustments.current(stage.ctx, session(stage, s)).replaces]
    assert again == [ref(2), ref(3)]
    proved(stage)
    run = november(stage)
    assert document(stage, run.numbers[0]).net == euros(2490 - 830 - 77)
    proved(stage)


def test_a_document_can_be_cancelled_twice_through_what_replaced_it(stage: Stage) -> None:
    invoiced(stage)
    credited(stage, bill_again=True)
    run = november(stage)
    credited(stage, run.numbers[0], bill_again=False)
    assert document(stage, run.numbers[0]).state is DocumentState.CANCELLED
    receivable = [d.open_amount.amount_minor for d in store.documents(stage.ctx.db, b.ISSUER)]
    assert sum(receivable) == 0
    proved(stage)


# ---- credit CDRs (row 4) -------------------------------------------------------------------------------------------
def credit_cdr(number: int) -> dict[str, Any]:
    original = b.cdr(number)
    total = {"excl_vat": -original["total_cost"]["excl_vat"]}
    return original | {
        "id": f"{original['id']}-C",
        "credit": True,
        "credit_reference_id": original["id"],
        "total_cost": total,
    }


@pytest.mark.parametrize("rule", ["NEXT_RUN", "CREDIT_NOTE"])
def test_a_credit_cdr_after_the_invoice_as_the_contract_says(stage: Stage, rule: str) -> None:
    invoiced(stage, credit_after_invoice=rule)
    made = push(stage, credit_cdr(1))
    play(stage.ctx, stage)
    play(stage.ctx, stage)
    documents = store.documents(stage.ctx.db, b.ISSUER)
    if rule == "NEXT_RUN":
        assert len(documents) == 1
        assert session(stage, made).billing is Billing.VERIFIED
        return
    assert [d.number for d in documents] == [INVOICE, NOTE]
    assert (document(stage, NOTE).net, document(stage, INVOICE).open_amount) == (euros(-830), euros(1660))
    assert session(stage, made).billing is Billing.LOCKED
    proved(stage)


# ---- bad days ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize("after", [False, True])
def test_killed_at_any_write_it_ends_the_same(after: bool, at_once: bool) -> None:
    place = 0
    while True:
        with memory_stage.stage() as stage:
            invoiced(stage, sessions=2, vat=STANDARD)
            made = prepared(stage, bill_again=True, at_once=at_once)
            corrections.approve(stage.ctx, CHECKER, b.ISSUER, made.correction_id)
            fuse = Fuse(left=place, after=after)
            with survives() as died:
                play(mortal(stage.ctx, fuse), stage)
            play(stage.ctx, stage)
            numbers = {d.number for d in store.documents(stage.ctx.db, b.ISSUER)}
            assert numbers == {INVOICE, NOTE} | ({"VWK-2026-000001"} if at_once else set())
            invoice = document(stage, INVOICE)
            assert (invoice.state, invoice.open_amount, invoice.correcting) == (
                DocumentState.CANCELLED,
                euros(0),
                None,
            )
            assert [adjustments.current(stage.ctx, session(stage, ref(n))).net for n in (1, 2)] == [euros(830)] * 2
            proved(stage)
        if not died:
            break
        place += 1
    assert place > 10


@pytest.mark.parametrize("after", [False, True])
def test_an_amount_that_was_spread_halfway_comes_to_the_same_parts(after: bool) -> None:
    for place in range(2, 14):
        with memory_stage.stage() as stage:
            invoiced(stage, sessions=3)
            made = prepared(stage, amount=euros(1000))
            corrections.approve(stage.ctx, CHECKER, b.ISSUER, made.correction_id)
            with survives():
                play(mortal(stage.ctx, Fuse(left=place, after=after)), stage)
            play(stage.ctx, stage)
            rest = [adjustments.outstanding(stage.ctx, session(stage, ref(n))).amount_minor for n in (1, 2, 3)]
            assert rest == [496, 497, 497]
            proved(stage)


@pytest.mark.parametrize("wanted", [{"amount": euros(1000)}, {"bill_again": True, "at_once": True}])
def test_workers_at_once_make_one_credit_note(stage: Stage, wanted: dict[str, Any]) -> None:
    invoiced(stage)
    made = prepared(stage, **wanted)
    corrections.approve(stage.ctx, CHECKER, b.ISSUER, made.correction_id)

    def work() -> None:
        for _ in range(20):  # as the state machine and the sweep do: what lost a race is tried again
            try:
                play(stage.ctx, stage)
            except RoamclearError:
                continue
            return

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: work(), range(3)))
    play(stage.ctx, stage)
    assert len(store.documents(stage.ctx.db, b.ISSUER)) == (2 if "amount" in wanted else 3)
    assert document(stage, INVOICE).correcting is None
    proved(stage)
