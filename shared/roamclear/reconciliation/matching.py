"""Allocating a payment to documents: all of it in one transaction."""

from __future__ import annotations

from collections.abc import Iterable

from roamclear.billing import contested
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
    Notice,
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
            "pending": tuple(_notices(ctx, payment, decision, documents)),
            "learns": _lesson(book, payment, decision),
        }
    )
    actions += [
        store.payment_put(made, payment),
        _allocation_entry(book, payment, decision.shares, rest, holding, sequence),
        store.fact(ctx, issuer_id, "cash.allocated", f"{payment.payment_id}.{sequence}", _told(payment, decision)),
    ]
    ctx.db.transact(actions)
    for _, after in documents:
        book.items.paid(after.number, after.open_amount)
    written = made.model_copy(update={"changed": payment.changed + 1})
    perform(book, written)
    return written


def _lesson(book: Book, payment: Payment, decision: Decision) -> str | None:
    """Only what is sure teaches, and only what is not known yet."""
    if not payment.payer or decision.rule not in _LEARN or decision.partner is None:
        return None
    known = store.learned(book.ctx.db, book.issuer_id, payment.payer)
    return None if decision.partner in known else decision.partner


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


def _notices(
    ctx: Context, payment: Payment, decision: Decision, documents: list[tuple[Document, Document]]
) -> list[Notice]:
    """What the journal is to know of an allocation, each by its business key."""
    found = closing(payment)
    for before, after in documents:
        if not after.open_amount and before.state is DocumentState.PARTIALLY_PAID:
            kinds = (ExceptionType.SHORT_PAY, ExceptionType.SHORT_PAY_DISPUTED, ExceptionType.BANK_FEE)
            found += [Notice(kind=kind.value, subject=after.number, closes=True) for kind in kinds]
        if payment.value_on > before.due_date and before.open_amount.amount_minor > 0:
            found.append(_notice(ExceptionType.LATE_PAYMENT, before.number, before, payment))
    first, first_after = documents[0]
    for reason in decision.reasons:
        kind = ExceptionType(reason)
        if kind is ExceptionType.SHORT_PAY and first_after.open_amount in contested.sums(ctx, first):
            kind = ExceptionType.SHORT_PAY_DISPUTED
            found.append(Notice(kind=ExceptionType.SHORT_PAY.value, subject=first.number, closes=True))
        if kind in _TEXTS:
            subject = payment.payment_id if kind is ExceptionType.OVERPAY else first.number
            found.append(_notice(kind, subject, first, payment))
    return found


_TEXTS = {
    ExceptionType.OVERPAY: "more than the open amount came",
    ExceptionType.SHORT_PAY: "less than the open amount came",
    ExceptionType.SHORT_PAY_DISPUTED: "all but the disputed part came",
    ExceptionType.BANK_FEE: "short by the bank's charges",
    ExceptionType.LATE_PAYMENT: "paid after the due date",
}


def _notice(kind: ExceptionType, subject: str, document: Document, payment: Payment) -> Notice:
    return Notice(
        kind=kind.value,
        subject=subject,
        message=_TEXTS[kind],
        partner=document.contract_id,
        document=document.number,
        expected=document.open_amount,
        received=payment.amount,
    )


def closing(payment: Payment) -> list[Notice]:
    """Close what was raised about a payment that is explained now."""
    return [Notice(kind=payment.told, subject=payment.payment_id, closes=True)] if payment.told else []


def perform(book: Book, payment: Payment) -> None:
    """Tell and learn what a change left to do, then forget it; again is harmless."""
    ctx, issuer_id = book.ctx, book.issuer_id
    if not payment.pending and payment.learns is None:
        return
    for notice in payment.pending:
        kind = ExceptionType(notice.kind)
        if notice.closes:
            journal.resolve(ctx, issuer_id, kind, notice.subject, by="system:matching", reason="explained since")
            continue
        journal.raise_once(
            ctx,
            issuer_id,
            kind,
            notice.subject,
            notice.message,
            partner=notice.partner,
            document=notice.document,
            expected=notice.expected,
            received=notice.received,
            next_action=notice.next_action,
            details={"payment": payment.payment_id, "booked_on": payment.booked_on.isoformat()},
        )
    if payment.payer and payment.learns:
        store.learn(ctx.db, issuer_id, payment.payer, payment.learns)
    try:
        ctx.db.write(store.payment_put(payment.model_copy(update={"pending": (), "learns": None}), payment))
    except ConditionFailed:
        return  # another worker did it


def placed(ctx: Context, issuer_id: str, shares: Iterable[Share]) -> tuple[Share, ...]:
    """Shares with the contracts their documents belong to."""
    found = [(share, billing.document(ctx, issuer_id, share.number)) for share in shares]
    return tuple(share.model_copy(update={"contract_id": document.contract_id}) for share, document in found)
