"""Allocating a payment to documents: all of it in one transaction."""

from __future__ import annotations

from collections.abc import Iterable

from roamclear.billing import service as billing
from roamclear.billing.model import Document, DocumentState
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionType
from roamclear.kernel.context import Context
from roamclear.kernel.errors import ConditionFailed, InvalidInput
from roamclear.kernel.money import Money, total
from roamclear.kernel.writes import Action
from roamclear.ledger import service as ledger
from roamclear.ledger.model import Account, Event, Line, credit, debit
from roamclear.reconciliation import store
from roamclear.reconciliation.book import Book
from roamclear.reconciliation.model import (
    Allocation,
    Decision,
    Payment,
    PaymentState,
    Rule,
    Share,
)

_LEARN = (Rule.CREDITOR_REFERENCE, Rule.COMPLETE_NUMBERS, Rule.BY_HAND)


def apply(book: Book, payment: Payment, decision: Decision, actor_id: str) -> Payment:
    """Allocate a payment as decided: documents, matches, ledger and payment change together or not at all.

    Raises:
        ConditionFailed: the payment or a document was changed meanwhile.
        InvalidInput: a share is more than its document's open amount, or the shares are more than the payment.
    """
    ctx, issuer_id = book.ctx, book.issuer_id
    currency = payment.amount.currency
    used = total((share.amount for share in decision.shares), currency)
    rest = payment.unapplied - used
    if not decision.shares or rest.amount_minor < 0 or payment.unapplied.amount_minor <= 0:
        raise InvalidInput("the shares are more than the payment, or none", field="shares")
    sequence = payment.applications + 1
    partner = decision.partner or decision.shares[0].contract_id
    holding = Account.UNAPPLIED.of(partner)
    actions: list[Action] = []
    documents = []
    for share in decision.shares:
        before = billing.document(ctx, issuer_id, share.number)
        after, writes = _pay(book, payment, before, share)
        documents.append((before, after))
        actions += writes
        actions.append(store.allocation_put(_allocation(ctx, payment, decision, share, sequence, actor_id)))
    made = payment.model_copy(
        update={
            "unapplied": rest,
            "holding": holding if rest else payment.holding,
            "state": PaymentState.PARTLY if rest else PaymentState.APPLIED,
            "applications": sequence,
            "suggestion": None,
        }
    )
    actions += [
        store.payment_put(made, payment),
        _allocation_entry(book, payment, decision.shares, rest, holding, sequence),
        store.fact(ctx, issuer_id, "cash.allocated", f"{payment.payment_id}.{sequence}", _told(payment, decision)),
    ]
    ctx.db.transact(actions)
    _after(book, payment, decision, documents)
    return made


def _pay(book: Book, payment: Payment, before: Document, share: Share) -> tuple[Document, list[Action]]:
    left = before.open_amount - share.amount
    fits = billing.is_open(before) and share.amount and abs(left) <= abs(before.open_amount)
    if not fits or (left and (left.amount_minor > 0) != (before.open_amount.amount_minor > 0)):
        raise ConditionFailed("a document has another open amount by now")
    state = DocumentState.PARTIALLY_PAID if left else DocumentState.PAID
    paid_at = None if left else book.ctx.now()
    after, write = billing.replace_document(before, open_amount=left, state=state, paid_at_utc=paid_at)
    payload: dict[str, object] = {"number": before.number, "open": left, "payment_id": payment.payment_id}
    name = "invoice.partially_paid" if left else "invoice.paid"
    subject = f"{before.number}.{before.changed + 1}"
    return after, [write, store.fact(book.ctx, book.issuer_id, name, subject, payload)]


def _allocation(
    ctx: Context, payment: Payment, decision: Decision, share: Share, sequence: int, actor_id: str
) -> Allocation:
    return Allocation(
        issuer_id=payment.issuer_id,
        payment_id=payment.payment_id,
        sequence=sequence,
        number=share.number,
        contract_id=share.contract_id,
        amount=share.amount,
        rule=decision.rule,
        score=decision.score,
        fields=decision.fields,
        actor_id=actor_id,
        at_utc=ctx.now(),
    )


def _allocation_entry(
    book: Book, payment: Payment, shares: Iterable[Share], rest: Money, holding: str, sequence: int
) -> Action:
    """Dr unapplied / Cr receivable; money that lay in suspense goes to the partner's unapplied cash with its rest."""
    lines: list[Line] = [credit(Account.RECEIVABLE.of(s.contract_id), s.amount, note=s.number) for s in shares]
    moved = rest if payment.holding != holding else Money.zero(rest.currency)
    lines += [debit(payment.holding, payment.unapplied - rest + moved), credit(holding, moved)]
    return ledger.entry(
        book.ctx,
        issuer_id=book.issuer_id,
        event=Event.ALLOCATION,
        subject=f"{payment.payment_id}.{sequence}",
        currency=rest.currency,
        lines=lines,
        memo=f"payment {payment.payment_id}",
    )


def _told(payment: Payment, decision: Decision) -> dict[str, object]:
    shares = [{"number": s.number, "contract_id": s.contract_id, "amount": s.amount} for s in decision.shares]
    return {"payment_id": payment.payment_id, "shares": shares, "rule": decision.rule.value}


def _after(book: Book, payment: Payment, decision: Decision, documents: list[tuple[Document, Document]]) -> None:
    """What is told once the money lies where it belongs; each by its business key, so again is harmless."""
    ctx, issuer_id = book.ctx, book.issuer_id
    for before, after in documents:
        book.items.paid(after.number, after.open_amount)
        if not after.open_amount and before.state is DocumentState.PARTIALLY_PAID:
            for kind in (ExceptionType.SHORT_PAY, ExceptionType.BANK_FEE):
                journal.resolve(ctx, issuer_id, kind, after.number, by="system:matching", reason="paid in full")
        late = payment.value_on > before.due_date and before.open_amount.amount_minor > 0
        if late:
            _raise(book, ExceptionType.LATE_PAYMENT, before.number, before, payment, "paid after the due date")
    for reason in decision.reasons:
        before = documents[0][0]
        if reason == "OVERPAY":
            _raise(book, ExceptionType.OVERPAY, payment.payment_id, before, payment, "more than the open amount came")
        elif reason in ("SHORT_PAY", "BANK_FEE"):
            text = "less than the open amount came" if reason == "SHORT_PAY" else "short by the bank's charges"
            _raise(book, ExceptionType(reason), before.number, before, payment, text)
    resolve_open(book, payment)
    if payment.payer and decision.rule in _LEARN and decision.partner:
        store.learn(ctx.db, issuer_id, payment.payer, decision.partner)


def _raise(book: Book, kind: ExceptionType, subject: str, document: Document, payment: Payment, message: str) -> None:
    journal.raise_once(
        book.ctx,
        book.issuer_id,
        kind,
        subject,
        message,
        partner=document.contract_id,
        document=document.number,
        expected=document.open_amount,
        received=payment.amount,
        details={"payment": payment.payment_id, "booked_on": payment.booked_on.isoformat()},
    )


def resolve_open(book: Book, payment: Payment) -> None:
    """Close what was raised about a payment that is explained now."""
    if payment.told is not None:
        kind, reason = ExceptionType(payment.told), "explained by a later fact"
        journal.resolve(book.ctx, book.issuer_id, kind, payment.payment_id, by="system:matching", reason=reason)


def placed(ctx: Context, issuer_id: str, shares: Iterable[Share]) -> tuple[Share, ...]:
    """Shares with the contracts their documents belong to."""
    found = [(share, billing.document(ctx, issuer_id, share.number)) for share in shares]
    return tuple(share.model_copy(update={"contract_id": document.contract_id}) for share, document in found)
