"""What is settled without a person, and what a person is told (rules.md 9)."""

from __future__ import annotations

from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionType
from roamclear.kernel.context import Context
from roamclear.kernel.errors import Busy, ConditionFailed, NotFound
from roamclear.kernel.record import plain
from roamclear.kernel.writes import Put
from roamclear.reconciliation import store
from roamclear.reconciliation.book import Book
from roamclear.reconciliation.matching import apply, closing, perform
from roamclear.reconciliation.model import (
    Decision,
    EntryKind,
    Level,
    Payment,
    PaymentState,
)
from roamclear.reconciliation.returns import link_return

_TRIES = 8


def settle(book: Book, payment: Payment) -> bool:
    """Do what can be done without a person, any number of times; True if anything was done."""
    if payment.state is not PaymentState.OPEN:
        return False
    if payment.kind is EntryKind.RETURN:
        return link_return(book, payment)
    if payment.kind is not EntryKind.CREDIT:
        return False
    for _ in range(_TRIES):
        decision = book.decide(payment)
        if decision.level is not Level.AUTO:
            return False
        try:
            apply(book, payment, decision, "system:matching")
        except ConditionFailed:
            book.refresh()
            current = store.payment(book.ctx.db, payment.issuer_id, payment.entry_id, payment.index)
            if current is None or current.state is not PaymentState.OPEN:
                return False
            payment = current
            continue
        return True
    raise Busy("a payment's documents are changed by too many at once")


def settle_entry(book: Book, account: str, entry_id: str) -> list[Payment]:
    """Settle the payments of an entry right after its booking, and again at every repeat; they come back as read."""
    ctx, issuer_id = book.ctx, book.issuer_id
    payments = store.payments(ctx.db, issuer_id, entry_id)
    for payment in payments:
        if payment.kind is EntryKind.FEE:
            _tell_fee(book, payment)
        perform(book, payment)
        settle(book, payment)
    return [payment for payment in payments if payment.state is PaymentState.OPEN]


def _tell_fee(book: Book, payment: Payment) -> None:
    journal.raise_once(
        book.ctx,
        book.issuer_id,
        ExceptionType.BANK_FEE,
        payment.payment_id,
        "the bank took a fee",
        severity="INFO",
        received=payment.amount,
    )


def rematch(ctx: Context, issuer_id: str) -> int:
    """Try every unexplained payment again: a payer was learned, an invoice issued, an original arrived.

    Rounds go on until nothing moves, so the order in which files came makes no difference. Returns how many moved.
    """
    book = Book(ctx, issuer_id)
    moved = 0
    for _ in range(5):
        listed = store.waiting(ctx.db, issuer_id)
        for payment in listed:
            perform(book, payment)
        waiting = [p for p in listed if p.state is PaymentState.OPEN]
        progress = sum(settle(book, payment) for payment in waiting)
        moved += progress
        if not progress:
            break
    for payment in store.unapplied(ctx.db, issuer_id):
        if payment.state is PaymentState.OPEN:
            report(book, payment)
    return moved


def report(book: Book, payment: Payment) -> None:
    """Keep the suggestion and raise the exception of a payment that only a person can settle; once, under one type."""
    ctx, issuer_id = book.ctx, book.issuer_id
    decision = book.decide(payment) if payment.kind is EntryKind.CREDIT else None
    kind = ExceptionType(payment.told) if payment.told else _kind(payment, decision)
    told = payment.model_copy(update={"suggestion": decision, "told": kind.value})
    if told != payment:
        try:
            ctx.db.transact([store.payment_put(told, payment), *_first_told(ctx, payment, told)])
        except ConditionFailed:
            return  # another worker changed it; its own report follows
    shown = ", ".join(decision.candidates[:5]) if decision else ""
    journal.raise_once(
        ctx,
        issuer_id,
        kind,
        payment.payment_id,
        _MESSAGES[kind] + (f"; candidates {shown}" if shown else ""),
        received=payment.unapplied,
        next_action="match by hand",
        details={"booked_on": payment.booked_on.isoformat(), "payer": (payment.payer_name or "")[:70]},
    )
    current = store.payment(ctx.db, issuer_id, payment.entry_id, payment.index)
    if current is not None and current.state is not PaymentState.OPEN:
        for notice in closing(current):
            kind, reason = ExceptionType(notice.kind), "explained meanwhile"
            journal.resolve(ctx, issuer_id, kind, notice.subject, by="system:matching", reason=reason)


def _first_told(ctx: Context, before: Payment, told: Payment) -> list[Put]:
    """The fact ``payment.unmatched``, with the first write that says so of a payment."""
    if before.told or told.kind is not EntryKind.CREDIT:
        return []
    payload = {"reason": told.told, "amount": plain(told.unapplied), "booked_on": plain(told.booked_on)}
    return [store.fact(ctx, told.issuer_id, "payment.unmatched", told.payment_id, payload)]


def _kind(payment: Payment, decision: Decision | None) -> ExceptionType:
    if decision is None:
        return ExceptionType.RETURNED if payment.kind is EntryKind.RETURN else ExceptionType.UNMATCHED_DEBIT
    return ExceptionType(decision.reasons[0]) if decision.reasons else ExceptionType.UNMATCHED_CREDIT


_MESSAGES = {
    ExceptionType.UNMATCHED_CREDIT: "money came that names no open document surely",
    ExceptionType.AMBIGUOUS_MATCH: "money came that fits several documents equally well",
    ExceptionType.WRONG_CURRENCY: "money came for a document in another currency",
    ExceptionType.DUPLICATE_PAYMENT: "money came for a document that is paid already",
    ExceptionType.RETURNED: "money went or came back and its original is not known",
    ExceptionType.UNMATCHED_DEBIT: "money went that is neither ours, nor a fee, nor a return",
}


def find_payment(ctx: Context, issuer_id: str, payment_id: str) -> Payment:
    """One payment, or ``NotFound``."""
    entry_id, _, index = payment_id.rpartition("-")
    found = store.payment(ctx.db, issuer_id, entry_id, int(index)) if index.isdigit() and len(index) < 7 else None
    if found is None:
        raise NotFound("no such payment")
    return found
