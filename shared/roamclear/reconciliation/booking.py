"""Booking one entry of a registered account: identity, posting, payments (rules.md 8, banking.md 4.2)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import date
from enum import StrEnum

from roamclear.bank.keys import given as given_reference
from roamclear.bank.model import Entry, Sign, Status
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionType
from roamclear.kernel.errors import Busy, ConditionFailed
from roamclear.kernel.money import Money
from roamclear.kernel.writes import Action, Put
from roamclear.ledger import service as ledger
from roamclear.ledger.model import Account, Event, Line, credit, debit
from roamclear.reconciliation import entries, store
from roamclear.reconciliation.book import Book
from roamclear.reconciliation.matching import closing
from roamclear.reconciliation.model import BankAccount, BankEntry, EntryKind, Level, Payment, PaymentState

#: Payments and facts of larger entries are written before the entry, which is what makes them count.
INLINE = 30
_TRIES = 8


#: Entries of a statement by the bank's reference: entry id and minor units with sign.
Groups = Mapping[str, Mapping[str, int]]


def represents(known: Mapping[str, int], incoming: Mapping[str, int], signed: int) -> bool:
    """Whether an entry is a known batch as its parts, or known parts as their batch: other pieces, the same sum.

    Only money in the same direction counts, so a fee under the same reference is not mistaken for a part.

    >>> represents({"batch": 100}, {"a": 30, "b": 70}, 30), represents({"a": 30}, {"a": 30, "b": 70}, 70)
    (True, False)
    """
    before = {key: minor for key, minor in known.items() if (minor > 0) == (signed > 0)}
    now = {key: minor for key, minor in incoming.items() if (minor > 0) == (signed > 0)}
    return bool(before) and not before.keys() & now.keys() and sum(before.values()) == sum(now.values())


class Booked(StrEnum):
    """What became of an entry of a file."""

    BOOKED = "BOOKED"
    KNOWN = "KNOWN"
    ANNOUNCED = "ANNOUNCED"


def book_entry(
    book: Book, account: BankAccount, entry: Entry, *, groups: Groups, day: date, sha256: str, books: bool
) -> Booked:
    """Book an entry once for ever; a repeat, a split of a known batch and an announcement change nothing.

    ``groups`` holds what each bank reference stands for in the statement, ``day`` stands in for missing dates,
    ``books`` is False for messages that only announce.
    """
    if entry.status is not Status.BOOK or not entry.amount:
        return Booked.ANNOUNCED
    for _ in range(_TRIES):
        try:
            return _attempt(book, account, entry, groups=groups, day=day, sha256=sha256, books=books)
        except ConditionFailed:
            book.refresh()
    raise Busy("an entry is booked by too many at once")


def _attempt(
    book: Book, account: BankAccount, entry: Entry, *, groups: Groups, day: date, sha256: str, books: bool
) -> Booked:
    ctx, issuer_id = book.ctx, book.issuer_id
    entry_id, group_id = entries.digest(entry.key), entries.digest(entry.group_key)
    parts, changed = store.group_parts(ctx.db, issuer_id, account.account, group_id)
    if entry_id in parts:
        _enrich(book, entry)
        return Booked.KNOWN
    if represents(parts, groups.get(entry.group_key, {}), entry.signed.amount_minor):
        return Booked.KNOWN
    if not books:
        _announce(book, entry)
        return Booked.ANNOUNCED
    parts = {**parts, entry_id: entry.signed.amount_minor}
    made, payments = _prepare(book, entry, day, sha256)
    puts = [store.payment_put(payment) for payment in payments]
    facts = _facts(book, made, entry)
    if len(puts) > INLINE:
        store.put_payments(ctx.db, payments)
        puts = []
    if len(facts) > INLINE:
        store.put_facts(ctx.db, facts)
        facts = []
    actions: list[Action] = [
        store.entry_put(made),
        store.group_write(issuer_id, account.account, group_id, parts, changed),
        _posting(book, made, payments),
        *puts,
        *facts,
    ]
    if made.kind in (EntryKind.CREDIT, EntryKind.PAYOUT):
        actions += store.original_puts(made, entries.references(entry))
    ctx.db.transact(actions)
    if entry.amount.currency != account.currency:
        _raise_currency(book, made)
    return Booked.BOOKED


def _prepare(book: Book, entry: Entry, day: date, sha256: str) -> tuple[BankEntry, list[Payment]]:
    """The entry and its payments; a credit that is sure of its partner lies on the partner's unapplied cash."""
    ctx, issuer_id = book.ctx, book.issuer_id
    own = entry.sign is Sign.DEBIT and any(
        store.own_payment_known(ctx.db, issuer_id, name) for name in entries.own_references(entry)
    )
    kind = entries.kind_of(entry, own)
    booked_on = entry.booked_on or entry.value_on or day
    value_on = entry.value_on or booked_on
    payments = entries.payments(issuer_id, entry, kind, booked_on, value_on)
    if not entry.details_given:
        payments = _announced(book, entry, payments)
    if kind is EntryKind.CREDIT:
        payments = [_held(book, payment) for payment in payments]
    made = BankEntry(
        issuer_id=issuer_id,
        entry_id=entries.digest(entry.key),
        key=entry.key,
        account=entry.account,
        amount=entry.signed,
        kind=kind,
        booked_on=booked_on,
        value_on=value_on,
        payments=len(payments),
        bank_reference=entry.bank_reference,
        bank_code=entry.bank_code,
        file_sha256=sha256,
        recorded_at_utc=ctx.now(),
    )
    return made, payments


def _held(book: Book, payment: Payment) -> Payment:
    decision = book.decide(payment)
    if decision.partner is None or not (decision.level is Level.AUTO or "DUPLICATE_PAYMENT" in decision.reasons):
        return payment
    holding = Account.UNAPPLIED.of(decision.partner)
    return payment.model_copy(update={"booked_to": holding, "holding": holding})


def _posting(book: Book, made: BankEntry, payments: list[Payment]) -> Put:
    """Dr bank / Cr unapplied or suspense; Dr in transit, fees or suspense / Cr bank (rules.md 8)."""
    bank = Account.BANK.of(made.account)
    size = abs(made.amount)
    lines: list[Line]
    if made.amount.amount_minor > 0:
        held: Counter[str] = Counter()
        for payment in payments:
            held[payment.booked_to] += payment.amount.amount_minor
        lines = [debit(bank, size)]
        lines += [credit(name, Money(minor, size.currency)) for name, minor in sorted(held.items())]
        event = Event.BANK_CREDIT
    else:
        other = {EntryKind.PAYOUT: Account.IN_TRANSIT, EntryKind.FEE: Account.FEES}.get(made.kind, Account.SUSPENSE)
        lines = [debit(other.of(made.account), size), credit(bank, size)]
        event = Event.FEE if made.kind is EntryKind.FEE else Event.BANK_DEBIT
    return ledger.entry(
        book.ctx,
        issuer_id=book.issuer_id,
        event=event,
        subject=made.entry_id,
        currency=size.currency,
        lines=lines,
        memo=f"booked {made.booked_on.isoformat()} {made.bank_reference or ''}".strip(),
    )


def _facts(book: Book, made: BankEntry, entry: Entry) -> list[Put]:
    """``cash.debited`` per payment of ours; ``payment.received`` per credit."""
    ctx, issuer_id = book.ctx, book.issuer_id
    base: dict[str, object] = {"entry_key": made.entry_id, "booked_on": made.booked_on, "account": made.account}
    if made.kind is EntryKind.CREDIT:
        payload = {**base, "amount": made.amount}
        return [store.fact(ctx, issuer_id, "payment.received", made.entry_id, payload)]
    if made.kind is not EntryKind.PAYOUT:
        return []
    named = [(place, t) for place, t in enumerate(entry.transactions) if given_reference(t.end_to_end_id)]
    if not named:
        # One debit for the whole batch: it is known by its PmtInfId.
        ids = [entry.batch_payment_id, *(t.payment_id for t in entry.transactions)]
        whole = {**base, "payment_id": next(filter(None, ids), None), "amount": abs(made.amount)}
        return [store.fact(ctx, issuer_id, "cash.debited", made.entry_id, whole)]
    facts = []
    lone = len(entry.transactions) == 1
    for place, t in named:
        amount = abs(made.amount) if lone else t.amount
        names = {"end_to_end_id": t.end_to_end_id, "payment_id": t.payment_id, "amount": amount}
        facts.append(store.fact(ctx, issuer_id, "cash.debited", f"{made.entry_id}-{place}", {**base, **names}))
    return facts


def _announce(book: Book, entry: Entry) -> None:
    """Keep the details of a notification for the statement that books the entry."""
    if not entry.details_given or entry.sign is not Sign.CREDIT or entries.is_return(entry):
        return
    day = entry.booked_on or entry.value_on or book.ctx.now().date()
    payments = entries.payments(book.issuer_id, entry, EntryKind.CREDIT, day, entry.value_on or day)
    if len(payments) <= INLINE:
        store.announce(book.ctx.db, book.issuer_id, entry.account, entries.digest(entry.key), payments)


def _announced(book: Book, entry: Entry, plain: list[Payment]) -> list[Payment]:
    """The payments an earlier notification told of, at the dates of the booking; else the entry as one payment."""
    told = store.announced(book.ctx.db, book.issuer_id, entry.account, entries.digest(entry.key))
    if entry.sign is not Sign.CREDIT or sum(p.amount.amount_minor for p in told) != entry.amount.amount_minor:
        return plain
    dates = {"booked_on": plain[0].booked_on, "value_on": plain[0].value_on, "kind": plain[0].kind}
    return [payment.model_copy(update=dates) for payment in told]


def _enrich(book: Book, entry: Entry) -> None:
    """Details that come later replace the one payment without details, as long as nobody used its money."""
    ctx, issuer_id = book.ctx, book.issuer_id
    if not entry.details_given or entry.sign is not Sign.CREDIT:
        return
    entry_id = entries.digest(entry.key)
    known = store.payments(ctx.db, issuer_id, entry_id)
    if len(known) != 1 or known[0].details_given or known[0].state is not PaymentState.OPEN or known[0].applications:
        return
    (old,) = known
    fresh = entries.payments(issuer_id, entry, old.kind, old.booked_on, old.value_on)
    if len(fresh) > INLINE or old.kind is not EntryKind.CREDIT:
        return
    placed = {"booked_to": old.booked_to, "holding": old.holding}
    if len(fresh) == 1:
        made = fresh[0].model_copy(update={**placed, "changed": old.changed, "told": old.told})
        ctx.db.transact([store.payment_put(made, old)])
        return
    spent = {"unapplied": Money.zero(old.amount.currency), "state": PaymentState.DONE, "details_given": True}
    gone = old.model_copy(update={**spent, "pending": tuple(closing(old))})
    puts: list[Action] = [store.payment_put(gone, old)]
    for payment in fresh:
        index = payment.index + 1
        named = {"index": index, "payment_id": f"{entry_id}-{index}"}
        puts.append(store.payment_put(payment.model_copy(update={**placed, **named})))
    ctx.db.transact(puts)


def _raise_currency(book: Book, made: BankEntry) -> None:
    journal.raise_once(
        book.ctx,
        book.issuer_id,
        ExceptionType.WRONG_CURRENCY,
        made.entry_id,
        f"an entry in {made.amount.currency} on an account in another currency",
        received=made.amount,
        next_action="ask the bank for the settled amount",
    )
