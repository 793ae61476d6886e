"""Bank files against issued documents: postings, matches, exceptions, returns, repeats, crashes."""

# Longer than 400 lines: every rule of the cascade is asked about the same documents.

from __future__ import annotations

import threading
from datetime import date
from typing import Any

import pytest

from roamclear.aws import keys
from roamclear.billing import proof
from roamclear.billing import service as billing
from roamclear.kernel.context import Context
from roamclear.kernel.errors import Conflict, Forbidden, InvalidInput
from roamclear.kernel.money import Money
from roamclear.kernel.pages import Asked
from roamclear.kernel.writes import Put, Table
from roamclear.reconciliation import booking, importing, store
from roamclear.reconciliation import service as reconciliation
from roamclear.reconciliation.model import BankAccount, FileState, Rule, Share
from tests.support import builders as b
from tests.support.bank_files import IBAN, Ntry, Stmt, Tx, camt
from tests.support.moto_stack import Stage
from tests.support.receivables import balances, drop, exceptions, issue, open_exceptions, states

OTHER = "C-OTH"
FINANCE = b.actor("FINANCE")
BANK = f"bank:{IBAN}"
SUSPENSE = f"suspense:{IBAN}"


@pytest.fixture
def ctx(stage: Stage) -> Context:
    """An issuer with two contracts."""
    b.found_issuer(stage.ctx)
    b.found_contract(stage.ctx)
    b.found_contract(stage.ctx, contract_id=OTHER, party_ids=("NLOTH",))
    stage.clock.set(stage.clock.now().replace(month=11, day=10))
    return stage.ctx


def pay(amount: str, ref: str, *text: str, **tx: Any) -> Ntry:
    """A credit with its own bank reference."""
    return Ntry(amount, ref=ref, txs=[Tx(amount, text=text, **tx)])


def holds(ctx: Context) -> None:
    """Every equation of this room and of the receivables; the documents of these tests skip numbers."""
    for equation in [*reconciliation.equations(ctx, b.ISSUER), *proof.equations(ctx, b.ISSUER)]:
        assert equation.holds or equation.name.startswith("numbers"), equation


def test_the_banks_month(ctx: Context) -> None:
    exact, short = issue(ctx, 1, "100.00"), issue(ctx, 2, "50.00")
    file = camt(
        Stmt(
            [
                pay("100.00", "B1", reference=exact.reference),
                pay("45.00", "B2", "payment VW 2026 0000 02 less"),
                pay("7.77", "B3", "hello", payer=None),
            ]
        )
    )
    imported = drop(ctx, file)
    assert (imported.state, imported.booked) == (FileState.PARTLY, 3)
    assert states(ctx) == {exact.number: ("PAID", 0), short.number: ("PARTIALLY_PAID", 500)}
    assert open_exceptions(ctx) == [("SHORT_PAY", short.number), ("UNMATCHED_CREDIT", "")]
    assert balances(ctx)[BANK] == 100_000 + 15_277
    assert balances(ctx)["receivable:C-RON"] == 500
    assert balances(ctx)[SUSPENSE] == -777
    before = balances(ctx)
    again = drop(ctx, file)
    facts = [row for row in ctx.db.rows(Table.CLEARING, f"{b.ISSUER}#OUTBOX") if row["fact"] == "payment.unmatched"]
    assert [(f["payload"]["amount"]["amount_minor"], f["payload"]["reason"]) for f in facts] == [
        (777, "UNMATCHED_CREDIT")
    ]
    assert again == imported
    drop(ctx, file, "another-name.xml")
    assert balances(ctx) == before
    assert len(exceptions(ctx)) == 2
    holds(ctx)
    drop(ctx, camt(Stmt([pay("5.00", "B4", short.number)], id="S2", number="2", opening="1152.77", day="2026-11-04")))
    assert states(ctx)[short.number] == ("PAID", 0)
    assert open_exceptions(ctx) == [("UNMATCHED_CREDIT", "")]
    holds(ctx)


def test_each_match_keeps_rule_score_and_fields(ctx: Context) -> None:
    made = issue(ctx, 1, "100.00")
    drop(ctx, camt(Stmt([pay("100.00", "B1", reference=made.reference)])))
    (entry,) = store.entries(ctx.db, b.ISSUER, IBAN)
    (allocation,) = reconciliation.matches(ctx, FINANCE, b.ISSUER, f"{entry.entry_id}-0")
    assert (allocation.rule, allocation.score) == (Rule.CREDITOR_REFERENCE, 100)
    assert allocation.fields == ("reference", "amount")
    assert (allocation.number, allocation.amount) == (made.number, Money(10_000, "EUR"))


def test_one_payment_for_invoices_and_a_credit_note(ctx: Context) -> None:
    numbers = [issue(ctx, n, amount).number for n, amount in ((1, "100.00"), (2, "50.00"), (3, "-20.00"))]
    drop(ctx, camt(Stmt([pay("130.00", "B1", " ".join(numbers))])))
    assert {state for state, _ in states(ctx).values()} == {"PAID"}
    assert "receivable:C-RON" not in balances(ctx)
    holds(ctx)


def test_too_much_is_kept_for_the_partner(ctx: Context) -> None:
    made = issue(ctx, 1, "100.00")
    drop(ctx, camt(Stmt([pay("130.00", "B1", reference=made.reference)])))
    assert states(ctx)[made.number] == ("PAID", 0)
    assert balances(ctx)["unapplied:C-RON"] == -3_000
    assert open_exceptions(ctx) == [("OVERPAY", made.number)]
    holds(ctx)


def test_a_second_payment_of_a_paid_document_is_a_duplicate(ctx: Context) -> None:
    made = issue(ctx, 1, "100.00")
    first, second = pay("100.00", "B1", reference=made.reference), pay("100.00", "B2", made.number)
    drop(ctx, camt(Stmt([first, second])))
    assert open_exceptions(ctx) == [("DUPLICATE_PAYMENT", "")]
    assert balances(ctx)["unapplied:C-RON"] == -10_000
    holds(ctx)


def test_late_wrong_currency_and_ambiguous(ctx: Context) -> None:
    late = issue(ctx, 1, "10.00", due=date(2026, 10, 30))
    foreign = issue(ctx, 2, "20.00")
    twins = [issue(ctx, n, "33.00", contract_id=c) for n, c in ((3, b.CONTRACT), (4, OTHER))]
    reconciliation.register_account(
        ctx, FINANCE, b.ISSUER, BankAccount(issuer_id=b.ISSUER, account=IBAN, currency="CHF")
    )
    drop(ctx, camt(Stmt([pay("10.00", "B1", late.number), pay("33.00", "B2", "rent", payer=None)])))
    swiss = Ntry("20.00", ref="B3", currency="CHF", txs=[Tx("20.00", currency="CHF", reference=foreign.reference)])
    drop(ctx, camt(Stmt([swiss], currency="CHF", id="S2")))
    assert open_exceptions(ctx) == [("AMBIGUOUS_MATCH", ""), ("LATE_PAYMENT", late.number), ("WRONG_CURRENCY", "")]
    assert states(ctx)[foreign.number][0] == "ISSUED"
    assert {states(ctx)[twin.number][0] for twin in twins} == {"ISSUED"}
    holds(ctx)


def test_short_by_the_banks_charges_is_no_short_payment(ctx: Context) -> None:
    made = issue(ctx, 1, "100.00")
    charge = '<Chrgs><Rcrd><Amt Ccy="EUR">5.00</Amt><CdtDbtInd>DBIT</CdtDbtInd></Rcrd></Chrgs>'
    drop(ctx, camt(Stmt([pay("95.00", "B1", reference=made.reference, extra=charge)])))
    assert open_exceptions(ctx) == [("BANK_FEE", made.number)]


def test_a_learned_payer_makes_a_cut_number_sure(ctx: Context) -> None:
    first, second = issue(ctx, 1, "100.00"), issue(ctx, 77, "60.00")
    cut = pay("60.00", "B1", "our ref 000077")
    drop(ctx, camt(Stmt([cut])))
    assert states(ctx)[second.number][0] == "ISSUED"
    assert open_exceptions(ctx) == [("UNMATCHED_CREDIT", "")]
    drop(ctx, camt(Stmt([pay("100.00", "B2", first.number)], id="S2", number="2", opening="1060.00", day="2026-11-04")))
    assert states(ctx)[second.number] == ("PAID", 0)
    assert open_exceptions(ctx) == []
    holds(ctx)


def test_suggestions_are_stored_and_matched_by_hand(ctx: Context) -> None:
    made = issue(ctx, 1, "100.00")
    drop(ctx, camt(Stmt([pay("100.00", "B1", "thanks")])))
    (payment,) = reconciliation.open_payments_page(ctx, FINANCE, b.ISSUER, Asked(9)).items
    assert payment.suggestion is not None
    assert payment.suggestion.candidates == (made.number,)
    share = Share(number=made.number, contract_id="", amount=Money(10_000, "EUR"))
    with pytest.raises(Forbidden):
        reconciliation.match_by_hand(ctx, b.actor("VIEWER"), b.ISSUER, payment.payment_id, (share,))
    much = share.model_copy(update={"amount": Money(10_001, "EUR")})
    with pytest.raises(InvalidInput):
        reconciliation.match_by_hand(ctx, FINANCE, b.ISSUER, payment.payment_id, (much,))
    reconciliation.match_by_hand(ctx, FINANCE, b.ISSUER, payment.payment_id, (share,))
    assert states(ctx)[made.number] == ("PAID", 0)
    assert open_exceptions(ctx) == []
    with pytest.raises(Conflict):
        reconciliation.match_by_hand(ctx, FINANCE, b.ISSUER, payment.payment_id, (share,))
    holds(ctx)


# --- debits and returns ---------------------------------------------------------------------------------------------


def own_payment(ctx: Context, end_to_end_id: str) -> None:
    """What the payouts room leaves when it exports."""
    ctx.db.write(Put(Table.CLEARING, keys.end_to_end(b.ISSUER, end_to_end_id), {"issuer_id": b.ISSUER}))


def facts(ctx: Context, name: str) -> list[dict[str, Any]]:
    """Payloads of the outbox facts of a name."""
    rows = ctx.db.rows(Table.CLEARING, f"{b.ISSUER}#OUTBOX", consistent=True)
    return [row["payload"] for row in rows if row["fact"] == name]


def test_debits_are_handed_over_taken_as_fees_or_asked_about(ctx: Context) -> None:
    own_payment(ctx, "PO-1")
    fee = "<BkTxCd><Domn><Cd>ACMT</Cd><Fmly><Cd>MDOP</Cd><SubFmlyCd>CHRG</SubFmlyCd></Fmly></Domn></BkTxCd>"
    entries = [
        Ntry("70.00", sign="DBIT", ref="D1", txs=[Tx("30.00", end_to_end="PO-1"), Tx("40.00", end_to_end="PO-2")]),
        Ntry("2.50", sign="DBIT", ref="D2", extra=fee),
        Ntry("9.00", sign="DBIT", ref="D3"),
    ]
    drop(ctx, camt(Stmt(entries)))
    told = facts(ctx, "cash.debited")
    assert [(t["end_to_end_id"], t["amount"]["amount_minor"]) for t in told] == [("PO-1", 3000), ("PO-2", 4000)]
    assert told[0]["booked_on"] == "2026-11-03"
    found = balances(ctx)
    assert (found[f"in_transit:{IBAN}"], found[f"fees:{IBAN}"], found[SUSPENSE]) == (7_000, 250, 900)
    assert open_exceptions(ctx) == [("BANK_FEE", ""), ("UNMATCHED_DEBIT", "")]
    holds(ctx)


def test_a_batch_booked_in_one_sum_is_known_by_its_payment_id(ctx: Context) -> None:
    own_payment(ctx, "BATCH-1")
    batch = "<NtryDtls><Btch><PmtInfId>BATCH-1</PmtInfId><NbOfTxs>2</NbOfTxs></Btch></NtryDtls>"
    drop(ctx, camt(Stmt([Ntry("70.00", sign="DBIT", ref="D1", extra=batch)])))
    (told,) = facts(ctx, "cash.debited")
    assert (told["payment_id"], told["amount"]["amount_minor"]) == ("BATCH-1", 7000)
    assert balances(ctx)[f"in_transit:{IBAN}"] == 7_000


def test_a_payout_that_comes_back_is_handed_over(ctx: Context) -> None:
    own_payment(ctx, "PO-1")
    out = Ntry("30.00", sign="DBIT", ref="D1", txs=[Tx("30.00", end_to_end="PO-1")])
    back = Ntry("30.00", ref="R1", txs=[Tx("30.00", end_to_end="PO-1", return_reason="AC04")])
    drop(ctx, camt(Stmt([out, back])))
    (told,) = facts(ctx, "cash.returned")
    assert (told["end_to_end_id"], told["reason"], told["amount"]["amount_minor"]) == ("PO-1", "AC04", 3000)
    assert f"in_transit:{IBAN}" not in balances(ctx)
    assert SUSPENSE not in balances(ctx)
    assert open_exceptions(ctx) == []
    holds(ctx)


@pytest.mark.parametrize("return_first", [False, True])
def test_a_payment_taken_back_opens_its_invoice_again(ctx: Context, return_first: bool) -> None:
    made = issue(ctx, 1, "100.00")
    paid = camt(Stmt([pay("100.00", "B1", reference=made.reference, end_to_end="E1")]))
    gone = Ntry(
        "100.00", sign="DBIT", ref="R1", booked="2026-11-05", txs=[Tx("100.00", end_to_end="E1", return_reason="MD06")]
    )
    back = camt(Stmt([gone], id="S2", number="2", opening="1100.00", day="2026-11-05"))
    for data in (back, paid) if return_first else (paid, back):
        drop(ctx, data)
    assert states(ctx)[made.number] == ("ISSUED", 10_000)
    assert open_exceptions(ctx) == [("RETURNED", made.number)]
    assert balances(ctx)["receivable:C-RON"] == 10_000
    assert SUSPENSE not in balances(ctx)
    (entry, _) = store.entries(ctx.db, b.ISSUER, IBAN)
    (allocation,) = store.allocations(ctx.db, b.ISSUER, f"{entry.entry_id}-0")
    assert allocation.reversed_by is not None
    holds(ctx)
    drop(ctx, back + b"\n")
    assert states(ctx)[made.number] == ("ISSUED", 10_000)


def test_a_return_without_its_original_needs_a_person(ctx: Context) -> None:
    drop(ctx, camt(Stmt([Ntry("30.00", sign="DBIT", ref="R1", reversal=True)])))
    assert open_exceptions(ctx) == [("RETURNED", "")]
    assert balances(ctx)[SUSPENSE] == 3_000
    holds(ctx)


# --- files ----------------------------------------------------------------------------------------------------------


def test_unreadable_and_unregistered_files_are_put_aside(ctx: Context) -> None:
    broken = drop(ctx, b"<Document><BkToCstmrStmt>")
    strange = drop(ctx, camt(Stmt([Ntry("1.00")], iban="NL91ABNA0417164300")))
    doubt = drop(ctx, camt(Stmt([Ntry("1.00", ref="B1"), Ntry("-1.00", ref="B2")], opening=None)))
    assert {one.state for one in (broken, strange, doubt)} == {FileState.QUARANTINED}
    assert strange.reason == "no registered account: …4300"
    assert balances(ctx) == {}
    assert [kind for kind, _ in open_exceptions(ctx)] == ["STATEMENT_QUARANTINED"] * 3


def test_a_file_put_aside_is_booked_once_its_account_is_registered(ctx: Context) -> None:
    account = "NL91ABNA0417164300"
    data = camt(Stmt([Ntry("1.00", ref="B1")], iban=account), Stmt([Ntry("2.00", ref="B2")], id="S2"))
    assert drop(ctx, data).booked == 1
    wanted = BankAccount(issuer_id=b.ISSUER, account=account, currency="EUR")
    reconciliation.register_account(ctx, FINANCE, b.ISSUER, wanted)
    importing.import_inbox(ctx)
    assert balances(ctx)[f"bank:{account}"] == 100_100
    assert balances(ctx)[BANK] == 100_200
    holds(ctx)


def test_announcements_are_not_booked_and_their_details_help(ctx: Context) -> None:
    made, other = issue(ctx, 1, "30.00"), issue(ctx, 2, "70.00")
    details = [Tx("30.00", text=[made.number]), Tx("70.00", text=[other.number])]
    notice = camt(Stmt([Ntry("100.00", ref="B1", txs=details)], opening=None), kind="054")
    statement = camt(Stmt([Ntry("100.00", ref="B1")]))
    drop(ctx, notice)
    assert balances(ctx)["receivable:C-RON"] == 10_000
    drop(ctx, statement)
    assert {state for state, _ in states(ctx).values()} == {"PAID"}
    holds(ctx)


def test_details_that_come_later_help_too(ctx: Context) -> None:
    made, other = issue(ctx, 1, "30.00"), issue(ctx, 2, "70.00")
    drop(ctx, camt(Stmt([Ntry("100.00", ref="B1")])))
    assert open_exceptions(ctx) == [("UNMATCHED_CREDIT", "")]
    details = [Tx("30.00", text=[made.number]), Tx("70.00", text=[other.number])]
    drop(ctx, camt(Stmt([Ntry("100.00", ref="B1", txs=details)], opening=None), kind="054"))
    assert {state for state, _ in states(ctx).values()} == {"PAID"}
    assert open_exceptions(ctx) == []
    holds(ctx)


def test_a_batch_that_comes_again_as_its_parts_is_booked_once(ctx: Context) -> None:
    drop(ctx, camt(Stmt([Ntry("100.00", ref="B1")])))
    parts = [Ntry("30.00", ref="B1"), Ntry("70.00", ref="B1"), Ntry("0.50", sign="DBIT", ref="B1")]
    drop(ctx, camt(Stmt(parts, id="S2", number="2", opening="1100.00", closing="1099.50", day="2026-11-04")))
    assert balances(ctx)[BANK] == 100_000 + 10_000 - 50


def test_gaps_are_told_and_closed_by_the_late_statement(ctx: Context) -> None:
    def day(number: int, opening: str) -> bytes:
        entry = Ntry("1.00", ref=f"B{number}", booked=f"2026-11-{number:02d}")
        return camt(Stmt([entry], id=f"S{number}", number=str(number), opening=opening, day=f"2026-11-{number:02d}"))

    drop(ctx, day(2, "1001.00"))
    drop(ctx, day(4, "1003.00"))
    assert [kind for kind, _ in open_exceptions(ctx) if kind == "STATEMENT_GAP"] == ["STATEMENT_GAP"]
    drop(ctx, day(3, "1002.00"))
    assert "STATEMENT_GAP" not in [kind for kind, _ in open_exceptions(ctx)]
    holds(ctx)
    drop(ctx, day(1, "1000.00"))
    assert balances(ctx)[f"equity:{IBAN}"] == -100_000
    holds(ctx)


def test_a_statement_that_does_not_add_up_or_comes_again_is_told(ctx: Context) -> None:
    drop(ctx, camt(Stmt([Ntry("1.00", ref="B1")], closing="1000.00")))
    assert ("STATEMENT_GAP", "") in open_exceptions(ctx)
    drop(ctx, camt(Stmt([Ntry("1.00", ref="B1")], closing="1000.00", mark="DUPL")))
    assert ("STATEMENT_DUPLICATE", "") in open_exceptions(ctx)
    assert balances(ctx)[BANK] == 100_100


def test_a_large_file_goes_on_from_its_checkpoint(ctx: Context) -> None:
    made = [issue(ctx, n, "1.00") for n in range(1, 13)]
    data = camt(Stmt([pay("1.00", f"B{n}", d.number) for n, d in enumerate(made)]))
    ctx.objects.put("inbox", "big.xml", data, "application/xml")
    calls = 0
    while not importing.import_file(ctx, "big.xml", limit=5).finished:
        calls += 1
    assert calls == 2
    assert {state for state, _ in states(ctx).values()} == {"PAID"}
    holds(ctx)


def test_a_batch_of_many_payments_is_booked_and_matched(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(booking, "INLINE", 3)
    made = [issue(ctx, n, "1.00") for n in range(1, 7)]
    drop(ctx, camt(Stmt([Ntry("6.00", ref="B1", txs=[Tx("1.00", text=[d.number]) for d in made])])))
    assert {state for state, _ in states(ctx).values()} == {"PAID"}
    assert balances(ctx) == {BANK: 100_600, f"equity:{IBAN}": -100_000, "revenue:C-RON": -600}
    holds(ctx)


def test_a_crash_between_any_two_writes_changes_nothing(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    made = [issue(ctx, n, "10.00") for n in range(1, 4)]
    data = camt(
        Stmt(
            [pay("10.00", "B1", made[0].number), pay("4.00", "B2", made[1].number), pay("3.00", "B3", "?", payer=None)]
        )
    )
    ctx.objects.put("inbox", "a.xml", data, "application/xml")
    left = [0]
    for name in ("transact", "write"):
        real = getattr(type(ctx.db), name)

        def failing(self: Any, *args: Any, _real: Any = real) -> Any:
            if left[0] <= 0:
                raise RuntimeError("the machine is gone")
            left[0] -= 1
            return _real(self, *args)

        monkeypatch.setattr(type(ctx.db), name, failing)
    for allowed in range(1, 60):
        left[0] = allowed % 4 + 1
        try:
            importing.import_file(ctx, "a.xml")
        except RuntimeError:
            continue
        break
    left[0] = 10_000
    assert importing.import_file(ctx, "a.xml").finished
    assert states(ctx) == {
        made[0].number: ("PAID", 0),
        made[1].number: ("PARTIALLY_PAID", 600),
        made[2].number: ("ISSUED", 1000),
    }
    assert open_exceptions(ctx) == [("SHORT_PAY", made[1].number), ("UNMATCHED_CREDIT", "")]
    assert balances(ctx)[BANK] == 101_700
    holds(ctx)


def test_two_workers_at_once_book_once(ctx: Context) -> None:
    made = [issue(ctx, n, "10.00") for n in range(1, 6)]
    data = camt(Stmt([pay("10.00", f"B{n}", d.number) for n, d in enumerate(made)]))
    ctx.objects.put("inbox", "a.xml", data, "application/xml")
    faults: list[Exception] = []

    def work() -> None:
        try:
            importing.import_file(ctx, "a.xml")
        except Exception as error:
            faults.append(error)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert {state for state, _ in states(ctx).values()} == {"PAID"}
    assert balances(ctx)[BANK] == 105_000
    assert open_exceptions(ctx) == []
    holds(ctx)


def test_paid_documents_leave_the_open_items(ctx: Context) -> None:
    made = issue(ctx, 1, "10.00")
    drop(ctx, camt(Stmt([pay("10.00", "B1", made.number)])))
    assert billing.open_documents(ctx, b.ISSUER, b.CONTRACT) == []
    assert billing.document(ctx, b.ISSUER, made.number).paid_at_utc == ctx.now()
