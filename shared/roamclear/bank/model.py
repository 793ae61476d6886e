"""Frozen facts read from and written to bank files (ISO 20022 camt, pain); no rule, no storage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from roamclear.kernel.money import Money
from roamclear.kernel.record import Record


class Kind(StrEnum):
    """The three camt messages: intraday report, statement, debit-credit notification."""

    REPORT = "camt.052"
    STATEMENT = "camt.053"
    NOTIFICATION = "camt.054"


class Sign(StrEnum):
    """ISO 20022 CreditDebitCode, seen from the account holder."""

    CREDIT = "CRDT"
    DEBIT = "DBIT"


class Status(StrEnum):
    """Entry status; only ``BOOK`` moves money, the others announce (banking.md 2)."""

    BOOK = "BOOK"
    PENDING = "PDNG"
    INFORMATION = "INFO"
    FUTURE = "FUTR"
    OTHER = "OTHER"


class ReferenceKind(StrEnum):
    """What a structured creditor reference turned out to be, by its check digits and not by its label."""

    RF = "RF"
    QRR = "QRR"
    OTHER = "OTHER"


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of what is read from outside (house.md 4); beyond one of them the file is refused."""

    file_bytes: int = 64 * 1024 * 1024
    member_bytes: int = 512 * 1024 * 1024
    total_bytes: int = 1024 * 1024 * 1024
    members: int = 100
    ratio: int = 200
    statements: int = 5_000
    entries: int = 1_000_000
    transactions_per_entry: int = 200_000
    text_characters: int = 10_000


class Finding(Record):
    """Something a person may want to know that does not stop the file; ``place`` names statement and entry."""

    code: str
    place: str
    message: str


class Reference(Record):
    """A structured creditor reference, compact (no blanks, upper case for RF)."""

    kind: ReferenceKind
    value: str


class Charge(Record):
    """One charge of an entry or transaction; ``included`` says it is already inside the amount."""

    amount: Money
    sign: Sign
    included: bool = False
    bearer: str | None = None


class Return(Record):
    """Why money came back: ISO external return reason, e.g. AC04 (account closed)."""

    reason: str | None = None
    text: str = ""


class Party(Record):
    """The other side as the bank names it."""

    name: str | None = None
    account: str | None = None
    bank: str | None = None


class Transaction(Record):
    """One payment inside an entry (TxDtls), or the entry itself where the bank gave no details.

    ``amount`` is what was settled; it is None where the bank left it open (several details without amounts).
    """

    key: str
    index: int
    amount: Money | None
    sign: Sign
    end_to_end_id: str | None = None
    instruction_id: str | None = None
    payment_id: str | None = None
    message_id: str | None = None
    transaction_id: str | None = None
    uetr: str | None = None
    bank_reference: str | None = None
    mandate_id: str | None = None
    instructed: Money | None = None
    exchange_rate: Decimal | None = None
    references: tuple[Reference, ...] = ()
    document_numbers: tuple[str, ...] = ()
    remittance_lines: tuple[str, ...] = ()
    additional: str = ""
    debtor: Party = Party()
    creditor: Party = Party()
    returned: Return | None = None
    bank_code: str = ""
    charges: tuple[Charge, ...] = ()
    purpose: str | None = None

    @property
    def counterparty(self) -> Party:
        """Who sent (credit) or received (debit) the money."""
        return self.debtor if self.sign is Sign.CREDIT else self.creditor


class Entry(Record):
    """One booking of the account. ``key`` is its identity in every file it ever appears in (banking.md 4.2)."""

    key: str
    group_key: str
    index: int
    account: str
    amount: Money
    sign: Sign
    status: Status
    reversal: bool = False
    booked_on: date | None = None
    value_on: date | None = None
    entry_reference: str | None = None
    bank_reference: str | None = None
    bank_code: str = ""
    charges: tuple[Charge, ...] = ()
    additional: str = ""
    batch_size: int | None = None
    batch_payment_id: str | None = None
    transactions: tuple[Transaction, ...] = ()
    details_given: bool = True
    findings: tuple[Finding, ...] = ()

    @property
    def signed(self) -> Money:
        """The amount with the sign of ``CdtDbtInd`` alone; ``RvslInd`` never turns it round."""
        return self.amount if self.sign is Sign.CREDIT else -self.amount


class Balance(Record):
    """A balance of the statement; ``amount`` is negative for a debit balance."""

    code: str
    amount: Money
    on: date | None = None
    intermediate: bool = False


class Account(Record):
    """The account as the bank names it: an IBAN or another identifier."""

    id: str
    currency: str | None = None
    owner: str | None = None
    bank: str | None = None


class StatementHead(Record):
    """What stands above the entries of a statement; ``balances`` may still be incomplete here."""

    kind: Kind
    version: str
    message_id: str | None
    id: str
    account: Account
    electronic_number: str | None = None
    legal_number: str | None = None
    created: str | None = None
    created_on: date | None = None
    from_date: date | None = None
    to_date: date | None = None
    copy_mark: str | None = None
    page: int | None = None
    last_page: bool | None = None


class StatementEnd(Record):
    """What is known after the last entry: balances, sums and whether they add up."""

    head: StatementHead
    balances: tuple[Balance, ...]
    entries: int
    transactions: int
    booked: Mapping[str, int]
    credits: Mapping[str, int]
    debits: Mapping[str, int]
    findings: tuple[Finding, ...]

    @property
    def opening(self) -> Balance | None:
        """OPBD, else PRCD; interim pages only where nothing else is given."""
        return _pick(self.balances, ("OPBD", "PRCD"))

    @property
    def closing(self) -> Balance | None:
        """CLBD."""
        return _pick(self.balances, ("CLBD",))

    @property
    def consistent(self) -> bool | None:
        """Opening + booked entries = closing; None where the file does not allow the check."""
        opening, closing = self.opening, self.closing
        if opening is None or closing is None or opening.amount.currency != closing.amount.currency:
            return None
        currency = closing.amount.currency
        if any(other != currency for other in self.booked):
            return None
        net = Money(self.booked.get(currency, 0), currency)
        return opening.amount + net == closing.amount


class Statement(Record):
    """A whole statement in memory, for files of ordinary size."""

    head: StatementHead
    end: StatementEnd
    entries: tuple[Entry, ...]


class CamtFile(Record):
    """A whole file in memory: its statements in file order."""

    statements: tuple[Statement, ...]
    findings: tuple[Finding, ...] = ()


def _pick(balances: tuple[Balance, ...], codes: tuple[str, ...]) -> Balance | None:
    for code in codes:
        found = [b for b in balances if b.code == code]
        if found:
            return next((b for b in found if not b.intermediate), found[0])
    return None


# --- pain.001 ------------------------------------------------------------------------------------------------------


class Scheme(StrEnum):
    """How a group of transfers travels: SEPA credit transfer, SEPA instant, or outside SEPA."""

    SEPA = "SEPA"
    INSTANT = "INST"
    OTHER = "OTHER"


class Address(Record):
    """A structured or hybrid postal address: town and country always, at most two free lines (EPC, 15 Nov 2026)."""

    town: str
    country: str
    street: str | None = None
    building: str | None = None
    postcode: str | None = None
    lines: tuple[str, ...] = ()


class Debtor(Record):
    """Who pays: registered legal name, IBAN, and BIC where the bank wants one."""

    name: str
    iban: str
    bic: str | None = None
    address: Address | None = None
    lei: str | None = None


class Transfer(Record):
    """One credit transfer. ``end_to_end_id`` comes back in pain.002, camt and returns: the payout's number.

    Remittance is either a reference (RF or QRR) or one free text of at most 140 characters, never both.
    """

    end_to_end_id: str
    amount: Money
    creditor_name: str
    creditor_iban: str
    creditor_bic: str | None = None
    creditor_address: Address | None = None
    creditor_lei: str | None = None
    ultimate_creditor: str | None = None
    instruction_id: str | None = None
    uetr: str | None = None
    purpose: str | None = None
    reference: str | None = None
    remittance: str | None = None


class PaymentGroup(Record):
    """One PmtInf: transfers of one debit account, day and scheme."""

    id: str
    execute_on: date
    debtor: Debtor
    transfers: tuple[Transfer, ...]
    scheme: Scheme = Scheme.SEPA
    single_debit: bool = True
    charge_bearer: str | None = None
    category_purpose: str | None = None


class PaymentFile(Record):
    """A pain.001 message. ``created_at`` is the approval instant, so the same batch gives the same bytes."""

    message_id: str
    created_at: datetime
    initiator: str
    groups: tuple[PaymentGroup, ...]


# --- pain.002 ------------------------------------------------------------------------------------------------------


class StatusReason(Record):
    """Why: ISO external status reason, e.g. AC01, with the bank's words."""

    code: str | None = None
    text: str = ""


class TransferStatus(Record):
    """The status of one transfer, keyed by our EndToEndId."""

    end_to_end_id: str | None
    instruction_id: str | None = None
    status: str | None = None
    reasons: tuple[StatusReason, ...] = ()


class GroupStatus(Record):
    """The status of one PmtInf; transfers not listed share it."""

    payment_id: str | None
    status: str | None = None
    reasons: tuple[StatusReason, ...] = ()
    transfers: tuple[TransferStatus, ...] = ()
    counts: tuple[tuple[str, int], ...] = ()


class StatusReport(Record):
    """A pain.002 message about one of our pain.001 files."""

    version: str
    message_id: str | None
    original_message_id: str | None
    status: str | None = None
    reasons: tuple[StatusReason, ...] = ()
    groups: tuple[GroupStatus, ...] = ()
    counts: tuple[tuple[str, int], ...] = ()
