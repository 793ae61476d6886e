"""Which VAT a supply bears: chosen per contract, country, component and day, never decided by software (row 131).

A version holds the treatments a person chose. ``treatment`` only looks up which of them applies; where none does the
session is held with VAT_MISSING, never billed at 0 %.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from pydantic import Field, field_validator, model_validator

from roamclear.kernel.ids import vat_id
from roamclear.kernel.record import Record

#: A certificate USt 1 TH holds for three years at most (product.md D.2).
_CERTIFICATE_YEARS = 3
#: Older than this a proof of a VAT id no longer speaks for the day of issue (rules.md 10).
PROOF_GOOD_FOR = timedelta(days=30)


class VatCategory(StrEnum):
    """EN 16931 category: standard, reverse charge, outside scope."""

    STANDARD = "S"
    REVERSE_CHARGE = "AE"
    OUTSIDE_SCOPE = "O"


class VatBasis(StrEnum):
    """What decides the place of supply: the buyer's establishment (Art. 38) or the country of the EVSE (Art. 39)."""

    BUYER_ESTABLISHMENT = "BUYER_ESTABLISHMENT"
    EVSE_COUNTRY = "EVSE_COUNTRY"


class VatTreatment(Record):
    """Chosen per contract, never decided by the software: category, rate in percent and the printed reason."""

    category: VatCategory
    rate_percent: Decimal = Field(Decimal(0), ge=0, lt=100, max_digits=6)
    reason: str | None = Field(None, max_length=200)

    @model_validator(mode="after")
    def _fits(self) -> VatTreatment:
        if self.category is VatCategory.STANDARD and self.rate_percent <= 0:
            raise ValueError("category S needs a rate above zero")
        if self.category is not VatCategory.STANDARD and (self.rate_percent != 0 or not self.reason):
            raise ValueError("categories AE and O have rate 0 and a printed reason")
        return self


class VatRule(Record):
    """A treatment for some sessions only: of an EVSE country, of a component, from a local day on."""

    treatment: VatTreatment
    country: str | None = Field(None, pattern=r"^[A-Z]{2}$")
    component: str | None = Field(None, pattern=r"^(ENERGY|FLAT|TIME|PARKING|RESERVATION)$")
    valid_from: date | None = None

    @model_validator(mode="after")
    def _stated(self) -> VatRule:
        if self.component is not None and not self.treatment.reason:
            raise ValueError("a component treated apart states its reason")
        return self


class ResellerCertificate(Record):
    """Proof that a party resells electricity (USt 1 TH): local days ``[valid_from, valid_to]`` and where it lies."""

    reference: str = Field(min_length=1, max_length=140)
    valid_from: date
    valid_to: date

    @model_validator(mode="after")
    def _dated(self) -> ResellerCertificate:
        latest = self.valid_from.replace(
            day=min(self.valid_from.day, 28), year=self.valid_from.year + _CERTIFICATE_YEARS
        )
        if self.valid_to < self.valid_from:
            raise ValueError("the certificate ends before it begins")
        if (self.valid_to.year, self.valid_to.month) > (latest.year, latest.month):
            raise ValueError("a certificate holds for three years at most")
        return self


class VatProof(Record):
    """What VIES answered: the number, whether it was valid, on which day, under which request id.

    Name and address are those that the member state discloses; some disclose none.
    """

    vat_id: str
    valid: bool
    checked_on: date
    request_id: str = Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.:-]+$")
    name: str | None = Field(None, max_length=200)
    address: str | None = Field(None, max_length=400)
    checked_at_utc: datetime | None = None

    @field_validator("vat_id")
    @classmethod
    def _vat(cls, value: str) -> str:
        return vat_id.validate(value)


class KeptProof(VatProof):
    """A proof as it is stored: who recorded it and when; of an answer by VIES itself who asked, and its very text."""

    source: str = Field("PERSON", pattern=r"^(PERSON|VIES)$")
    recorded_by: str | None = None
    recorded_at_utc: datetime | None = None
    requester: str | None = None
    raw: str | None = Field(None, max_length=20_000)

    @property
    def said(self) -> VatProof:
        """The proof itself, as documents keep it."""
        return VatProof(**{name: getattr(self, name) for name in VatProof.model_fields})


class Standing(Record):
    """How a VAT id stands on a day: VALID, INVALID, OLD (its last proof is too old) or UNPROVED."""

    vat_id: str
    state: str
    proof: VatProof | None = None


def standing(number: str, known: Iterable[VatProof], day: date) -> Standing:
    """How a VAT id stands on a day; the latest proof up to that day speaks.

    >>> standing("DE136695976", [], date(2026, 11, 9)).state
    'UNPROVED'
    """
    past = [proof for proof in known if proof.checked_on <= day]
    if not past:
        return Standing(vat_id=number, state="UNPROVED")
    latest = max(past, key=_order)
    if not latest.valid:
        return Standing(vat_id=number, state="INVALID", proof=latest)
    state = "OLD" if day - latest.checked_on > PROOF_GOOD_FOR else "VALID"
    return Standing(vat_id=number, state=state, proof=latest)


def _order(proof: VatProof) -> tuple[date, datetime, str]:
    """Of two answers of a day the one with the later instant speaks; one that states none counts as the earliest."""
    return proof.checked_on, proof.checked_at_utc or datetime.min.replace(tzinfo=UTC), proof.request_id


def treatment(
    base: VatTreatment | None,
    rules: Iterable[VatRule],
    basis: VatBasis,
    *,
    country: str,
    day: date,
    component: str | None = None,
) -> VatTreatment | None:
    """The treatment in force, or None where none was chosen (VAT_MISSING).

    The most exact rule wins: by component, then by country, then the one that starts last. Without a rule it is the
    contract's own treatment, which under EVSE_COUNTRY stands for no country.
    """
    fitting = [
        rule
        for rule in rules
        if (rule.valid_from is None or rule.valid_from <= day)
        and (rule.country is None or rule.country == country)
        and (rule.component is None or rule.component == component)
    ]
    if basis is VatBasis.EVSE_COUNTRY:
        fitting = [rule for rule in fitting if rule.country is not None]
    if not fitting:
        return base if basis is VatBasis.BUYER_ESTABLISHMENT else None
    return max(fitting, key=_exactness).treatment


def _exactness(rule: VatRule) -> tuple[bool, bool, date]:
    return rule.component is not None, rule.country is not None, rule.valid_from or date.min


def faults(base: VatTreatment | None, rules: tuple[VatRule, ...], basis: VatBasis) -> list[str]:
    """What makes a set of rules unreadable or unbillable, as sentences."""
    found: list[str] = []
    if basis is VatBasis.BUYER_ESTABLISHMENT and any(rule.country for rule in rules):
        found.append("a rule by country needs vat_basis EVSE_COUNTRY")
    if basis is VatBasis.EVSE_COUNTRY and any(rule.country is None for rule in rules):
        found.append("under EVSE_COUNTRY each rule names its country")
    keys = [(rule.country, rule.component, rule.valid_from) for rule in rules]
    if len(set(keys)) != len(keys):
        found.append("two rules stand for the same country, component and day")
    parts = [rule for rule in rules if rule.component]
    whole = [rule.treatment for rule in rules if not rule.component] + ([base] if base else [])
    outside = VatCategory.OUTSIDE_SCOPE
    if any(rule.treatment.category is outside for rule in parts) or (
        parts and any(t.category is outside for t in whole)
    ):
        found.append("category O never shares a session with other categories (BR-O-11)")
    return found
