"""A credit note set off against what is open of its document; no money moves (product.md rows 66, 67, 135).

Both stand on one account: the receivable of the contract where we sell, the payable of the supplier's account where we
bill ourselves. So the entry moves nothing between accounts and says which document paid which; it is written once per
credit note.
"""

from __future__ import annotations

from roamclear.audit import service as audit
from roamclear.billing import store
from roamclear.billing.model import Correction, CorrectionKind, Document, DocumentState
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionType
from roamclear.kernel.context import Context
from roamclear.kernel.errors import InvariantBroken, NotFound
from roamclear.kernel.money import Money
from roamclear.kernel.retry import again_on_race
from roamclear.kernel.writes import Action, Table
from roamclear.ledger import service as ledger
from roamclear.ledger.model import Account, Event, Line, credit, debit

_RACES = (Table.AUDIT, Table.CLEARING)
#: VAT is rounded once per document, so an invoice and its credit notes may differ by a minor unit per rate.
_ROUNDING_MINOR = 10


def set_off(ctx: Context, wanted: Correction, number: str) -> None:
    """Set the credit note off against what is open of its invoice.

    The rest stays a credit: of the buyer, or, where we billed ourselves and have paid, one that lowers the supplier's
    next payout once it accepted it.
    """
    issuer_id = wanted.issuer_id

    def attempt() -> None:
        invoice, note = _both(ctx, issuer_id, wanted.number, number)
        if number in invoice.corrected_by or number == invoice.cancelled_by:
            return
        part = Money(max(0, min(invoice.open_amount.amount_minor, -note.open_amount.amount_minor)), note.currency)
        rest, rounding = invoice.open_amount - part, Money.zero(note.currency)
        cancels = wanted.kind is CorrectionKind.CANCEL
        used = note.open_amount + part
        if cancels and 0 < rest.amount_minor <= _ROUNDING_MINOR and not used:
            rest, rounding = Money.zero(note.currency), rest
        after = invoice.model_copy(update=_after(ctx, invoice, rest, number, cancels=cancels))
        details = {"note": number, "set_off": part, "left": rest, "reason": wanted.reason}
        actions: list[Action] = [
            store.document_replace(after, invoice),
            audit.entry(
                ctx, issuer_id=issuer_id, kind="DOCUMENT", object_id=f"{invoice.run_id}.{invoice.place}",
                actor_id=wanted.decided_by or wanted.prepared_by, action="CANCELLED" if cancels else "CREDITED",
                details=details,
            ),
        ]  # fmt: skip
        if part:
            left = note.model_copy(update=_used(ctx, note, used))
            actions += [store.document_replace(left, note), _entry(ctx, invoice, note, part)]
        if rounding:
            actions.append(_rounding(ctx, invoice, rounding))
        for name in _told(invoice, after, cancels=cancels):
            actions.append(store.document_fact(after, ctx.now(), name, number))
        ctx.db.transact(actions)

    again_on_race(attempt, tables=_RACES)
    credited = store.document(ctx.db, issuer_id, wanted.number)
    if credited is not None and not credited.open_amount:
        for kind in (ExceptionType.SHORT_PAY, ExceptionType.SHORT_PAY_DISPUTED):
            reason = f"what was left open was credited by {number}"
            journal.resolve(ctx, issuer_id, kind, wanted.number, by="system:billing", reason=reason)
    if wanted.kind is CorrectionKind.CANCEL:
        reason = f"the document was cancelled by {number}"
        by = wanted.decided_by or wanted.prepared_by
        journal.resolve(ctx, issuer_id, ExceptionType.SELF_BILLING_OBJECTED, wanted.number, by=by, reason=reason)


def _used(ctx: Context, note: Document, used: Money) -> dict[str, object]:
    """What becomes of the credit note; one of what we buy is settled by its acceptance, never by a payment to us."""
    update: dict[str, object] = {"open_amount": used}
    if not used and note.self_billed is None:
        update |= {"state": DocumentState.PAID, "paid_at_utc": ctx.now()}
    return update


def _after(ctx: Context, invoice: Document, rest: Money, number: str, *, cancels: bool) -> dict[str, object]:
    """What becomes of the invoice; cancelled with something still open (credited elsewhere) it stays to be paid."""
    update: dict[str, object] = {"open_amount": rest}
    update |= {"cancelled_by": number} if cancels else {"corrected_by": (*invoice.corrected_by, number)}
    if rest:
        return update
    if cancels:
        return update | {"state": DocumentState.CANCELLED}
    if invoice.self_billed is not None:
        return update  # its payout says what was paid
    return update | {"state": DocumentState.PAID, "paid_at_utc": invoice.paid_at_utc or ctx.now()}


def _told(before: Document, after: Document, *, cancels: bool) -> list[str]:
    if before.self_billed is not None:
        return []
    if cancels:
        return ["invoice.cancelled"]
    return ["invoice.paid"] if before.open_amount and not after.open_amount else []


def _entry(ctx: Context, invoice: Document, note: Document, part: Money) -> Action:
    return ledger.entry(
        ctx,
        issuer_id=invoice.issuer_id,
        event=Event.ALLOCATION,
        subject=note.number,
        currency=note.currency,
        lines=_sides(invoice, note, part),
        memo=f"{note.number} set off against {invoice.number}",
    )


def _sides(invoice: Document, note: Document, part: Money) -> list[Line]:
    """Cr what the invoice left open, Dr what the note left open; the other way round where we owe."""
    known, of_note = invoice.self_billed, note.self_billed
    if known is None or of_note is None:
        account = Account.RECEIVABLE.of(invoice.contract_id)
        return [debit(account, part, note=note.number), credit(account, part, note=invoice.number)]
    if known.pay_to != of_note.pay_to:
        raise InvariantBroken("a credit of what we buy stands on another account", number=note.number)
    account = Account.PAYABLE.of(known.pay_to)
    return [debit(account, part, note=invoice.number), credit(account, part, note=note.number)]


def _rounding(ctx: Context, invoice: Document, rounding: Money) -> Action:
    """VAT rounded once per document leaves a minor unit between an invoice and its credit notes."""
    loss, known = Account.WRITE_OFF.of(invoice.contract_id), invoice.self_billed
    if known is None:
        account = Account.RECEIVABLE.of(invoice.contract_id)
        lines = [debit(loss, rounding, note="rounding of VAT"), credit(account, rounding, note=invoice.number)]
    else:
        account = Account.PAYABLE.of(known.pay_to)
        lines = [debit(account, rounding, note=invoice.number), credit(loss, rounding, note="rounding of VAT")]
    return ledger.entry(
        ctx,
        issuer_id=invoice.issuer_id,
        event=Event.WRITE_OFF,
        subject=invoice.number,
        currency=invoice.currency,
        lines=lines,
        memo=f"rounding left of {invoice.number}",
    )


def _both(ctx: Context, issuer_id: str, invoice: str, note: str) -> tuple[Document, Document]:
    found = store.document(ctx.db, issuer_id, invoice), store.document(ctx.db, issuer_id, note)
    if found[0] is None or found[1] is None:
        raise NotFound("no such document")
    return found[0], found[1]
