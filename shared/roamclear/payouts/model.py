"""Shares of sessions, payouts and payment batches."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from roamclear.evses.model import AccountKind
from roamclear.kernel.money import Money
from roamclear.kernel.record import Record

#: A payout claims at most so many groups, a batch pays at most so many payouts: one transaction each.
MAX_GROUPS = 80
MAX_ITEMS = 90


class ShareLine(Record):
    """One locked session's net revenue, split: ``share + commission + own = gross`` (all without VAT).

    Written once for ever, in its account's partition of its run. A credit is a negative line; ``credit_of`` names the
    CDR that it takes back.
    """

    issuer_id: str
    run_id: str
    cdr_ref: str
    cdr_id: str
    contract_id: str
    account_id: str
    account_version: int
    evse_id: str | None = None
    stop_utc: datetime
    zone: str = "UTC"
    energy_kwh: Decimal
    credit_of: str | None = None
    gross: Money
    commission: Money
    share: Money
    own: Money


class Parked(Record):
    """A billed session whose EVSE had no account at the lock (``INVOICE_AND_PARK``); its share waits for one.

    A correction that the house bears alone (``borne``) stands here too and waits for nothing: it is nobody's share.
    """

    issuer_id: str
    run_id: str
    cdr_ref: str
    cdr_id: str
    contract_id: str
    evse_id: str | None = None
    stop_utc: datetime
    zone: str = "UTC"
    energy_kwh: Decimal
    credit_of: str | None = None
    gross: Money
    borne: bool = False
    account_id: str | None = None


class Progress(Record):
    """How far the lines of a run are: ``done`` sessions, the last member (stop, reference), and whether all.

    ``turn`` counts the pieces: each is written over exactly the one before it.
    """

    turn: int = 0
    done: int = 0
    after: tuple[datetime, str] | None = None
    over: bool = False


class Accrual(Record):
    """The sum of an account's shares of one run; complete once it stands, claimed once by a payout."""

    issuer_id: str
    account_id: str
    group: str
    run_id: str
    contract_id: str
    currency: str
    sessions: int
    energy_kwh: Decimal
    first_stop_utc: datetime
    last_stop_utc: datetime
    gross: Money
    commission: Money
    share: Money
    own: Money
    accrued_at_utc: datetime
    payout_id: str | None = None


class Balance(Record):
    """What an account carries over in a currency, and its last payout and self-billed document."""

    issuer_id: str
    account_id: str
    currency: str
    carry: Money
    payouts: int = 0
    last_document: str | None = None
    last_document_date: date | None = None
    changed: int = 0


class PayoutStatus(StrEnum):
    """States of a payout row; APPROVED and EXPORTED are read from its batch (``shown``)."""

    READY = "READY"
    APPROVED = "APPROVED"
    EXPORTED = "EXPORTED"
    CONFIRMED = "CONFIRMED"
    RETURNED = "RETURNED"
    CARRIED = "CARRIED"


class Payout(Record):
    """One statement of an account: ``opening + share + vat + purchase_amount - pay = closing``.

    ``purchase`` is the self-billed document of a REVERSE contract that a payout pays instead of shares.
    ``share`` and ``own`` are without VAT; a payout of an OWN account has no VAT, no document and no transfer.
    """

    issuer_id: str
    payout_id: str
    account_id: str
    account_version: int
    kind: AccountKind
    currency: str
    issue_date: date
    groups: tuple[str, ...]
    sessions: int
    energy_kwh: Decimal
    first_day: date
    last_day: date
    gross: Money
    commission: Money
    share: Money
    own: Money
    vat_category: str | None = None
    vat_rate_percent: Decimal | None = None
    vat: Money
    opening: Money
    pay: Money
    closing: Money
    state: PayoutStatus
    end_to_end_id: str
    purchase: str | None = None
    purchase_amount: Money | None = None
    attempt: int = 1
    batch_id: str | None = None
    document_number: str | None = None
    document_type: str | None = None
    model_key: str | None = None
    statement_key: str | None = None
    mailed_at_utc: datetime | None = None
    created_at_utc: datetime
    confirmed_on: date | None = None
    entry_key: str | None = None
    #: Bank entries of earlier attempts, which came back.
    booked_before: tuple[str, ...] = ()
    return_reason: str | None = None
    changed: int = 0


class Held(Record):
    """Sessions that wait at some EVSEs for an account, and their net per currency."""

    evses: int
    sessions: int
    net: tuple[Money, ...] = ()


class Counter(Record):
    """Last number and last issue date of a series (rules.md 7)."""

    last: int
    last_date: date


class BatchState(StrEnum):
    """States of a batch."""

    MADE = "MADE"
    APPROVED = "APPROVED"
    EXPORTED = "EXPORTED"
    CANCELLED = "CANCELLED"
    REJECTED = "REJECTED"


class BatchItem(Record):
    """One transfer as it stood when the batch was made; the account's bank details are of ``iban_version``."""

    payout_id: str
    end_to_end_id: str
    account_id: str
    iban_version: int
    holder: str
    iban: str
    bic: str | None = None
    amount: Money
    remittance: str


class Batch(Record):
    """Transfers of one debit account and day; ``digest`` is what the second person approves."""

    issuer_id: str
    batch_id: str
    state: BatchState
    maker: str
    made_at_utc: datetime
    checker: str | None = None
    approved_at_utc: datetime | None = None
    execution_date: date
    debtor_name: str
    debtor_iban: str
    debtor_bic: str | None = None
    debtor_town: str = ""
    debtor_country: str = ""
    items: tuple[BatchItem, ...]
    total: Money
    digest: str
    exported_at_utc: datetime | None = None
    sha256: str | None = None
    file_key: str | None = None
    exports: int = 0
    closed_reason: str | None = None
    changed: int = 0


class Export(Record):
    """A payment file: the same batch gives the same bytes; a copy differs by its file name alone."""

    batch_id: str
    file_name: str
    file_key: str
    sha256: str
    copy_number: int
