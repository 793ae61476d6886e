"""Faults a review found in cash application, payouts and the register, each on the smallest story that shows it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from roamclear.evses import service as evses
from roamclear.evses.model import Policy, RequestState
from roamclear.identity.model import Role
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionType
from roamclear.kernel.context import Context
from roamclear.kernel.errors import Conflict, InvariantBroken
from roamclear.kernel.money import Money
from roamclear.kernel.pages import Asked
from roamclear.payouts import export
from roamclear.payouts import service as payouts
from roamclear.payouts.model import Payout, PayoutStatus
from roamclear.reconciliation import importing
from roamclear.reconciliation import service as reconciliation
from roamclear.reconciliation.model import BankAccount, Imported
from tests.support import builders as b
from tests.support import payees as p
from tests.support.bank_files import IBAN, Ntry, Stmt, camt
from tests.support.moto_stack import Stage
from tests.support.receivables import open_exceptions

PAY_DAY = date(2026, 11, 20)


@pytest.fixture
def house(stage: Stage) -> Stage:
    """An issuer and a payable external account."""
    p.issuer(stage.ctx)
    evses.create_account(stage.ctx, p.MAKER, p.ISSUER, "P1", "Partner 1", p.terms())
    evses.approve_account(stage.ctx, p.CHECKER, p.ISSUER, "P1")
    stage.clock.set(datetime(2026, 11, 10, 9, tzinfo=UTC))
    return stage


def sent(ctx: Context) -> None:
    made = payouts.make_batch(ctx, p.MAKER, p.ISSUER, PAY_DAY)
    payouts.approve_batch(ctx, p.CHECKER, p.ISSUER, made.batch_id, made.digest)
    assert export.export_batch(ctx, p.ISSUER, made.batch_id) is not None


def paid(ctx: Context) -> Payout:
    payouts.accrue(ctx, p.ISSUER, "R1", [p.session(1, 50_00)])
    (made,) = payouts.close_cycle(ctx, p.MAKER, p.ISSUER, ctx.now())
    sent(ctx)
    return made


def booked(of: Payout, entry: str = "e1", **changes: Any) -> dict[str, Any]:
    amount = {"amount_minor": of.pay.amount_minor, "currency": of.currency}
    base = {"end_to_end_id": of.end_to_end_id, "amount": amount, "entry_key": entry, "booked_on": "2026-11-20"}
    return base | changes


def standing(ctx: Context, of: Payout) -> PayoutStatus:
    return payouts.payout_for(ctx, p.MAKER, p.ISSUER, of.payout_id).state


def debits_told(ctx: Context) -> int:
    return sum(row.kind is ExceptionType.UNMATCHED_DEBIT for row in journal.listed(ctx, p.OPS, p.ISSUER))


def test_a_debit_told_again_does_not_confirm_the_next_attempt(house: Stage) -> None:
    ctx = house.ctx
    first = paid(ctx)
    assert payouts.confirm_debit(ctx, p.ISSUER, booked(first)) == 1
    assert payouts.take_return(ctx, p.ISSUER, booked(first, "r1"))
    second = payouts.release_returned(ctx, p.MAKER, p.ISSUER, first.payout_id)
    sent(ctx)
    assert payouts.confirm_debit(ctx, p.ISSUER, booked(first)) == 0
    assert (standing(ctx, first), debits_told(ctx)) == (PayoutStatus.EXPORTED, 0)
    # Another debit under the old reference is money that went twice.
    assert payouts.confirm_debit(ctx, p.ISSUER, booked(first, "e9")) == 0
    assert (standing(ctx, first), debits_told(ctx)) == (PayoutStatus.EXPORTED, 1)
    assert payouts.confirm_debit(ctx, p.ISSUER, booked(second, "e2")) == 1


@pytest.mark.parametrize("released", [False, True])
def test_a_debit_told_after_its_return_is_no_exception(house: Stage, released: bool) -> None:
    ctx = house.ctx
    first = paid(ctx)
    assert payouts.take_return(ctx, p.ISSUER, booked(first, "r1"))
    if released:
        payouts.release_returned(ctx, p.MAKER, p.ISSUER, first.payout_id)
        sent(ctx)
    before = standing(ctx, first)
    for _ in range(2):
        assert payouts.confirm_debit(ctx, p.ISSUER, booked(first)) == 0
    assert standing(ctx, first) is before
    assert debits_told(ctx) == 0


def test_an_evse_assigned_between_lock_and_accrual_gets_its_shares(house: Stage) -> None:
    ctx = house.ctx
    p.chargers(ctx)
    evses.assign(ctx, p.OPS, p.ISSUER, ["DEABCE1"], "P1")
    assert payouts.release_parked(ctx, p.ISSUER, "DEABCE1") == 0
    for _ in range(2):
        payouts.accrue(ctx, p.ISSUER, "R1", [p.session(n, 10_00, account=None, evse_id="DEABCE1") for n in range(3)])
    (made,) = payouts.close_cycle(ctx, p.MAKER, p.ISSUER, ctx.now())
    assert (made.sessions, made.gross) == (3, Money(30_00, "EUR"))


def test_an_assignment_that_was_decided_once_can_be_asked_for_again(house: Stage) -> None:
    ctx = house.ctx
    p.chargers(ctx)
    evses.set_policy(ctx, p.CHECKER, p.ISSUER, Policy(max_moved_minor=1))
    since = ctx.now()

    def ask() -> Any:
        return evses.assign(ctx, p.OPS, p.ISSUER, ["DEABCE1"], "P1", since, moved=[Money(5_00, "EUR")])

    refused = ask()
    evses.refuse_assignment(ctx, p.CHECKER, p.ISSUER, refused.request_id)
    house.clock.set(datetime(2026, 11, 10, 10, tzinfo=UTC))
    asked = ask()
    assert asked.state is RequestState.PENDING
    evses.approve_assignment(ctx, p.CHECKER, p.ISSUER, asked.request_id)
    evses.unassign(ctx, p.OPS, p.ISSUER, ["DEABCE1"])
    house.clock.set(datetime(2026, 11, 10, 11, tzinfo=UTC))
    assert ask().state is RequestState.PENDING


def test_a_bank_file_that_fails_does_not_stop_the_others(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    ctx = stage.ctx
    b.found_issuer(ctx)
    ctx.objects.put("inbox", "a.xml", camt(Stmt([Ntry("1.00", ref="B1")])), "application/xml")
    ctx.objects.put("inbox", "b.xml", camt(Stmt([Ntry("2.00", ref="B2")], id="S2", number="2")), "application/xml")
    whole = importing.import_file

    def broken(ctx: Context, object_key: str) -> Imported:
        if object_key == "a.xml":
            raise InvariantBroken("this file always fails")
        return whole(ctx, object_key)

    with monkeypatch.context() as patched:
        patched.setattr(importing, "import_file", broken)
        with pytest.raises(InvariantBroken):
            importing.import_inbox(ctx)
    (kept,) = reconciliation.open_payments_page(ctx, b.actor("FINANCE"), b.ISSUER, Asked(9)).items
    assert kept.amount == Money(2_00, "EUR")


def test_two_accounts_may_number_their_statements_alike(stage: Stage) -> None:
    ctx = stage.ctx
    b.found_issuer(ctx)
    other = "DE75512108001245126199"
    for account in (IBAN, other):
        wanted = BankAccount(issuer_id=b.ISSUER, account=account, currency="EUR")
        reconciliation.register_account(ctx, b.actor("FINANCE"), b.ISSUER, wanted)
    wrong = [Stmt([Ntry("1.00", ref="B1")], iban=account, closing="9999.00") for account in (IBAN, other)]
    ctx.objects.put("inbox", "two.xml", camt(*wrong), "application/xml")
    importing.import_inbox(ctx)
    assert [kind for kind, _ in open_exceptions(ctx)].count("STATEMENT_GAP") == 2


def test_a_file_put_aside_is_settled_when_its_account_is_registered(stage: Stage) -> None:
    ctx = stage.ctx
    b.found_issuer(ctx)
    other = "DE75512108001245126199"
    ctx.objects.put("inbox", "one.xml", camt(Stmt(iban=other, entries=[Ntry("1.00", ref="B1")])), "application/xml")
    importing.import_inbox(ctx)
    assert [kind for kind, _ in open_exceptions(ctx)] == ["STATEMENT_QUARANTINED"]
    wanted = BankAccount(issuer_id=b.ISSUER, account=other, currency="EUR")
    reconciliation.register_account(ctx, b.actor("FINANCE"), b.ISSUER, wanted)
    importing.import_inbox(ctx)
    assert [kind for kind, _ in open_exceptions(ctx)] == ["UNMATCHED_CREDIT"]


def test_the_fault_of_a_row_shows_none_of_its_values() -> None:
    with pytest.raises(ValidationError) as caught:
        BankAccount.load({"account": IBAN})
    assert IBAN not in str(caught.value)


def test_nobody_registers_the_account_that_another_issuer_prints(stage: Stage) -> None:
    ctx = stage.ctx
    owner = b.found_issuer(ctx, iban="DE75512108001245126199")
    p.issuer(ctx)
    stolen = BankAccount(issuer_id=p.ISSUER, account=owner.iban, currency="EUR")
    with pytest.raises(Conflict):
        reconciliation.register_account(ctx, p.actor("thief", Role.FINANCE), p.ISSUER, stolen)
    own = stolen.model_copy(update={"issuer_id": b.ISSUER})
    assert reconciliation.register_account(ctx, b.actor("FINANCE"), b.ISSUER, own).issuer_id == b.ISSUER
