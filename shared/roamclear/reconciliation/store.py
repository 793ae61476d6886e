"""Rows of bank accounts, files, statements, entries, payments, allocations and learned payers."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from roamclear.aws import keys, outbox
from roamclear.kernel.context import Context, Database, Row
from roamclear.kernel.errors import ConditionFailed
from roamclear.kernel.pages import Asked, Cut, Span, cut
from roamclear.kernel.record import plain
from roamclear.kernel.writes import ABSENT, Key, Put, Table, Update, When
from roamclear.reconciliation.model import Allocation, BankAccount, BankEntry, BankFile, Payment, StatementRow


# ---- accounts ------------------------------------------------------------------------------------------------------
def account_writes(made: BankAccount) -> list[Put]:
    """Register an account: one owner per account and currency in the whole deployment."""
    row = made.dump()
    key = Key(keys.bank_accounts(made.issuer_id), f"{made.account}#{made.currency}")
    return [
        Put(Table.CLEARING, keys.bank_account_owner(made.account, made.currency), row),
        Put(Table.CLEARING, key, row, when=()),
    ]


def owner(db: Database, account: str, currency: str) -> BankAccount | None:
    """The registered account or None."""
    row = db.get(Table.CLEARING, keys.bank_account_owner(account, currency))
    return BankAccount.load(row) if row else None


def accounts(db: Database, issuer_id: str) -> list[BankAccount]:
    """Registered accounts of an issuer."""
    return [BankAccount.load(row) for row in db.rows(Table.CLEARING, keys.bank_accounts(issuer_id), consistent=True)]


# ---- files ---------------------------------------------------------------------------------------------------------
def file(db: Database, sha256: str) -> BankFile | None:
    """A file by its bytes, or None."""
    row = db.get(Table.CLEARING, keys.bank_file(sha256))
    return BankFile.load(row) if row else None


def save_file(db: Database, made: BankFile) -> None:
    """Write a file's state; checkpoints are hints, the entries' own keys are what guards them."""
    item = {"issuer_id": keys.PLATFORM, **made.dump()}
    db.write(Put(Table.CLEARING, keys.bank_file(made.sha256), item, when=()))


# ---- statements ----------------------------------------------------------------------------------------------------
def statement(db: Database, issuer_id: str, account: str, key: str) -> StatementRow | None:
    """One statement or None."""
    row = db.get(Table.CLEARING, keys.statement(issuer_id, account, key))
    return StatementRow.load(row) if row else None


def statement_put(made: StatementRow) -> Put:
    """Keep a statement, once."""
    return Put(Table.CLEARING, keys.statement(made.issuer_id, made.account, made.key), made.dump())


def statements(db: Database, issuer_id: str, account: str) -> list[StatementRow]:
    """All statements of an account."""
    pk = keys.statement(issuer_id, account, "").pk
    return [StatementRow.load(row) for row in db.rows(Table.CLEARING, pk, prefix="STATEMENT#", consistent=True)]


def statements_page(db: Database, issuer_id: str, accounts: Sequence[str], asked: Asked) -> Cut[StatementRow]:
    """A page of the statements of some accounts, one account after the other."""
    # "$" stands behind "#" in the order of characters.
    spans = [
        Span(keys.statement(issuer_id, each, "").pk, first="STATEMENT#", last="STATEMENT$", label=each)
        for each in sorted(accounts)
    ]
    return cut(db, Table.CLEARING, spans, asked, StatementRow.load)


# ---- entries and payments ------------------------------------------------------------------------------------------
def entry_put(made: BankEntry) -> Put:
    """A booked entry, once for ever."""
    item = made.dump() | {
        "gsi1pk": keys.bank_entries(made.issuer_id, made.account),
        "gsi1sk": f"{made.booked_on.isoformat()}#{made.entry_id}",
    }
    return Put(Table.CLEARING, keys.bank_entry(made.issuer_id, made.account, made.entry_id), item)


def entry(db: Database, issuer_id: str, account: str, entry_id: str) -> BankEntry | None:
    """A booked entry or None."""
    row = db.get(Table.CLEARING, keys.bank_entry(issuer_id, account, entry_id))
    return BankEntry.load(row) if row else None


def account(db: Database, issuer_id: str, name: str, currency: str) -> BankAccount | None:
    """A registered account with its present state, or None."""
    row = db.get(Table.CLEARING, Key(keys.bank_accounts(issuer_id), f"{name}#{currency}"))
    return BankAccount.load(row) if row else None


def entries(db: Database, issuer_id: str, account: str) -> list[BankEntry]:
    """Booked entries of an account by booking date."""
    found = [
        Key(r["pk"], r["sk"]) for r in db.rows(Table.CLEARING, keys.bank_entries(issuer_id, account), index="gsi1")
    ]
    rows = db.get_many(Table.CLEARING, found)
    return [BankEntry.load(rows[key]) for key in found if key in rows]


def group_parts(db: Database, issuer_id: str, account: str, group_id: str) -> tuple[dict[str, int], int]:
    """What of a bank reference was booked: minor units with sign per entry, and the row's version (0: none)."""
    row = db.get(Table.CLEARING, keys.bank_group(issuer_id, account, group_id))
    return (dict(row["parts"]), int(row["changed"])) if row else ({}, 0)


def group_write(issuer_id: str, account: str, group_id: str, parts: dict[str, int], changed: int) -> Put:
    """The next state of a group over exactly the one that was read."""
    item = {"issuer_id": issuer_id, "parts": parts, "changed": changed + 1}
    when = (When("changed", "=", changed),) if changed else ABSENT
    return Put(Table.CLEARING, keys.bank_group(issuer_id, account, group_id), item, when=when)


def announce(db: Database, issuer_id: str, account: str, entry_id: str, told: Sequence[Payment]) -> None:
    """Keep the payments a notification told of, once."""
    key = Key(keys.bank_entry(issuer_id, account, entry_id).pk, "ANNOUNCED")
    try:
        db.write(Put(Table.CLEARING, key, {"issuer_id": issuer_id, "payments": [p.dump() for p in told]}))
    except ConditionFailed:
        return  # told before


def announced(db: Database, issuer_id: str, account: str, entry_id: str) -> list[Payment]:
    """The payments a notification told of, if any did."""
    row = db.get(Table.CLEARING, Key(keys.bank_entry(issuer_id, account, entry_id).pk, "ANNOUNCED"))
    return [Payment.load(item) for item in row["payments"]] if row else []


def payment_put(made: Payment, read: Payment | None = None) -> Put:
    """A payment, new or over exactly the state that was read; listed while some of it is unapplied."""
    changed = read.changed + 1 if read else 0
    item = made.model_copy(update={"changed": changed}).dump()
    if made.unapplied or made.pending or made.learns:
        item |= {"gsi2pk": keys.unapplied(made.issuer_id), "gsi2sk": f"{made.booked_on.isoformat()}#{made.payment_id}"}
    when = (When("changed", "=", read.changed),) if read else ABSENT
    return Put(Table.CLEARING, keys.bank_payment(made.issuer_id, made.entry_id, made.index), item, when=when)


def payment(db: Database, issuer_id: str, entry_id: str, index: int) -> Payment | None:
    """One payment or None."""
    row = db.get(Table.CLEARING, keys.bank_payment(issuer_id, entry_id, index))
    return Payment.load(row) if row else None


def payments(db: Database, issuer_id: str, entry_id: str) -> list[Payment]:
    """The payments of an entry."""
    pk = keys.bank_payment(issuer_id, entry_id, 0).pk
    return [Payment.load(row) for row in db.rows(Table.CLEARING, pk, consistent=True)]


def put_payments(db: Database, made: Sequence[Payment]) -> None:
    """Payments of a large entry, written before the entry itself; repeats are harmless."""
    for item in made:
        try:
            db.write(payment_put(item))
        except ConditionFailed:
            continue


def unapplied(db: Database, issuer_id: str) -> list[Payment]:
    """Payments with money that nothing explains yet, oldest first."""
    return [payment for payment in waiting(db, issuer_id) if payment.unapplied]


def unapplied_page(db: Database, issuer_id: str, asked: Asked) -> Cut[Payment]:
    """A page of the payments with money that nothing explains yet, oldest first."""

    def load(row: Row) -> Payment | None:
        found = Payment.load(row)
        return found if found.unapplied else None

    return cut(db, Table.CLEARING, [Span(keys.unapplied(issuer_id), "gsi2")], asked, load)


def waiting(db: Database, issuer_id: str) -> list[Payment]:
    """Payments with unexplained money, or with something still to be told, oldest first."""
    found = [Key(r["pk"], r["sk"]) for r in db.rows(Table.CLEARING, keys.unapplied(issuer_id), index="gsi2")]
    rows = db.get_many(Table.CLEARING, found)
    return [Payment.load(rows[key]) for key in found if key in rows]


# ---- originals of returns ------------------------------------------------------------------------------------------
def original_puts(made: BankEntry, references: Sequence[str]) -> list[Put]:
    """Ways from a booked payment's references to its entry."""
    item = {"issuer_id": made.issuer_id, "account": made.account, "amount": plain(made.amount)}
    return [
        Put(
            Table.CLEARING,
            keys.bank_original(made.issuer_id, _digest(made.account, name), made.entry_id),
            item,
            when=(),
        )
        for name in dict.fromkeys(references)
    ]


def originals(db: Database, issuer_id: str, account: str, reference: str) -> list[str]:
    """Entries of an account that carry a reference."""
    pk = keys.bank_original(issuer_id, _digest(account, reference), "").pk
    return [str(row["sk"]) for row in db.rows(Table.CLEARING, pk, consistent=True)]


def _digest(account: str, reference: str) -> str:
    return hashlib.sha256(f"{account}|{reference}".encode()).hexdigest()[:32]


def own_payment_known(db: Database, issuer_id: str, end_to_end_id: str) -> bool:
    """Whether an EndToEndId (or PmtInfId) is one of our own payments."""
    return db.get(Table.CLEARING, keys.end_to_end(issuer_id, end_to_end_id)) is not None


# ---- allocations and payers ----------------------------------------------------------------------------------------
def account_state_put(made: BankAccount, read: BankAccount) -> Put:
    """The next state of a registered account over exactly the one that was read."""
    key = Key(keys.bank_accounts(made.issuer_id), f"{made.account}#{made.currency}")
    item = made.model_copy(update={"changed": read.changed + 1}).dump()
    return Put(Table.CLEARING, key, item, when=(When("changed", "=", read.changed),))


def allocation_put(made: Allocation) -> Put:
    """A match, once for ever."""
    return Put(Table.CLEARING, _allocation_key(made), made.dump())


def allocation_reversal(made: Allocation, reversed_by: str) -> Update:
    """Mark a match as undone."""
    return Update(Table.CLEARING, _allocation_key(made), put={"reversed_by": reversed_by}, when=(_NOT_REVERSED,))


_NOT_REVERSED = When("reversed_by", "absent")


def _allocation_key(made: Allocation) -> Key:
    return keys.allocation(made.issuer_id, made.payment_id, f"{made.sequence:04d}#{made.number}")


def allocations(db: Database, issuer_id: str, payment_id: str) -> list[Allocation]:
    """Matches of a payment in order, undone ones too."""
    pk = keys.allocation(issuer_id, payment_id, "").pk
    return [Allocation.load(row) for row in db.rows(Table.CLEARING, pk, consistent=True)]


def learned(db: Database, issuer_id: str, iban: str | None) -> frozenset[str]:
    """Partners who paid from this account before."""
    row = db.get(Table.CLEARING, keys.payer(issuer_id, iban)) if iban else None
    return frozenset(row["partners"]) if row else frozenset()


def learn(db: Database, issuer_id: str, iban: str, partner: str) -> None:
    """Remember that a partner pays from an account; it never overrides a reference."""
    known = learned(db, issuer_id, iban)
    if partner not in known:
        item = {"issuer_id": issuer_id, "partners": sorted(known | {partner})}
        db.write(Put(Table.CLEARING, keys.payer(issuer_id, iban), item, when=()))


def fact(ctx: Context, issuer_id: str, name: str, subject: str, payload: dict[str, object]) -> Put:
    """A fact for the higher rooms."""
    return outbox.fact(issuer_id, ctx.now(), name, subject, payload)


def put_facts(db: Database, facts: Sequence[Put]) -> None:
    """Facts of a large entry, written before the entry itself; their consumers take repeats."""
    for made in facts:
        try:
            db.write(made)
        except ConditionFailed:
            continue
