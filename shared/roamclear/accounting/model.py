"""Charts of accounts, the bookings of a period, and what was handed out of them."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum

from pydantic import Field, field_validator

from roamclear.kernel.money import Money
from roamclear.kernel.record import Record
from roamclear.ledger.model import Account

_NUMBER = r"^[0-9]{3,9}$"


class Profile(StrEnum):
    """How a period is written: generic CSV, DATEV booking batch (EXTF 700/13), French FEC (Art. A47 A-1 LPF)."""

    CSV = "CSV"
    DATEV = "DATEV"
    FEC = "FEC"


class Datev(Record):
    """What a DATEV header needs: consultant, client, first month of the fiscal year, length of ledger accounts."""

    consultant: int = Field(ge=1001, le=9_999_999)
    client: int = Field(ge=1, le=99_999)
    fiscal_year_month: int = Field(1, ge=1, le=12)
    account_length: int = Field(4, ge=4, le=8)


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
    """One side of a booking in the accounts of the house: a debit is positive."""

    account: str = Field(pattern=_NUMBER)
    auxiliary: str | None = None
    name: str
    amount: Money


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
