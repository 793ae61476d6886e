"""The issuer: the legal entity that invoices, and how its documents look."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from pydantic import Field, field_validator

from roamclear.kernel.ids import iban, party, vat_id
from roamclear.kernel.record import Record
from roamclear.kernel.time import zone

ISSUER_ID = re.compile(r"^[a-z0-9][a-z0-9-]{1,30}$", re.ASCII)


class Address(Record):
    """A postal address; ``country`` is ISO 3166-1 alpha-2."""

    lines: tuple[str, ...] = Field(min_length=1, max_length=3)
    postal_code: str = Field(min_length=1, max_length=20)
    city: str = Field(min_length=1, max_length=80)
    country: str = Field(pattern=r"^[A-Z]{2}$")


class Brand(Record):
    """White-label look: hex colours, an optional logo in the documents bucket, footer lines, contact."""

    name: str = Field(min_length=1, max_length=80)
    primary: str = Field("#0B3D5C", pattern=r"^#[0-9A-Fa-f]{6}$")
    accent: str = Field("#19A974", pattern=r"^#[0-9A-Fa-f]{6}$")
    typeface: str = Field("SANS", pattern=r"^(SANS|SERIF)$")
    logo_key: str | None = None
    footer: tuple[str, ...] = ()
    contact_name: str = "Finance"
    contact_phone: str = ""
    contact_email: str = ""


class LogoProposal(Record):
    """A logo on its way: FILE_AWAITED, PROPOSED, then APPROVED or WITHDRAWN. ``key`` lies in the documents bucket."""

    issuer_id: str
    proposal_id: str
    made_by: str
    made_at_utc: datetime
    content_type: str
    state: str = "FILE_AWAITED"
    key: str | None = None
    sha256: str | None = None
    proposed_at_utc: datetime | None = None
    decided_by: str | None = None
    decided_at_utc: datetime | None = None


class BrandValues(Record):
    """What a change of the brand may set; what is left out stays. An empty text takes a BIC or a phone away."""

    name: str | None = Field(None, min_length=1, max_length=80)
    primary: str | None = Field(None, pattern=r"^#[0-9A-Fa-f]{6}$")
    accent: str | None = Field(None, pattern=r"^#[0-9A-Fa-f]{6}$")
    typeface: str | None = Field(None, pattern=r"^(SANS|SERIF)$")
    footer: tuple[str, ...] | None = Field(None, max_length=6)
    contact_name: str | None = Field(None, min_length=1, max_length=80)
    contact_phone: str | None = Field(None, max_length=40)
    contact_email: str | None = Field(None, max_length=254, pattern=r"^[^@\s<>,;]+@[A-Za-z0-9.-]+$")
    iban: str | None = Field(None, max_length=42)
    bic: str | None = Field(None, pattern=r"^([A-Z]{6}[A-Z0-9]{2}([A-Z0-9]{3})?)?$")

    @field_validator("footer")
    @classmethod
    def _lines(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if value is not None and any(not 1 <= len(line) <= 140 for line in value):
            raise ValueError("a line of the footer has 1 to 140 characters")
        return value

    @field_validator("iban")
    @classmethod
    def _iban(cls, value: str | None) -> str | None:
        return iban.validate(value) if value is not None else None


class BrandChange(Record):
    """A change on its way: PROPOSED, then APPROVED or WITHDRAWN. ``replaces`` are the values in force when it was made.

    ``told`` is the contact in force, which is told; the 72 hours begin at ``told_at_utc``.
    """

    issuer_id: str
    change_id: str
    values: BrandValues
    replaces: dict[str, Any]
    reason: str
    made_by: str
    made_at_utc: datetime
    told: str | None = None
    told_at_utc: datetime | None = None
    state: str = "PROPOSED"
    decided_by: str | None = None
    decided_at_utc: datetime | None = None


class BrandChangeView(BrandChange):
    """A change as it is shown: with the first instant at which it may be approved; absent while nobody was told."""

    approvable_from_utc: datetime | None = None


class Issuer(Record):
    """The legal entity; its IBAN is the one printed on invoices and named in camt files.

    ``parties`` are its OCPI parties as CPO, ``emsp_parties`` those as eMSP (product.md row 134).
    """

    issuer_id: str
    legal_name: str = Field(min_length=1, max_length=140)
    address: Address
    vat_id: str | None = None
    legal_id: str | None = None
    electronic_address: str | None = None
    electronic_address_scheme: str | None = None
    iban: str
    bic: str | None = None
    currency: str = Field("EUR", pattern=r"^[A-Z]{3}$")
    zone: str = "Europe/Paris"
    language: str = Field("EN", pattern=r"^(EN|DE|FR|NL)$")
    parties: tuple[str, ...] = ()
    emsp_parties: tuple[str, ...] = ()
    number_prefix: str = Field("", pattern=r"^[A-Z0-9]{0,6}$")
    brand: Brand
    created_at_utc: datetime | None = None
    changed: int = 0

    @field_validator("issuer_id")
    @classmethod
    def _slug(cls, value: str) -> str:
        if not ISSUER_ID.match(value):
            raise ValueError("an issuer id is 2 to 31 lower-case letters, digits and hyphens")
        return value

    @field_validator("iban")
    @classmethod
    def _iban(cls, value: str) -> str:
        return iban.validate(value)

    @field_validator("vat_id")
    @classmethod
    def _vat(cls, value: str | None) -> str | None:
        return vat_id.validate(value) if value else None

    @field_validator("parties", "emsp_parties")
    @classmethod
    def _parties(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(party.validate(v) for v in value)

    @field_validator("zone")
    @classmethod
    def _zone(cls, value: str) -> str:
        return zone(value).key
