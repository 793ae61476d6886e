"""From locked sessions to booked transfers, against tables and buckets."""

# Longer than 400 lines: shares, statements, batches and the bank's word are one way of the same money.

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from lxml import etree

from roamclear.audit import service as audit
from roamclear.aws import outbox
from roamclear.bank import service as bank
from roamclear.evses import service as evses
from roamclear.evses.model import Unpaid
from roamclear.identity.model import Role, system
from roamclear.journal import service as journal
from roamclear.kernel.context import Context
from roamclear.kernel.errors import Conflict, Forbidden, InvalidInput, NotFound, Unavailable
from roamclear.kernel.money import Money
from roamclear.ledger import service as ledger
from roamclear.ledger.model import Account, Event, credit, debit
from roamclear.payouts import export, proof, store
from roamclear.payouts import service as payouts
from roamclear.payouts.model import Batch, BatchState, Payout, PayoutStatus
from tests.support.moto_stack import Stage
from tests.support.payees import (
    CHECKER,
    ISSUER,
    MAKER,
    OPS,
    OTHER_IBAN,
    actor,
    issuer,
    location,
    own_terms,
    revenue,
    session,
    terms,
)

SYSTEM = system("close", ISSUER)
PAY_DAY = date(2026, 11, 20)
BANK = "DE02120300000000202051"


@pytest.fixture
def house(stage: Stage) -> Stage:
    """An issuer, an external and an own account, payable."""
    issuer(stage.ctx)
    evses.create_account(stage.ctx, MAKER, ISSUER, "P1", "Partner 1", terms())
    evses.create_account(stage.ctx, MAKER, ISSUER, "OWN", "Our own", own_terms())
    evses.approve_account(stage.ctx, CHECKER, ISSUER, "P1")
    stage.clock.set(datetime(2026, 11, 10, 9, tzinfo=UTC))
    return stage


def close(ctx: Context, **kwargs: Any) -> list[Payout]:
    return payouts.close_cycle(ctx, SYSTEM, ISSUER, ctx.now(), **kwargs)


def ready(ctx: Context, *cents: int, run: str = "R1", first: int = 1) -> Payout:
    """A payout of P1 over sessions with these amounts."""
    payouts.accrue(ctx, ISSUER, run, [session(first + n, c) for n, c in enumerate(cents)])
    revenue(ctx, run, sum(cents))
    (made,) = close(ctx)
    return made


def approved(ctx: Context) -> Batch:
    made = payouts.make_batch(ctx, MAKER, ISSUER, PAY_DAY)
    return payouts.approve_batch(ctx, CHECKER, ISSUER, made.batch_id, made.digest)


def exported(ctx: Context) -> Batch:
    made = approved(ctx)
    assert export.export_batch(ctx, ISSUER, made.batch_id) is not None
    return payouts.batch(ctx, MAKER, ISSUER, made.batch_id)


def holds(ctx: Context) -> None:
    """Every equation of the room's proof."""
    found = proof.equations(ctx, ISSUER)
    assert [e for e in found if not e.holds] == []
    assert found


def balances(ctx: Context) -> dict[str, int]:
    entries = ledger.entries(ctx, ISSUER, datetime(2026, 10, 1, tzinfo=UTC))
    return {name: amount.amount_minor for (name, _), amount in ledger.balances(entries).items() if amount}


def kinds(ctx: Context) -> list[str]:
    return sorted(row.kind.value for row in journal.listed(ctx, OPS, ISSUER) if row.kind.value != "IBAN_CHANGED")


def booked(of: Payout, **changes: Any) -> dict[str, Any]:
    """The fact of a booked debit, as it is read back from its row."""
    amount = {"amount_minor": of.pay.amount_minor, "currency": of.currency}
    base = {"end_to_end_id": of.end_to_end_id, "amount": amount, "entry_key": "e1", "booked_on": "2026-11-20"}
    return base | {"account": BANK} | changes


# ---- shares --------------------------------------------------------------------------------------------------------
def test_every_session_has_one_share_and_the_parts_sum(house: Stage) -> None:
    ctx = house.ctx
    sessions = [session(1, 1001), session(2, 333, account="OWN"), session(3, -500, credit_of="DEABC.C0")]
    for _ in range(2):
        assert payouts.accrue(ctx, ISSUER, "R1", sessions) == 3
    revenue(ctx, "R1", 834)
    first, second = close(ctx)
    assert close(ctx) == []
    own, partner = (first, second) if first.account_id == "OWN" else (second, first)
    assert (own.gross.amount_minor, own.share.amount_minor, own.own.amount_minor) == (333, 0, 333)
    assert (partner.gross.amount_minor, partner.share.amount_minor, partner.commission.amount_minor) == (501, 401, 100)
    assert [line.share.amount_minor for line in payouts.lines(ctx, partner)] == [801, -400]
    holds(ctx)


def test_one_write_per_session(house: Stage) -> None:
    writes = []
    real = house.tables._call

    def count(operation: str, **request: Any) -> dict[str, Any]:
        writes.append(operation) if operation in {"put_item", "update_item", "transact_write_items"} else None
        return real(operation, **request)

    type(house.tables)._call, keep = (lambda _self, op, **r: count(op, **r)), type(house.tables)._call
    try:
        real = keep.__get__(house.tables)
        payouts.accrue(house.ctx, ISSUER, "R1", [session(n, 100) for n in range(20)])
    finally:
        type(house.tables)._call = keep
    assert writes == ["put_item"] * 21


def test_the_split_is_the_one_of_session_stop(house: Stage) -> None:
    ctx = house.ctx
    evses.propose_change(ctx, MAKER, ISSUER, "P1", terms(share_percent=Decimal(50)))
    evses.approve_account(ctx, CHECKER, ISSUER, "P1")
    late = session(2, 1000, stop_utc=ctx.now() + timedelta(days=1))
    payouts.accrue(ctx, ISSUER, "R1", [session(1, 1000), late])
    (made,) = close(ctx)
    assert [line.share.amount_minor for line in payouts.lines(ctx, made)] == [800, 500]


def test_parked_shares_find_their_account_once(house: Stage) -> None:
    ctx = house.ctx
    payouts.accrue(ctx, ISSUER, "R1", [session(n, 1000, account=None, evse_id="DEABCE1") for n in range(3)])
    revenue(ctx, "R1", 3000)
    assert close(ctx) == []
    holds(ctx)
    evses.register_location(ctx, ISSUER, "DEABC", location())
    evses.assign(ctx, OPS, ISSUER, ["DEABCE1"], "P1")
    assert [payouts.release_parked(ctx, ISSUER, "DEABCE1") for _ in range(2)] == [3, 0]
    payouts.accrue(ctx, ISSUER, "R1", [session(n, 1000, account=None, evse_id="DEABCE1") for n in range(3)])
    (made,) = close(ctx)
    assert made.share == Money(2400, "EUR")
    holds(ctx)


# ---- statements ----------------------------------------------------------------------------------------------------
def test_a_statement_is_numbered_posted_and_told(house: Stage) -> None:
    ctx = house.ctx
    made = ready(ctx, 10_00, 20_00)
    assert (made.payout_id, made.state, made.document_number) == ("PO-P1-0001", PayoutStatus.READY, "ACG-2026-000001")
    assert (made.share.amount_minor, made.vat.amount_minor, made.pay.amount_minor) == (2400, 456, 2856)
    assert balances(ctx) == {
        "receivable:EMSP-1": 3000,
        "revenue:EMSP-1": -3000,
        "energy_cost:P1": 2400,
        "input_vat:DE": 456,
        "payable:P1": -2856,
    }
    facts = [r for r in outbox.pending(ctx.db, ISSUER, ctx.now() + timedelta(days=1)) if r["fact"] == "payout.ready"]
    assert facts[0]["payload"]["payout_id"] == "PO-P1-0001"
    again = ready(ctx, 20_00, run="R2", first=50)
    assert (again.payout_id, again.document_number) == ("PO-P1-0002", "ACG-2026-000002")
    holds(ctx)


def test_an_own_account_gets_a_statement_never_a_document_or_transfer(house: Stage) -> None:
    ctx = house.ctx
    payouts.accrue(ctx, ISSUER, "R1", [session(1, 5000, account="OWN")])
    revenue(ctx, "R1", 5000)
    (made,) = close(ctx)
    assert (made.state, made.pay.amount_minor, made.document_number) == (PayoutStatus.CONFIRMED, 0, None)
    assert balances(ctx)["own_share:OWN"] == -5000
    with pytest.raises(Conflict):
        payouts.make_batch(ctx, MAKER, ISSUER, PAY_DAY)
    holds(ctx)


def test_below_the_minimum_is_carried_and_negative_too(house: Stage) -> None:
    ctx = house.ctx
    small = ready(ctx, 5_00)
    assert (small.state, small.pay.amount_minor, small.closing.amount_minor) == (PayoutStatus.CARRIED, 0, 476)
    assert small.document_number == "ACG-2026-000001"
    negative = ready(ctx, -10_00, run="R2", first=10)
    assert (negative.document_type, negative.document_number) == ("261", "ACH-2026-000001")
    assert (negative.opening.amount_minor, negative.closing.amount_minor) == (476, -476)
    assert kinds(ctx) == ["BELOW_MINIMUM", "NEGATIVE_BALANCE"]
    holds(ctx)
    good = ready(ctx, 30_00, run="R3", first=20)
    assert (good.state, good.opening.amount_minor, good.pay.amount_minor) == (PayoutStatus.READY, -476, 2856 - 476)
    assert good.closing == Money.zero("EUR")
    holds(ctx)


def test_without_an_agreement_the_share_waits(house: Stage) -> None:
    ctx = house.ctx
    evses.propose_change(ctx, MAKER, ISSUER, "P1", terms(agreement=None))
    evses.approve_account(ctx, CHECKER, ISSUER, "P1")
    payouts.accrue(ctx, ISSUER, "R1", [session(1, 5000)])
    assert close(ctx) == close(ctx) == []
    assert kinds(ctx) == ["AGREEMENT_MISSING"]
    evses.propose_change(ctx, MAKER, ISSUER, "P1", terms())
    evses.approve_account(ctx, CHECKER, ISSUER, "P1")
    assert [p.document_number for p in close(ctx)] == ["ACG-2026-000001"]
    assert kinds(ctx) == []


def test_a_holder_who_is_no_taxable_person_gets_no_vat(house: Stage) -> None:
    ctx = house.ctx
    evses.propose_change(ctx, MAKER, ISSUER, "P1", terms(agreement=None, vat=None, vat_id=None))
    evses.approve_account(ctx, CHECKER, ISSUER, "P1")
    made = ready(ctx, 50_00)
    assert (made.vat.amount_minor, made.document_number, made.pay.amount_minor) == (0, None, 4000)
    holds(ctx)


def test_what_the_proof_refuses_takes_no_number(house: Stage) -> None:
    ctx = house.ctx
    payouts.accrue(ctx, ISSUER, "R1", [session(1, 5000)])
    assert close(ctx, proof=lambda _: ["seller.city: is missing"]) == []
    assert kinds(ctx) == ["EINVOICE_INVALID"]
    assert [p.document_number for p in close(ctx)] == ["ACG-2026-000001"]
    assert kinds(ctx) == []


def test_more_groups_than_a_transaction_holds_make_several_statements(house: Stage) -> None:
    ctx = house.ctx
    for n in range(82):
        payouts.accrue(ctx, ISSUER, f"R{n}", [session(n, 1000)])
    assert [len(p.groups) for p in close(ctx)] == [80, 2]
    assert [p.document_number for p in payouts.payouts(ctx, MAKER, ISSUER)] == ["ACG-2026-000001", "ACG-2026-000002"]


def test_a_sub_cpo_sees_its_own_payouts_only(house: Stage) -> None:
    ctx = house.ctx
    made = ready(ctx, 50_00)
    payouts.accrue(ctx, ISSUER, "R2", [session(9, 5000, account="OWN")])
    close(ctx)
    sub = actor("sub", Role.SUB_CPO_USER, account_id="P1")
    assert [p.payout_id for p in payouts.payouts(ctx, sub, ISSUER)] == [made.payout_id]
    with pytest.raises(NotFound):
        payouts.payout_for(ctx, sub, ISSUER, "PO-OWN-0001")
    with pytest.raises(NotFound):
        payouts.batches(ctx, sub, ISSUER)
    with pytest.raises(Forbidden):
        payouts.close_cycle(ctx, sub, ISSUER, ctx.now())


# ---- batches -------------------------------------------------------------------------------------------------------
def test_a_batch_is_made_by_one_and_approved_by_another(house: Stage) -> None:
    ctx = house.ctx
    payout = ready(ctx, 50_00)
    made = payouts.make_batch(ctx, MAKER, ISSUER, PAY_DAY)
    assert (made.state, made.total.amount_minor, len(made.digest)) == (BatchState.MADE, 4760, 64)
    both = actor("fin-1", Role.FINANCE_APPROVER)
    with pytest.raises(Forbidden, match="second person"):
        payouts.approve_batch(ctx, both, ISSUER, made.batch_id, made.digest)
    with pytest.raises(Forbidden):
        payouts.approve_batch(ctx, MAKER, ISSUER, made.batch_id, made.digest)
    with pytest.raises(Forbidden):
        payouts.make_batch(ctx, CHECKER, ISSUER, PAY_DAY)
    with pytest.raises(Conflict, match="shown"):
        payouts.approve_batch(ctx, CHECKER, ISSUER, made.batch_id, "0" * 64)
    with pytest.raises(Conflict):
        export.export_batch(ctx, ISSUER, made.batch_id)
    with pytest.raises(Conflict, match="no payout"):
        payouts.make_batch(ctx, MAKER, ISSUER, PAY_DAY)
    for _ in range(2):
        approved = payouts.approve_batch(ctx, CHECKER, ISSUER, made.batch_id, made.digest)
    assert approved.approved_at_utc == ctx.now()
    assert payouts.payout_for(ctx, MAKER, ISSUER, payout.payout_id).state is PayoutStatus.APPROVED


@pytest.mark.parametrize("day", [date(2026, 11, 9), date(2026, 11, 14), date(2026, 12, 25)])
def test_the_day_of_execution_is_a_bank_day_to_come(house: Stage, day: date) -> None:
    ready(house.ctx, 50_00)
    with pytest.raises(InvalidInput):
        payouts.make_batch(house.ctx, MAKER, ISSUER, day)


def test_nothing_leaves_in_cooling_off_or_for_an_inactive_account(house: Stage) -> None:
    ctx = house.ctx
    ready(ctx, 50_00)
    evses.propose_change(ctx, MAKER, ISSUER, "P1", terms(iban=OTHER_IBAN))
    evses.approve_account(ctx, CHECKER, ISSUER, "P1")
    house.clock.advance(timedelta(hours=71, minutes=59))
    with pytest.raises(Conflict, match="no payout"):
        payouts.make_batch(ctx, MAKER, ISSUER, PAY_DAY)
    house.clock.advance(timedelta(minutes=1))
    evses.deactivate_account(ctx, MAKER, ISSUER, "P1", Unpaid.FREEZE)
    with pytest.raises(Conflict, match="no payout"):
        payouts.make_batch(ctx, MAKER, ISSUER, PAY_DAY)


def test_amounts_of_a_deactivated_account_may_stay_payable(house: Stage) -> None:
    ready(house.ctx, 50_00)
    evses.deactivate_account(house.ctx, MAKER, ISSUER, "P1", Unpaid.PAY)
    assert len(payouts.make_batch(house.ctx, MAKER, ISSUER, PAY_DAY).items) == 1


def test_changed_bank_details_take_an_item_out_and_void_the_approval(house: Stage) -> None:
    ctx = house.ctx
    evses.create_account(ctx, MAKER, ISSUER, "P2", "Partner 2", terms(vat_id="DE136695976"))
    evses.approve_account(ctx, CHECKER, ISSUER, "P2")
    house.clock.advance(timedelta(days=4))
    payouts.accrue(ctx, ISSUER, "R1", [session(1, 5000), session(2, 7000, account="P2")])
    close(ctx)
    batch = approved(ctx)
    evses.propose_change(ctx, MAKER, ISSUER, "P1", terms(iban=OTHER_IBAN))
    evses.approve_account(ctx, CHECKER, ISSUER, "P1")
    house.clock.advance(timedelta(hours=73))
    assert export.export_batch(ctx, ISSUER, batch.batch_id) is None
    left = payouts.batch(ctx, MAKER, ISSUER, batch.batch_id)
    assert (left.state, [i.account_id for i in left.items], left.checker) == (BatchState.MADE, ["P2"], None)
    assert left.digest != batch.digest
    assert list(ctx.objects.keys("exports")) == []
    payouts.approve_batch(ctx, CHECKER, ISSUER, left.batch_id, left.digest)
    assert export.export_batch(ctx, ISSUER, left.batch_id) is not None
    other = payouts.make_batch(ctx, MAKER, ISSUER, PAY_DAY)
    assert [(i.account_id, i.iban) for i in other.items] == [("P1", OTHER_IBAN)]


def test_an_exported_batch_is_valid_posted_and_always_the_same_bytes(house: Stage) -> None:
    ctx = house.ctx
    payout = ready(ctx, 50_00)
    batch = approved(ctx)
    house.clock.advance(timedelta(hours=5))
    made = export.export_batch(ctx, ISSUER, batch.batch_id)
    assert made is not None
    data = ctx.objects.get("exports", made.file_key)
    assert data is not None
    assert hashlib.sha256(data).hexdigest() == made.sha256
    assert bank.schema_faults(data) == []
    text = {etree.QName(e).localname: e.text for e in etree.fromstring(data).iter()}
    assert (text["EndToEndId"], text["InstdAmt"], text["CreDtTm"]) == (
        payout.payout_id,
        "47.60",
        "2026-11-10T09:00:00Z",
    )
    assert (text["MsgId"], text["BtchBookg"]) == (batch.batch_id, "false")
    house.clock.advance(timedelta(days=1))
    assert export.export_batch(ctx, ISSUER, batch.batch_id) == made
    assert ctx.objects.get("exports", made.file_key) == data
    assert balances(ctx)[f"in_transit:{BANK}"] == -4760
    assert "payable:P1" not in balances(ctx)
    names = [payouts.copy_of(ctx, CHECKER, ISSUER, batch.batch_id).file_name for _ in range(3)]
    assert names == [f"{batch.batch_id}.xml", f"{batch.batch_id}-COPY-1.xml", f"{batch.batch_id}-COPY-2.xml"]
    holds(ctx)


def test_a_cancelled_batch_gives_its_payouts_back(house: Stage) -> None:
    ctx = house.ctx
    ready(ctx, 50_00)
    first = approved(ctx)
    assert payouts.cancel_batch(ctx, MAKER, ISSUER, first.batch_id, "wrong day").state is BatchState.CANCELLED
    second = exported(ctx)
    assert second.batch_id != first.batch_id
    with pytest.raises(Conflict):
        payouts.cancel_batch(ctx, MAKER, ISSUER, second.batch_id, "too late")
    holds(ctx)


def test_a_batch_refused_by_the_bank_is_paid_by_another_with_the_same_end_to_end_ids(house: Stage) -> None:
    ctx = house.ctx
    ready(ctx, 50_00)
    first = exported(ctx)
    payouts.reject_batch(ctx, CHECKER, ISSUER, first.batch_id, "pain.002 RJCT of the whole file")
    holds(ctx)
    second = exported(ctx)
    assert second.batch_id != first.batch_id
    assert [i.end_to_end_id for i in second.items] == [i.end_to_end_id for i in first.items]
    assert payouts.confirm_debit(ctx, ISSUER, booked(payouts.payout(ctx, ISSUER, "PO-P1-0001"))) == 1
    with pytest.raises(Conflict):
        payouts.reject_batch(ctx, CHECKER, ISSUER, second.batch_id, "pain.002 RJCT")


# ---- what the bank says --------------------------------------------------------------------------------------------
def test_a_booked_debit_confirms_once(house: Stage) -> None:
    ctx = house.ctx
    payout = ready(ctx, 50_00)
    exported(ctx)
    assert [payouts.confirm_debit(ctx, ISSUER, booked(payout)) for _ in range(2)] == [1, 0]
    known = payouts.payout(ctx, ISSUER, payout.payout_id)
    assert (known.state, known.confirmed_on) == (PayoutStatus.CONFIRMED, date(2026, 11, 20))
    assert kinds(ctx) == []


def test_a_batch_booked_in_one_sum_confirms_all(house: Stage) -> None:
    ctx = house.ctx
    ready(ctx, 50_00)
    ready(ctx, 70_00, run="R2", first=9)
    batch = exported(ctx)
    total = {"amount_minor": -batch.total.amount_minor, "currency": "EUR"}
    fact = {"payment_id": batch.batch_id, "amount": total, "entry_key": "e", "booked_on": date(2026, 11, 20)}
    assert payouts.confirm_debit(ctx, ISSUER, fact) == 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"amount": {"amount_minor": 4761, "currency": "EUR"}},
        {"end_to_end_id": "PO-P9-0001"},
    ],
)
def test_a_debit_that_differs_is_told_and_confirms_nothing(house: Stage, wrong: dict[str, Any]) -> None:
    ctx = house.ctx
    payout = ready(ctx, 50_00)
    exported(ctx)
    assert payouts.confirm_debit(ctx, ISSUER, booked(payout, **wrong)) == 0
    assert kinds(ctx) == ["UNMATCHED_DEBIT"]


def test_a_debit_before_the_export_is_told(house: Stage) -> None:
    payout = ready(house.ctx, 50_00)
    assert payouts.confirm_debit(house.ctx, ISSUER, booked(payout)) == 0
    assert kinds(house.ctx) == ["UNMATCHED_DEBIT"]


def test_a_return_makes_the_amount_payable_again(house: Stage) -> None:
    ctx = house.ctx
    payout = ready(ctx, 50_00)
    exported(ctx)
    payouts.confirm_debit(ctx, ISSUER, booked(payout))
    _bank_books(ctx, "d1", debit(Account.IN_TRANSIT.of(BANK), payout.pay), credit(Account.BANK.of(BANK), payout.pay))
    holds(ctx)
    back = booked(payout, entry_key="r1", reason="AC04")
    _bank_books(ctx, "r1", debit(Account.BANK.of(BANK), payout.pay), credit(Account.IN_TRANSIT.of(BANK), payout.pay))
    assert [payouts.take_return(ctx, ISSUER, back) for _ in range(2)] == [True, False]
    assert balances(ctx)["payable:P1"] == -4760
    assert f"in_transit:{BANK}" not in balances(ctx)
    assert kinds(ctx) == ["RETURNED_PAYOUT"]
    holds(ctx)
    again = payouts.release_returned(ctx, MAKER, ISSUER, payout.payout_id)
    assert (again.state, again.end_to_end_id) == (PayoutStatus.READY, "PO-P1-0001-2")
    assert kinds(ctx) == []
    second = exported(ctx)
    assert [i.end_to_end_id for i in second.items] == ["PO-P1-0001-2"]
    assert payouts.take_return(ctx, ISSUER, back) is False
    assert payouts.confirm_debit(ctx, ISSUER, booked(again, entry_key="e2")) == 1
    _bank_books(ctx, "d2", debit(Account.IN_TRANSIT.of(BANK), payout.pay), credit(Account.BANK.of(BANK), payout.pay))
    holds(ctx)


def _bank_books(ctx: Context, subject: str, *lines: Any) -> None:
    """What the reconciliation room posts for a booked entry."""
    put = ledger.entry(ctx, issuer_id=ISSUER, event=Event.BANK_DEBIT, subject=subject, currency="EUR", lines=lines)
    ctx.db.write(put)


def test_what_no_bank_would_take_is_told_and_left_out(house: Stage) -> None:
    ctx = house.ctx
    ready(ctx, 50_00)
    # Seventy letters, but each ü is written as two towards the bank.
    evses.propose_change(ctx, MAKER, ISSUER, "P1", terms(holder="ü" * 70))
    evses.approve_account(ctx, CHECKER, ISSUER, "P1")
    house.clock.advance(timedelta(hours=72))
    with pytest.raises(Conflict, match="no payout"):
        payouts.make_batch(ctx, MAKER, ISSUER, PAY_DAY)
    assert kinds(ctx) == ["IBAN_INVALID"]


def test_a_batch_that_cannot_be_written_does_not_stop_the_others(house: Stage) -> None:
    ctx = house.ctx
    ready(ctx, 50_00)
    first = approved(ctx)
    house.clock.set(datetime(2026, 11, 10, 10, tzinfo=UTC))
    ready(ctx, 60_00, run="R2", first=20)
    second = approved(ctx)
    broken = first.model_copy(update={"execution_date": date(2026, 11, 8)})
    known = payouts.batch(ctx, MAKER, ISSUER, first.batch_id)
    ctx.db.write(store.batch_put(broken, known))
    with pytest.raises(Unavailable):
        export.export_due(ctx, ISSUER)
    assert payouts.batch(ctx, MAKER, ISSUER, second.batch_id).state is BatchState.EXPORTED
    assert payouts.batch(ctx, MAKER, ISSUER, first.batch_id).state is BatchState.APPROVED
    assert kinds(ctx) == ["PROCESSING_FAILED"]


def test_ledger_and_audit_chains_hold(house: Stage) -> None:
    ctx = house.ctx
    ready(ctx, 50_00)
    batch = exported(ctx)
    chains = (("BATCH", batch.batch_id), ("PAYOUT", "PO-P1-0001"), ("PAYOUT_ACCOUNT", "P1"))
    for kind, subject in chains:
        assert audit.history(ctx, ISSUER, kind, subject)
        assert audit.broken_link(ctx, ISSUER, kind, subject) is None
    assert [e.action for e in audit.history(ctx, ISSUER, "BATCH", batch.batch_id)] == ["MADE", "APPROVED", "EXPORTED"]
