"""What a booked entry is, and which payments it holds (banking.md 2, 4.2); pure."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import date

from roamclear.bank.keys import given as given_reference
from roamclear.bank.model import Entry, ReferenceKind, Sign, Transaction
from roamclear.kernel.money import Money
from roamclear.ledger.model import Account
from roamclear.reconciliation.model import EntryKind, Payment, PaymentState

_RETURN_CODES = ("/RRTN", "/RPCR", "/ARET", "/UPCT", "/REVERSAL")
_FEE_CODES = ("/CHRG", "/FEES", "/COMM", "/COMT")
MAX_TEXT = 4_000


def digest(key: str) -> str:
    """A short name for an entry's or group's identity; it holds no account number and no words of the payer."""
    return hashlib.sha256(key.encode()).hexdigest()[:24]


def is_return(entry: Entry) -> bool:
    """Money that comes or goes back: a return reason, a reversal mark, or a return code of the bank."""
    codes = [entry.bank_code, *(t.bank_code for t in entry.transactions)]
    back = any(code.partition(" ")[0].endswith(_RETURN_CODES) for code in codes)
    return entry.reversal or back or any(t.returned is not None for t in entry.transactions)


def kind_of(entry: Entry, own_payment: bool) -> EntryKind:
    """What an entry is booked as; a debit that is neither ours nor a fee nor a return needs a person."""
    if is_return(entry):
        return EntryKind.RETURN
    if entry.sign is Sign.CREDIT:
        return EntryKind.CREDIT
    if own_payment:
        return EntryKind.PAYOUT
    fee = entry.bank_code.partition(" ")[0].endswith(_FEE_CODES)
    return EntryKind.FEE if fee else EntryKind.DEBIT


def own_references(entry: Entry) -> list[str]:
    """References under which one of our own payments may be known: EndToEndIds and PmtInfIds."""
    names = [name for t in entry.transactions for name in (t.end_to_end_id, t.payment_id)]
    names.append(entry.batch_payment_id)
    return list(dict.fromkeys(name for name in map(given_reference, names) if name))


def references(entry: Entry) -> list[str]:
    """References a later return may quote: EndToEndIds, transaction ids, UETRs and the bank's own ones."""
    names = [entry.bank_reference]
    for t in entry.transactions:
        names += [t.end_to_end_id, t.transaction_id, t.uetr, t.bank_reference, t.instruction_id]
    return list(dict.fromkeys(name for name in map(given_reference, names) if name))[:20]


def splits(entry: Entry) -> bool:
    """Whether the details may stand for the entry: amounts in its currency, with its sign, summing to it."""
    parts = entry.transactions
    if any(t.amount is None or t.amount.currency != entry.amount.currency or t.sign is not entry.sign for t in parts):
        return False
    return sum(t.amount.amount_minor for t in parts if t.amount) == entry.amount.amount_minor


def payments(issuer_id: str, entry: Entry, kind: EntryKind, booked_on: date, value_on: date) -> list[Payment]:
    """The payments of an entry; where the details do not add up to it, one payment of the whole entry."""
    whole = len(entry.transactions) == 1 or not splits(entry)
    groups = [list(entry.transactions)] if whole else [[t] for t in entry.transactions if t.amount]
    made = []
    for index, group in enumerate(groups):
        amount = entry.amount if whole else group[0].amount or entry.amount
        made.append(_payment(issuer_id, entry, kind, index, group, amount, booked_on, value_on))
    return made


def _payment(
    issuer_id: str,
    entry: Entry,
    kind: EntryKind,
    index: int,
    group: Sequence[Transaction],
    amount: Money,
    booked_on: date,
    value_on: date,
) -> Payment:
    first, entry_id = group[0], digest(entry.key)
    settled = kind in (EntryKind.PAYOUT, EntryKind.FEE)
    signed = amount if entry.sign is Sign.CREDIT else -amount
    holding = Account.SUSPENSE.of(entry.account)
    known = {r.value for t in group for r in t.references if r.kind is not ReferenceKind.OTHER}
    loose = [r.value for t in group for r in t.references if r.kind is ReferenceKind.OTHER]
    documents = [n for t in group for n in (*t.document_numbers, given_reference(t.end_to_end_id)) if n]
    pieces = [" ".join(line for t in group for line in t.remittance_lines)]
    pieces += [t.additional for t in group if t.additional] + [entry.additional]
    return Payment(
        issuer_id=issuer_id,
        payment_id=f"{entry_id}-{index}",
        entry_id=entry_id,
        kind=kind,
        index=index,
        account=entry.account,
        amount=signed,
        unapplied=Money.zero(amount.currency) if settled else signed,
        booked_to=holding,
        holding=holding,
        state=PaymentState.DONE if settled else PaymentState.OPEN,
        booked_on=booked_on,
        value_on=value_on,
        references=tuple(sorted(known)),
        document_numbers=tuple(dict.fromkeys((*documents, *loose)))[:50],
        text="; ".join(dict.fromkeys(piece for piece in pieces if piece))[:MAX_TEXT],
        payer=first.counterparty.account,
        payer_name=first.counterparty.name,
        end_to_end_id=given_reference(first.end_to_end_id),
        charges=_charges(entry, group, amount.currency),
        instructed=first.instructed,
        quotes=tuple(references(entry)) if kind is EntryKind.RETURN else (),
        return_reason=next((t.returned.reason for t in group if t.returned and t.returned.reason), None),
        details_given=entry.details_given,
    )


def _charges(entry: Entry, group: Sequence[Transaction], currency: str) -> Money | None:
    """What the banks kept, where they say so: the transaction's own charges, else the entry's."""
    listed = [c for t in group for c in t.charges] or list(entry.charges)
    fitting = [c for c in listed if c.amount.currency == currency]
    added = sum(c.amount.amount_minor if c.sign is Sign.DEBIT else -c.amount.amount_minor for c in fitting)
    return Money(added, currency) if added > 0 else None
