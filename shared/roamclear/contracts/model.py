"""A contract is a head with versions; a version is never changed, a new one starts on a later day."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from pydantic import Field, field_validator, model_validator

from roamclear.contracts import fees as fee_rules
from roamclear.contracts.fees import MOST_FEES, Fee
from roamclear.contracts.payment import PaymentRule
from roamclear.contracts.plausibility import Plausibility
from roamclear.contracts.vat import ResellerCertificate, VatBasis, VatCategory, VatRule, VatTreatment, faults
from roamclear.identity.issuer import Address
from roamclear.kernel.ids import party, vat_id
from roamclear.kernel.money import Money
from roamclear.kernel.record import Record
from roamclear.kernel.time import zone

__all__ = [
    "Basis",
    "Contract",
    "ContractVersion",
    "ContractView",
    "Counterparty",
    "DeliveryChannel",
    "Direction",
    "Finding",
    "Frequency",
    "Match",
    "PaymentRule",
    "SelfBilling",
    "Status",
    "Terms",
    "VatBasis",
    "VatCategory",
    "VatRule",
    "VatTreatment",
]


class Basis(StrEnum):
    """Which of the two prices is billed (product.md row 27)."""

    CDR_TOTAL = "CDR_TOTAL"
    CONTRACT_GRID = "CONTRACT_GRID"
    LOWER_OF = "LOWER_OF"


class Frequency(StrEnum):
    """Length of a billing period (product.md row 53)."""

    WEEKLY = "WEEKLY"
    BI_WEEKLY = "BI_WEEKLY"
    SEMI_MONTHLY = "SEMI_MONTHLY"
    MONTHLY = "MONTHLY"
    QUARTERLY = "QUARTERLY"


class DeliveryChannel(StrEnum):
    """How documents reach the partner: by mail (PDF with the XML inside), or through an e-invoice access point."""

    MAIL = "MAIL"
    ACCESS_POINT = "ACCESS_POINT"


class Direction(StrEnum):
    """Who draws up the document: the issuer as seller, or the buyer by self-billing (OCPI reverse billing)."""

    DIRECT = "DIRECT"
    REVERSE = "REVERSE"


class Status(StrEnum):
    """A contract as it is seen at an instant; ENDED and UPCOMING follow from its dates."""

    DRAFT = "DRAFT"
    UPCOMING = "UPCOMING"
    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    ENDED = "ENDED"


class Counterparty(Record):
    """The partner as it stands on documents: the eMSP, or the CPO where we bill ourselves."""

    legal_name: str = Field(min_length=1, max_length=140)
    address: Address
    vat_id: str | None = None
    legal_id: str | None = None
    electronic_address: str | None = None
    electronic_address_scheme: str | None = None
    buyer_reference: str | None = None

    @field_validator("vat_id")
    @classmethod
    def _vat(cls, value: str | None) -> str | None:
        return vat_id.validate(value) if value else None


class SelfBilling(Record):
    """The agreement that self-billing needs (Art. 224): its day, its days of force and how documents are accepted.

    ``valid_to`` is exclusive. ``pay_to`` is the payout account of the supplier: its bank details are kept there, under
    two persons and 72 hours. DEEMED: what nobody objected to within ``deemed_after_days`` of its issue is accepted.
    """

    agreed_on: date
    valid_from: date
    valid_to: date | None = None
    reference: str = Field(min_length=1, max_length=140)
    acceptance: str = Field("EXPLICIT", pattern=r"^(EXPLICIT|DEEMED)$")
    deemed_after_days: int | None = Field(None, ge=1, le=60)
    pay_to: str | None = Field(None, pattern=r"^[A-Z0-9][A-Z0-9-]{1,30}$")

    def holds(self, day: date) -> bool:
        """Whether documents may be drawn up in the supplier's name on a day."""
        return self.valid_from <= day and (self.valid_to is None or day < self.valid_to)

    @model_validator(mode="after")
    def _dated(self) -> SelfBilling:
        if self.agreed_on > self.valid_from:
            raise ValueError("the agreement comes before the first self-billed document (Art. 224)")
        if self.valid_to is not None and self.valid_to <= self.valid_from:
            raise ValueError("the agreement ends before it begins")
        if (self.acceptance == "DEEMED") is (self.deemed_after_days is None):
            raise ValueError("deemed_after_days belongs to acceptance DEEMED")
        return self


class Terms(Record):
    """What a version fixes. Prices are ``grid``: lines of scope and an OCPI tariff (read by the rating room).

    ``party_ids`` are the partner's: eMSP parties, or CPO parties where the direction is REVERSE.
    """

    counterparty: Counterparty
    party_ids: tuple[str, ...] = Field(min_length=1, max_length=50)
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    grid: tuple[dict[str, Any], ...] = ()
    basis: Basis = Basis.CONTRACT_GRID
    price_tolerance: Decimal = Decimal("0.02")
    price_tolerance_percent: Decimal = Decimal(1)
    on_price_variance: str = Field("WARN", pattern=r"^(WARN|HOLD)$")
    on_period_span: str = Field("START", pattern=r"^(START|HOLD)$")
    vat: VatTreatment | None = None
    vat_basis: VatBasis = VatBasis.BUYER_ESTABLISHMENT
    vat_rules: tuple[VatRule, ...] = Field((), max_length=200)
    on_old_vat_proof: str = Field("WARN", pattern=r"^(WARN|HOLD)$")
    taxable_dealer: bool = True
    reseller_certificate: ResellerCertificate | None = None
    issuer_certificate: ResellerCertificate | None = None
    seller_establishments: tuple[str, ...] = Field((), max_length=40)
    direction: Direction = Direction.DIRECT
    self_billing: SelfBilling | None = None
    delivery_channel: DeliveryChannel = DeliveryChannel.MAIL
    credit_limit: Money | None = None
    frequency: Frequency = Frequency.MONTHLY
    cycle_start: date | None = None
    window_days: int = Field(7, ge=0, le=60)
    early_acceptance: bool = False
    intake_grace_hours: int = Field(24, ge=0, le=240)
    zone: str = "Europe/Paris"
    contact_emails: tuple[str, ...] = Field(min_length=1, max_length=10)
    language: str = Field("EN", pattern=r"^(EN|DE|FR|NL)$")
    payment_rule: PaymentRule = PaymentRule.NET
    payment_days: int = Field(30, ge=0, le=180)
    payment_day: int | None = Field(None, ge=1, le=31)
    payment_months: int = Field(1, ge=0, le=3)
    auto_issue: bool = True
    credit_after_invoice: str = Field("NEXT_RUN", pattern=r"^(NEXT_RUN|CREDIT_NOTE)$")
    #: From which day on sessions are cleared here, by their stop; those before are OUT_OF_SCOPE (product.md A3).
    auto_from: date | None = None
    late_limit_days: int = Field(90, ge=1, le=365)
    hold_expiry_days: int = Field(90, ge=1, le=365)
    answer_working_days: int = Field(5, ge=1, le=30)
    #: Whose holidays are no working days, for both sides: a country or a region; None: of who has to answer.
    holidays_of: str | None = Field(None, pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$")
    on_cpo_silence: str = Field("ACCEPT", pattern=r"^(ACCEPT|REJECT)$")
    unanswered_policy: str = Field("HOLD", pattern=r"^(HOLD|BILL|DROP)$")
    #: Whether a session whose claim states a part of its price is billed without that part (product.md A3).
    invoice_undisputed_part: bool = False
    unassigned_policy: str = Field("HOLD", pattern=r"^(HOLD|INVOICE_AND_PARK)$")
    bill_zero_energy: bool = False
    fees: tuple[Fee, ...] = Field((), max_length=MOST_FEES)
    min_invoice_minor: int = Field(0, ge=0, le=10**9)
    min_invoice_periods: int = Field(3, ge=1, le=12)
    zero_invoices: bool = False
    max_energy_kwh: Decimal = Decimal(1000)
    max_duration_hours: int = 720
    plausibility: Plausibility = Plausibility()

    @field_validator("party_ids")
    @classmethod
    def _parties(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(party.validate(v) for v in value)

    @field_validator("zone")
    @classmethod
    def _zone(cls, value: str) -> str:
        return zone(value).key

    @field_validator("contact_emails")
    @classmethod
    def _mail(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if any("@" not in v or len(v) > 254 or not v.isascii() or " " in v for v in value):
            raise ValueError("a contact is an e-mail address")
        return value

    @field_validator("seller_establishments")
    @classmethod
    def _countries(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if any(len(v) != 2 or not v.isascii() or not v.isalpha() or not v.isupper() for v in value):
            raise ValueError("an establishment is an ISO 3166-1 alpha-2 country")
        return value

    @model_validator(mode="after")
    def _agrees(self) -> Terms:
        told = [*faults(self.vat, self.vat_rules, self.vat_basis), *fee_rules.faults(self.fees)]
        if self.credit_limit is not None and self.credit_limit.currency != self.currency:
            told.append("credit_limit is not in the contract's currency")
        if self.credit_limit is not None and self.credit_limit.amount_minor < 0:
            told.append("credit_limit is not below zero")
        if (self.payment_rule is PaymentRule.FIXED_DAY) is (self.payment_day is None):
            told.append("payment_day belongs to payment_rule FIXED_DAY")
        if self.invoice_undisputed_part and self.unanswered_policy != "HOLD":
            told.append("invoice_undisputed_part belongs to unanswered_policy HOLD")
        if self.direction is Direction.REVERSE and self.fees:
            told.append("fees on top are the supplier's: a REVERSE contract has none")
        if self.direction is Direction.REVERSE and self.credit_after_invoice != "NEXT_RUN":
            told.append("credits of a REVERSE contract stand on the next document (credit_after_invoice NEXT_RUN)")
        if told:
            raise ValueError("; ".join(told))
        return self

    @property
    def is_reverse(self) -> bool:
        """Whether we are the eMSP that bills itself: the counterparty is the CPO and supplies."""
        return self.direction is Direction.REVERSE


class Finding(Record):
    """What a person should look at before billing: a stable code, WARN, the field and a sentence."""

    code: str
    severity: str = "WARN"
    field: str
    message: str


class ContractVersion(Record):
    """Terms in force from the local start of ``valid_from`` until the next version or the contract's end.

    ``findings`` are those of the day of its recording; the software never decides tax, it only tells them. ``ends_on``
    is the contract's end (exclusive) as it was set with this version; None is open.
    """

    issuer_id: str
    contract_id: str
    version: int
    valid_from: date
    terms: Terms
    author: str
    recorded_at_utc: datetime
    findings: tuple[Finding, ...] = ()
    ends_on: date | None = None


class KnownContract(Record):
    """A contract at an instant (B11): in force at ``as_of_utc``, by what had been recorded until ``known_at_utc``.

    ``in_force`` is absent before the first day and from the end on.
    """

    contract_id: str
    as_of_utc: datetime
    known_at_utc: datetime
    valid_from: date
    valid_to: date | None = None
    in_force: ContractVersion | None = None
    versions: tuple[ContractVersion, ...]


class Contract(Record):
    """The head: dates in the contract's zone (end exclusive), latest version number and the parties covered."""

    issuer_id: str
    contract_id: str = Field(pattern=r"^[A-Z0-9][A-Z0-9-]{1,30}$")
    name: str = Field(min_length=1, max_length=140)
    valid_from: date
    valid_to: date | None = None
    status: str = Field("ACTIVE", pattern=r"^(DRAFT|ACTIVE)$")
    missing: tuple[str, ...] = ()
    version: int
    zone: str
    frequency: Frequency
    cycle_start: date | None = None
    party_ids: tuple[str, ...]
    suspended_at_utc: datetime | None = None
    changed: int = 0


class ContractView(Contract):
    """A contract as it is shown: with its state at the instant of asking."""

    state: Status


class Match(Record):
    """Which contract a session belongs to: exactly one, or the reason why not.

    ``terms`` is the version of its start, which prices it; ``current`` that of today, which finds it plausible or not.
    """

    contract: Contract | None = None
    terms: ContractVersion | None = None
    current: ContractVersion | None = None
    reason: str | None = None
