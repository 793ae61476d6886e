"""A contract is a head with versions; a version is never changed, a new one starts on a later day."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from pydantic import Field, field_validator, model_validator

from roamclear.identity.issuer import Address
from roamclear.kernel.ids import party, vat_id
from roamclear.kernel.record import Record
from roamclear.kernel.time import zone


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


class VatCategory(StrEnum):
    """EN 16931 category: standard, reverse charge, outside scope."""

    STANDARD = "S"
    REVERSE_CHARGE = "AE"
    OUTSIDE_SCOPE = "O"


class Counterparty(Record):
    """The eMSP as it stands on documents."""

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


class VatTreatment(Record):
    """Chosen per contract, never decided by the software: category, rate in percent and the printed reason."""

    category: VatCategory
    rate_percent: Decimal = Decimal(0)
    reason: str | None = None

    @model_validator(mode="after")
    def _fits(self) -> VatTreatment:
        if self.category is VatCategory.STANDARD and self.rate_percent <= 0:
            raise ValueError("category S needs a rate above zero")
        if self.category is not VatCategory.STANDARD and (self.rate_percent != 0 or not self.reason):
            raise ValueError("categories AE and O have rate 0 and a printed reason")
        return self


class Terms(Record):
    """What a version fixes. Prices are ``grid``: lines of scope and an OCPI tariff (read by the rating room)."""

    counterparty: Counterparty
    party_ids: tuple[str, ...] = Field(min_length=1, max_length=50)
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    grid: tuple[dict[str, Any], ...] = ()
    basis: Basis = Basis.CONTRACT_GRID
    price_tolerance: Decimal = Decimal("0.02")
    price_tolerance_percent: Decimal = Decimal(1)
    on_price_variance: str = Field("WARN", pattern=r"^(WARN|HOLD)$")
    on_period_span: str = Field("START", pattern=r"^(START|HOLD)$")
    vat: VatTreatment
    frequency: Frequency = Frequency.MONTHLY
    window_days: int = Field(7, ge=0, le=60)
    intake_grace_hours: int = Field(24, ge=0, le=240)
    zone: str = "Europe/Paris"
    contact_emails: tuple[str, ...] = Field(min_length=1, max_length=10)
    language: str = Field("EN", pattern=r"^(EN|DE|FR|NL)$")
    payment_days: int = Field(30, ge=0, le=60)
    auto_issue: bool = True
    late_limit_days: int = Field(90, ge=1, le=365)
    hold_expiry_days: int = Field(90, ge=1, le=365)
    answer_working_days: int = Field(5, ge=1, le=30)
    on_cpo_silence: str = Field("ACCEPT", pattern=r"^(ACCEPT|REJECT)$")
    unanswered_policy: str = Field("HOLD", pattern=r"^(HOLD|BILL|DROP)$")
    unassigned_policy: str = Field("HOLD", pattern=r"^(HOLD|INVOICE_AND_PARK)$")
    bill_zero_energy: bool = False
    max_energy_kwh: Decimal = Decimal(1000)
    max_duration_hours: int = 720

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


class ContractVersion(Record):
    """Terms in force from the local start of ``valid_from`` until the next version or the contract's end."""

    issuer_id: str
    contract_id: str
    version: int
    valid_from: date
    terms: Terms
    author: str
    recorded_at_utc: datetime


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
    party_ids: tuple[str, ...]


class Match(Record):
    """Which contract a session belongs to: exactly one, or the reason why not."""

    contract: Contract | None = None
    terms: ContractVersion | None = None
    reason: str | None = None
