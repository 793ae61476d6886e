"""Facts of cash application: bank accounts, files, statements, entries, payments, decisions and allocations."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum

from pydantic import Field, field_validator

from roamclear.kernel.money import Money
from roamclear.kernel.record import Record


class BankAccount(Record):
    """A registered account of an issuer: an IBAN or another identifier, compact.

    ``books_from`` names the messages whose entries are booked. Entries of the others are announcements: they give
    details to what is booked, never a second booking (banking.md 4.2). ``opening`` is the opening balance of the
    earliest statement known.
    """

    issuer_id: str
    account: str = Field(min_length=4, max_length=70)
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    books_from: tuple[str, ...] = Field(("camt.053",), min_length=1, max_length=3)
    registered_at_utc: datetime | None = None
    opening_from: str | None = None
    opening: Money | None = None
    changed: int = 0

    @field_validator("account")
    @classmethod
    def _compact(cls, value: str) -> str:
        return "".join(value.split()).upper()

    @field_validator("books_from")
    @classmethod
    def _messages(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if set(value) - {"camt.052", "camt.053", "camt.054"}:
            raise ValueError("camt.052, camt.053 or camt.054")
        return value


class FileState(StrEnum):
    """States of a dropped file (product.md, State machines)."""

    DROPPED = "DROPPED"
    PARSED = "PARSED"
    MATCHED = "MATCHED"
    PARTLY = "PARTLY"
    QUARANTINED = "QUARANTINED"


class BankFile(Record):
    """A dropped file by the SHA-256 of its bytes; ``done`` is the checkpoint, in entries of the file."""

    sha256: str
    object_key: str
    state: FileState
    dropped_at_utc: datetime
    entries: int = 0
    done: int = 0
    booked: int = 0
    known: int = 0
    issuer_ids: tuple[str, ...] = ()
    reason: str | None = None
    retry: bool = False
    finished_at_utc: datetime | None = None


class StatementRow(Record):
    """A statement as the bank sent it. ``digest`` covers its entries, so that a differing repeat is seen."""

    issuer_id: str
    account: str
    key: str
    kind: str
    statement_id: str
    currency: str
    number: str | None = None
    day: date
    opening: Money | None = None
    closing: Money | None = None
    net: Money
    entries: int
    consistent: bool | None = None
    digest: str
    file_sha256: str
    received_at_utc: datetime


class EntryKind(StrEnum):
    """What a booked entry was recognised as; it decides the posting (rules.md 8)."""

    CREDIT = "CREDIT"
    PAYOUT = "PAYOUT"
    RETURN = "RETURN"
    FEE = "FEE"
    DEBIT = "DEBIT"


class BankEntry(Record):
    """A booked entry of a registered account; its payments stand beside it. Never changed."""

    issuer_id: str
    entry_id: str
    key: str
    account: str
    amount: Money
    kind: EntryKind
    booked_on: date
    value_on: date
    payments: int
    bank_reference: str | None = None
    bank_code: str = ""
    file_sha256: str
    recorded_at_utc: datetime


class PaymentState(StrEnum):
    """What became of a payment: money without a document, partly, wholly used, or gone back."""

    OPEN = "OPEN"
    PARTLY = "PARTLY"
    APPLIED = "APPLIED"
    DONE = "DONE"
    RETURNED = "RETURNED"


class Notice(Record):
    """Something the exception journal is to learn, or to forget, once the payment's change has been written."""

    kind: str
    subject: str
    closes: bool = False
    message: str = ""
    partner: str | None = None
    document: str | None = None
    expected: Money | None = None
    received: Money | None = None
    next_action: str | None = None


class Payment(Record):
    """One payment inside an entry. ``amount`` and ``unapplied`` have the sign of the bank: money out is negative.

    ``unapplied`` is what is not explained yet, by a document or by an original; it lies on the ledger account
    ``holding`` (unapplied cash of a partner, or suspense). ``booked_to`` is where it lay first. ``told`` is the type
    under which the exception journal may know of it; ``pending`` and ``learns`` are what is still to be told and
    learned after a change, so that a crash in between loses nothing.
    """

    issuer_id: str
    payment_id: str
    entry_id: str
    kind: EntryKind
    index: int
    account: str
    amount: Money
    unapplied: Money
    booked_to: str
    holding: str
    state: PaymentState
    booked_on: date
    value_on: date
    references: tuple[str, ...] = ()
    document_numbers: tuple[str, ...] = ()
    text: str = ""
    payer: str | None = None
    payer_name: str | None = None
    end_to_end_id: str | None = None
    charges: Money | None = None
    instructed: Money | None = None
    return_reason: str | None = None
    quotes: tuple[str, ...] = ()
    original_id: str | None = None
    suggestion: Decision | None = None
    told: str | None = None
    pending: tuple[Notice, ...] = ()
    learns: str | None = None
    applications: int = 0
    changed: int = 0
    details_given: bool = True


class OpenItem(Record):
    """An unpaid document; ``open_amount`` is negative for a credit note. A partner is known by its contract."""

    number: str
    contract_id: str
    partner: str
    open_amount: Money
    due_on: date
    reference: str | None = None


class Rule(StrEnum):
    """Which line of rules.md 9 decided."""

    CREDITOR_REFERENCE = "CREDITOR_REFERENCE"
    COMPLETE_NUMBERS = "COMPLETE_NUMBERS"
    PARTIAL_REFERENCE = "PARTIAL_REFERENCE"
    PARTIAL_NUMBER = "PARTIAL_NUMBER"
    CUT_NUMBER = "CUT_NUMBER"
    NUMBERS_OTHER_SUM = "NUMBERS_OTHER_SUM"
    PAYER_AMOUNT = "PAYER_AMOUNT"
    PAYER_SUBSET = "PAYER_SUBSET"
    AMOUNT_ONLY = "AMOUNT_ONLY"
    BY_HAND = "BY_HAND"
    NOTHING = "NOTHING"


class Level(StrEnum):
    """Whether the machine acts alone, asks, or knows nothing."""

    AUTO = "AUTO"
    SUGGEST = "SUGGEST"
    NONE = "NONE"


class Share(Record):
    """How much of a payment goes to a document (negative for a credit note that is used up)."""

    number: str
    contract_id: str
    amount: Money


class Decision(Record):
    """What the cascade says about one payment, with its rule, score (0 to 100) and the fields it looked at.

    ``reasons`` are types of the exception journal; ``partner`` is the debtor where the decision is sure of it.
    """

    level: Level
    rule: Rule
    score: int
    fields: tuple[str, ...]
    shares: tuple[Share, ...] = ()
    reasons: tuple[str, ...] = ()
    candidates: tuple[str, ...] = ()
    partner: str | None = None


class Allocation(Record):
    """A match that was made: part of a payment went to a document. Undone by ``reversed_by``, never deleted.

    ``sequence`` counts the applications of the payment; all shares of one application are one ledger entry.
    """

    issuer_id: str
    payment_id: str
    sequence: int
    number: str
    contract_id: str
    amount: Money
    rule: Rule
    score: int
    fields: tuple[str, ...]
    actor_id: str
    at_utc: datetime
    reversed_by: str | None = None


class Imported(Record):
    """What one call of the import did; ``finished`` is False when another call must go on."""

    sha256: str
    state: FileState
    finished: bool
    booked: int = 0
    known: int = 0
    reason: str | None = None


Payment.model_rebuild()
