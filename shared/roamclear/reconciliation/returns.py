"""Linking money that went or came back to the entry it undoes (product.md row 81)."""

from __future__ import annotations

from roamclear.billing import service as billing
from roamclear.billing.model import Document, DocumentState
from roamclear.journal.model import ExceptionType
from roamclear.kernel.errors import ConditionFailed
from roamclear.kernel.money import Money, total
from roamclear.kernel.writes import Action
from roamclear.ledger import service as ledger
from roamclear.ledger.model import Account, Event, Line, credit, debit
from roamclear.reconciliation import store
from roamclear.reconciliation.book import Book
from roamclear.reconciliation.matching import closing, perform
from roamclear.reconciliation.model import (
    BankEntry,
    EntryKind,
    Notice,
    Payment,
    PaymentState,
)


def link_return(book: Book, payment: Payment) -> bool:
    """Link money that went or came back to the entry it undoes; only one entry of the same amount may fit."""
    found = [
        (entry, original)
        for entry_id in _quoted(book, payment)
        if (entry := store.entry(book.ctx.db, payment.issuer_id, payment.account, entry_id)) is not None
        for original in store.payments(book.ctx.db, payment.issuer_id, entry_id)
        if original.amount == -payment.amount and _undoable(original, payment)
    ]
    exact = [pair for pair in found if pair[1].end_to_end_id and pair[1].end_to_end_id in payment.quotes]
    chosen = exact or found
    if len(chosen) != 1:
        return False
    entry, original = chosen[0]
    try:
        if original.kind is EntryKind.PAYOUT:
            _undo_payout(book, payment, entry, original)
        else:
            _undo_credit(book, payment, entry, original)
    except ConditionFailed:
        book.refresh()
        return False
    return True


def _quoted(book: Book, payment: Payment) -> list[str]:
    names = [payment.end_to_end_id, *payment.quotes]
    found = [
        entry_id
        for name in dict.fromkeys(n for n in names if n)
        for entry_id in store.originals(book.ctx.db, payment.issuer_id, payment.account, name)
    ]
    return [entry_id for entry_id in dict.fromkeys(found) if entry_id != payment.entry_id]


def _undoable(original: Payment, payment: Payment) -> bool:
    if original.original_id is not None or original.booked_on > payment.booked_on:
        return False
    if payment.amount.amount_minor > 0:
        return original.kind is EntryKind.PAYOUT and original.state is PaymentState.DONE
    return original.kind is EntryKind.CREDIT and original.state is not PaymentState.RETURNED


def _undo_payout(book: Book, payment: Payment, entry: BankEntry, original: Payment) -> None:
    """Our payment came back: out of suspense into transit again; the payouts room makes it payable."""
    ctx, issuer_id = book.ctx, book.issuer_id
    lines = [
        debit(payment.holding, payment.amount),
        credit(Account.IN_TRANSIT.of(payment.account), payment.amount),
    ]
    payload: dict[str, object] = {
        "end_to_end_id": original.end_to_end_id,
        "amount": payment.amount,
        "entry_key": payment.entry_id,
        "booked_on": payment.booked_on,
        "reason": payment.return_reason,
    }
    linked, returned = _linked(payment, original, (*closing(payment), *closing(original)))
    ctx.db.transact(
        [
            store.payment_put(linked, payment),
            store.payment_put(returned, original),
            _return_entry(book, payment, lines, f"{Event.BANK_DEBIT.value}#{entry.entry_id}"),
            store.fact(ctx, issuer_id, "cash.returned", payment.payment_id, payload),
        ]
    )
    perform(book, linked.model_copy(update={"changed": payment.changed + 1}))


def _undo_credit(book: Book, payment: Payment, entry: BankEntry, original: Payment) -> None:
    """A partner's payment was taken back: its matches are undone, its documents open again, its money gone."""
    ctx, issuer_id = book.ctx, book.issuer_id
    actions: list[Action] = []
    reopened = []
    alive = [a for a in store.allocations(ctx.db, issuer_id, original.payment_id) if a.reversed_by is None]
    for sequence in sorted({a.sequence for a in alive}):
        subject = f"{original.payment_id}.{sequence}"
        back = f"{payment.payment_id}.{sequence}"
        actions.append(ledger.mirror(ctx, issuer_id, Event.ALLOCATION, subject, as_event=Event.RETURN, as_subject=back))
    for allocation in alive:
        actions.append(store.allocation_reversal(allocation, payment.payment_id))
    for number in dict.fromkeys(a.number for a in alive):
        before = billing.document(ctx, issuer_id, number)
        taken = total((a.amount for a in alive if a.number == number), payment.amount.currency)
        after, write = _reopen(before, before.open_amount + taken)
        reopened.append(after)
        actions.append(write)
    lines = [debit(original.booked_to, -payment.amount), credit(payment.holding, -payment.amount)]
    told = Notice(
        kind=ExceptionType.RETURNED.value,
        subject=original.payment_id,
        message=f"a payment was taken back ({payment.return_reason or 'no reason given'})",
        partner=reopened[0].contract_id if reopened else None,
        document=reopened[0].number if reopened else None,
        expected=original.amount,
        next_action="ask the partner to pay again",
    )
    linked, returned = _linked(payment, original, (*closing(payment), *closing(original), told))
    payload: dict[str, object] = {"payment_id": original.payment_id, "reason": payment.return_reason}
    actions += [
        store.payment_put(linked, payment),
        store.payment_put(returned, original),
        _return_entry(book, payment, lines, f"{Event.BANK_CREDIT.value}#{entry.entry_id}"),
        store.fact(ctx, issuer_id, "payment.returned", payment.payment_id, payload),
    ]
    ctx.db.transact(actions)
    book.refresh()
    perform(book, linked.model_copy(update={"changed": payment.changed + 1}))


def _reopen(before: Document, open_amount: Money) -> tuple[Document, Action]:
    if open_amount == before.gross:
        state = DocumentState.SENT if before.sent_at_utc else DocumentState.ISSUED
    else:
        state = DocumentState.PARTIALLY_PAID
    return billing.replace_document(before, open_amount=open_amount, state=state, paid_at_utc=None)


def _linked(payment: Payment, original: Payment, notices: tuple[Notice, ...]) -> tuple[Payment, Payment]:
    nothing = Money.zero(payment.amount.currency)
    linked = {"unapplied": nothing, "state": PaymentState.DONE, "original_id": original.payment_id, "pending": notices}
    returned = {"unapplied": nothing, "state": PaymentState.RETURNED, "original_id": payment.payment_id}
    return payment.model_copy(update=linked), original.model_copy(update=returned)


def _return_entry(book: Book, payment: Payment, lines: list[Line], mirrors: str) -> Action:
    return ledger.entry(
        book.ctx,
        issuer_id=book.issuer_id,
        event=Event.RETURN,
        subject=payment.payment_id,
        currency=payment.amount.currency,
        lines=lines,
        memo=f"return of {mirrors}",
        mirrors=mirrors,
    )
