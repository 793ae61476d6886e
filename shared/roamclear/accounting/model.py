"""Charts of accounts, the bookings of a period, and what was handed out of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from pydantic import Field, field_validator

from roamclear.kernel.money import Money
from roamclear.kernel.record import Record
from roamclear.ledger.model import Account, JournalEntry

_NUMBER = r"^[0-9]{3,9}$"


class Profile(StrEnum):
    """How a period is written: generic CSV, DATEV booking batch (EXTF 700/13), French FEC (Art. A47 A-1 LPF), SAF-T.

    SAF-T is the Standard Audit File for Tax of the OECD (2.00) as Norway profiles it (SAF-T Financial 1.30).
    """

    CSV = "CSV"
    DATEV = "DATEV"
    FEC = "FEC"
    SAFT = "SAFT"


class Datev(Record):
    """What a DATEV header needs: consultant, client, first month of the fiscal year, length of ledger accounts."""

    consultant: int = Field(ge=1001, le=9_999_999)
    client: int = Field(ge=1, le=99_999)
    fiscal_year_month: int = Field(1, ge=1, le=12)
    account_length: int = Field(4, ge=4, le=8)


class Grouping(Record):
    """Where an account stands in the business statement of the authority (code lists of SAF-T Financial)."""

    category: str = Field(min_length=1, max_length=256)
    code: str = Field(min_length=1, max_length=35)


class Saft(Record):
    """What an audit file needs beside the ledger.

    ``grouping`` is by account of the house or by class of ours, ``tax_codes`` maps a tax code of the file to the
    standard code of the authority; what is not named is stated as NA, which the profile provides for.
    """

    fiscal_year_month: int = Field(1, ge=1, le=12)
    grouping: dict[str, Grouping] = Field(default_factory=dict, max_length=1000)
    tax_codes: dict[str, str] = Field(default_factory=dict, max_length=200)

    @field_validator("tax_codes")
    @classmethod
    def _codes(cls, value: dict[str, str]) -> dict[str, str]:
        for ours, code in value.items():
            if not (code == "NA" or (code.isascii() and code.isdigit() and len(code) <= 2)):
                raise ValueError(f"the standard tax code of {ours} is one or two digits, or NA")
        return value


class Chart(Record):
    """The accounts of an issuer's bookkeeping.

    ``classes`` names one account per class of our ledger; ``single`` overrules it for one account of ours
    (``receivable:C-1``). Debtors and creditors without an entry get the next personal account of their range, once and
    for ever.
    """

    issuer_id: str
    classes: dict[str, str]
    single: dict[str, str] = Field(default_factory=dict, max_length=5000)
    first_debtor: int = Field(10_001, ge=1, le=999_999_999)
    first_creditor: int = Field(70_001, ge=1, le=999_999_999)
    siren: str | None = Field(None, pattern=r"^[0-9]{9}$")
    datev: Datev | None = None
    saft: Saft | None = None
    changed: int = 0

    @field_validator("classes")
    @classmethod
    def _classes(cls, value: dict[str, str]) -> dict[str, str]:
        known = {account.value for account in Account}
        if unknown := sorted(set(value) - known):
            raise ValueError(f"{unknown[0]} is no account class")
        return cls._numbers(value)

    @field_validator("single")
    @classmethod
    def _numbers(cls, value: dict[str, str]) -> dict[str, str]:
        for ours, number in value.items():
            if not (number.isascii() and number.isdigit() and 3 <= len(number) <= 9):
                raise ValueError(f"the account of {ours} is 3 to 9 digits")
        return value


class Side(Record):
    """One side of a booking in the accounts of the house, a debit positive; ``ours`` is the account of our ledger."""

    account: str = Field(pattern=_NUMBER)
    auxiliary: str | None = None
    name: str
    amount: Money
    ours: str = ""


class Booking(Record):
    """A balanced ledger entry in the accounts of the house; ``place`` counts from 1 within its period."""

    place: int
    entry: str
    journal: str
    day: date
    document: str
    text: str
    sides: tuple[Side, ...]
    mirrors: str | None = None


class Period(Record):
    """A calendar month of the issuer's zone, frozen by its first export: which entries it holds, and their sums."""

    issuer_id: str
    label: str
    bookings: int
    entries_sha256: str
    debits: dict[str, int]
    frozen_at_utc: datetime
    frozen_by: str


class Export(Record):
    """One file set of a period and profile; ``copies`` counts how often it was handed out again."""

    issuer_id: str
    period: str
    profile: Profile
    files: tuple[str, ...]
    sha256: tuple[str, ...]
    made_at_utc: datetime
    made_by: str
    copies: int = 0


class Balances(Record):
    """Balances of all accounts of the ledger at the end of a month, kept once: where they lie, and their digest."""

    issuer_id: str
    label: str
    object_key: str
    sha256: str
    kept_at_utc: datetime


class Partner(Record):
    """Who stands behind a debtor's or creditor's account; a name alone is enough."""

    name: str
    registration: str | None = None
    vat_id: str | None = None
    lines: tuple[str, ...] = ()
    postal_code: str = ""
    city: str = ""
    country: str = Field("", pattern=r"^([A-Z]{2})?$")
    self_billing: bool = False


class TaxRow(Record):
    """One row of a document's VAT breakdown; what a credit note takes back is negative. ``rate`` is in percent."""

    country: str = Field(pattern=r"^[A-Z]{2}$")
    category: str
    rate: Decimal = Field(ge=0)
    taxable: Money
    tax: Money
    reason: str | None = None


class Masters(Protocol):
    """What an audit file says beside the ledger; the rooms above this one know it."""

    def partners(self, accounts: Collection[str]) -> Mapping[str, Partner]:
        """Who stands behind ``receivable:…`` and ``payable:…`` accounts, as far as known."""
        ...

    def taxes(self, entries: Iterable[JournalEntry]) -> Mapping[str, tuple[TaxRow, ...]]:
        """The VAT breakdown of the documents that entries post, by ``EVENT#subject``."""
        ...


class NoMasters:
    """The ledger alone: debtors and creditors bear the names of their accounts, and nothing is said of rates."""

    def partners(self, accounts: Collection[str]) -> Mapping[str, Partner]:
        """Nobody."""
        return {}

    def taxes(self, entries: Iterable[JournalEntry]) -> Mapping[str, tuple[TaxRow, ...]]:
        """Nothing."""
        return {}
