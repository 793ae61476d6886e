"""EVSEs, payout accounts and assignments."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from pydantic import Field, field_validator, model_validator

from roamclear.contracts.model import VatTreatment
from roamclear.identity.issuer import Address
from roamclear.kernel.ids import evse_id, iban, party, vat_id
from roamclear.kernel.money import Money
from roamclear.kernel.record import Record
from roamclear.kernel.time import zone

ACCOUNT_ID = r"^[A-Z0-9](?:[A-Z0-9-]{0,14}[A-Z0-9])$"
#: The account partition of EVSEs that nobody is paid for.
UNASSIGNED = "-"


class Source(StrEnum):
    """Where the register knows an EVSE from; a better source replaces a poorer one."""

    OCPI = "OCPI"
    CSV = "CSV"
    CDR = "CDR"


class Evse(Record):
    """One EVSE of the register by its folded id (product.md row 90).

    ``country`` is ISO 3166-1 alpha-2, ``output_kw`` the strongest connector, ``power_type`` ``AC`` or ``DC``, ``zone``
    an IANA name. ``account_id`` is the newest entry of the assignment history; whether it counts depends on the account
    being active. ``assigned`` counts the entries of that history.
    """

    issuer_id: str
    evse_id: str
    evse_uid: str | None = None
    party: str
    location_id: str = ""
    location_name: str = ""
    country: str = ""
    city: str = ""
    postal_code: str = ""
    output_kw: Decimal | None = None
    power_type: str | None = Field(None, pattern=r"^(AC|DC)$")
    zone: str | None = None
    sub_cpo: str = ""
    group: str | None = None
    source: Source
    first_seen_utc: datetime
    removed_at_utc: datetime | None = None
    account_id: str | None = None
    assigned_from_utc: datetime | None = None
    assigned_by: str | None = None
    assigned: int = 0
    changed: int = 0


class EvseRow(Record):
    """One line of an import by a person; what is left empty stays as it was known."""

    evse_id: str = Field(max_length=64)
    party: str
    location_id: str = Field("", max_length=36)
    location_name: str = Field("", max_length=255)
    country: str = Field("", pattern=r"^([A-Z]{2})?$")
    city: str = Field("", max_length=100)
    postal_code: str = Field("", max_length=20)
    output_kw: Decimal | None = Field(None, ge=0, le=100_000, max_digits=12)
    power_type: str | None = Field(None, pattern=r"^(AC|DC)$")
    zone: str | None = None
    sub_cpo: str = Field("", max_length=100)

    @field_validator("evse_id")
    @classmethod
    def _evse_id(cls, value: str) -> str:
        return evse_id.validate(value)

    @field_validator("party")
    @classmethod
    def _party(cls, value: str) -> str:
        return party.validate(value)

    @field_validator("zone")
    @classmethod
    def _zone(cls, value: str | None) -> str | None:
        return zone(value).key if value else None


class RowResult(Record):
    """What became of a line: REGISTERED (new or changed), SAME, or REFUSED with its reason."""

    line: int
    evse_id: str
    outcome: str
    reason: str | None = None


class Filters(Record):
    """The seven filters of product.md row 94; all that are given must fit."""

    evse_id: str | None = Field(None, max_length=48, description="beginning of the id, any spelling")
    sub_cpo: str | None = Field(None, max_length=100)
    output_min_kw: Decimal | None = None
    output_max_kw: Decimal | None = None
    power_type: str | None = Field(None, pattern=r"^(AC|DC)$")
    country: str | None = Field(None, pattern=r"^[A-Z]{2}$")
    city: str | None = Field(None, max_length=100)
    postal_code: str | None = Field(None, max_length=20, description="beginning of the code")


class EvsePage(Record):
    """Some EVSEs in order of their id; ``next`` is the id to go on after."""

    items: tuple[Evse, ...]
    next: str | None = None


class Counts(Record):
    """How many EVSEs stand in which table; ``assigned + unassigned = total``."""

    total: int
    assigned: int
    unassigned: int
    by_account: dict[str, int] = {}


# ---- payout accounts -----------------------------------------------------------------------------------------------
class AccountKind(StrEnum):
    """Own accounts get statements and ledger entries, never a transfer or a 389 (rules.md 6)."""

    OWN = "OWN"
    EXTERNAL = "EXTERNAL"


class Commission(StrEnum):
    """How our part is taken (rules.md 7); SERVICE needs a document of ours and is not offered yet."""

    PRICE_REDUCTION = "PRICE_REDUCTION"


class Trigger(StrEnum):
    """What makes a share payable; ON_CASH is not offered yet."""

    ON_INVOICE = "ON_INVOICE"


class Unpaid(StrEnum):
    """What becomes of unpaid amounts of a deactivated account (product.md row 100)."""

    PAY = "PAY"
    FREEZE = "FREEZE"


class Agreement(Record):
    """The self-billing agreement (Art. 224 VAT Directive): days inclusive, ``valid_to`` None is open-ended."""

    reference: str = Field(min_length=1, max_length=80)
    signed_on: date | None = None
    valid_from: date
    valid_to: date | None = None

    @model_validator(mode="after")
    def _order(self) -> Agreement:
        if self.valid_to is not None and self.valid_to < self.valid_from:
            raise ValueError("valid_to lies before valid_from")
        return self

    def holds(self, day: date) -> bool:
        """Whether documents may be drawn up in the supplier's name on a day."""
        return self.valid_from <= day and (self.valid_to is None or day <= self.valid_to)


class AccountTerms(Record):
    """What a version of an account fixes. ``vat`` None: the holder is no taxable person, statements carry no VAT.

    ``share_percent`` of a session's net revenue goes to the holder, the rest is our price reduction.
    """

    kind: AccountKind
    holder: str = Field(min_length=1, max_length=70)
    iban: str | None = None
    bic: str | None = Field(None, pattern=r"^[A-Z]{6}[A-Z0-9]{2}(?:[A-Z0-9]{3})?$")
    currency: str = Field("EUR", pattern=r"^[A-Z]{3}$")
    vat_id: str | None = None
    legal_id: str | None = Field(None, max_length=40)
    vat: VatTreatment | None = None
    address: Address
    email: str = Field(max_length=254)
    agreement: Agreement | None = None
    commission: Commission = Commission.PRICE_REDUCTION
    share_percent: Decimal = Field(Decimal(100), ge=0, le=100, max_digits=9, decimal_places=6)
    minimum: Money | None = None
    trigger: Trigger = Trigger.ON_INVOICE
    frequency: str = Field("MONTHLY", pattern=r"^MONTHLY$")
    language: str = Field("EN", pattern=r"^(EN|DE|FR|NL)$")

    @field_validator("iban")
    @classmethod
    def _iban(cls, value: str | None) -> str | None:
        return iban.validate(value) if value else None

    @field_validator("vat_id")
    @classmethod
    def _vat_id(cls, value: str | None) -> str | None:
        return vat_id.validate(value) if value else None

    @field_validator("email")
    @classmethod
    def _mail(cls, value: str) -> str:
        if value.count("@") != 1 or not value.isascii() or " " in value:
            raise ValueError("an e-mail address")
        return value

    @model_validator(mode="after")
    def _fits(self) -> AccountTerms:
        if self.kind is AccountKind.EXTERNAL and self.iban is None:
            raise ValueError("an external account has an IBAN")
        if self.vat is not None and self.vat.category != "O" and self.vat_id is None:
            raise ValueError("a taxable holder has a VAT id")
        if self.minimum is not None and (self.minimum.currency != self.currency or self.minimum.amount_minor < 0):
            raise ValueError("the minimum is not negative and of the account's currency")
        return self

    @property
    def pays_to(self) -> tuple[str, str | None, str]:
        """What a transfer goes by; a change of it needs two persons and 72 hours."""
        return (self.iban or "", self.bic, self.holder)


class AccountVersion(Record):
    """Terms in force from the instant they were recorded; never changed."""

    issuer_id: str
    account_id: str
    version: int
    terms: AccountTerms
    author: str
    approver: str | None = None
    recorded_at_utc: datetime


class PayoutAccount(Record):
    """The head of an account. ``iban_version`` is the version that brought its present bank details.

    Nothing is paid before ``payable_from_utc`` (None: a second person has not approved the bank details yet).
    """

    issuer_id: str
    account_id: str = Field(pattern=ACCOUNT_ID)
    name: str = Field(min_length=1, max_length=80)
    kind: AccountKind
    currency: str
    version: int = 1
    iban_version: int = 1
    payable_from_utc: datetime | None = None
    active: bool = True
    unpaid: Unpaid = Unpaid.FREEZE
    created_at_utc: datetime
    created_by: str
    changed: int = 0

    def payable(self, now: datetime) -> bool:
        """Whether a transfer may leave for this account now."""
        released = self.payable_from_utc is not None and self.payable_from_utc <= now
        return self.kind is AccountKind.EXTERNAL and released and (self.active or self.unpaid is Unpaid.PAY)


class AccountState(Record):
    """The head of an account as it was from an instant until the next one (B11); never changed."""

    issuer_id: str
    account_id: str
    recorded_at_utc: datetime
    head: PayoutAccount


class KnownAccount(Record):
    """An account at an instant (B11): as it was at ``as_of_utc``, by what had been recorded until ``known_at_utc``.

    ``in_force`` are the terms of that instant; ``payable`` whether a transfer might have left then.
    """

    account: PayoutAccount
    as_of_utc: datetime
    known_at_utc: datetime
    payable: bool
    in_force: AccountVersion
    versions: tuple[AccountVersion, ...]


class Proposal(Record):
    """New terms of an account that wait for a second person; ``base_version`` is what they change."""

    issuer_id: str
    account_id: str
    base_version: int
    terms: AccountTerms
    maker: str
    asked_at_utc: datetime


# ---- assignments ---------------------------------------------------------------------------------------------------
class Assignment(Record):
    """One entry of an EVSE's history: from ``from_utc`` on, until a later entry says otherwise.

    ``account_id`` None means unassigned. An entry replaces what earlier ones said from its instant on.
    """

    issuer_id: str
    evse_id: str
    number: int
    account_id: str | None = None
    from_utc: datetime
    recorded_at_utc: datetime
    actor_id: str
    approver_id: str | None = None


class Policy(Record):
    """From where on an assignment needs a second person (rules.md 10, fraud).

    ``max_moved_minor`` is what the held sessions of the EVSEs may be worth, in minor units of whichever currency.
    """

    max_evses: int = Field(1000, ge=0)
    max_moved_minor: int = Field(2_000_000, ge=0)
    young_account_days: int = Field(30, ge=30, le=365)


class RequestState(StrEnum):
    """States of an assignment request."""

    PENDING = "PENDING"
    APPLIED = "APPLIED"
    REFUSED = "REFUSED"


class AssignmentRequest(Record):
    """An assignment that was made, or that waits for a second person (``reasons`` say why)."""

    issuer_id: str
    request_id: str
    state: RequestState
    evse_ids: tuple[str, ...]
    account_id: str
    from_utc: datetime
    maker: str
    asked_at_utc: datetime
    reasons: tuple[str, ...] = ()
    moved: tuple[Money, ...] = ()
    checker: str | None = None
    decided_at_utc: datetime | None = None
