"""Accounts and journal entries."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import model_validator

from roamclear.kernel.money import Money, total
from roamclear.kernel.record import Record


class Event(StrEnum):
    """Business events that post (rules.md 8)."""

    INVOICE_ISSUED = "INVOICE_ISSUED"
    CREDIT_ISSUED = "CREDIT_ISSUED"
    SELF_BILLED = "SELF_BILLED"
    PAYOUT_READY = "PAYOUT_READY"
    BATCH_EXPORTED = "BATCH_EXPORTED"
    BANK_DEBIT = "BANK_DEBIT"
    BANK_CREDIT = "BANK_CREDIT"
    ALLOCATION = "ALLOCATION"
    FEE = "FEE"
    FX = "FX"
    WRITE_OFF = "WRITE_OFF"
    RETURN = "RETURN"
    CORRECTION = "CORRECTION"
    OPENING = "OPENING"
    #: A proposal for the end of a month, in the books of the house alone; it is never posted here.
    ACCRUAL = "ACCRUAL"


class Account(StrEnum):
    """Account classes; the object (contract, payout account, bank account) follows after a colon."""

    RECEIVABLE = "receivable"
    REVENUE = "revenue"
    FEE_REVENUE = "fee_revenue"
    OUTPUT_VAT = "output_vat"
    ENERGY_COST = "energy_cost"
    INPUT_VAT = "input_vat"
    PAYABLE = "payable"
    IN_TRANSIT = "in_transit"
    BANK = "bank"
    UNAPPLIED = "unapplied"
    SUSPENSE = "suspense"
    FEES = "fees"
    FX = "fx"
    WRITE_OFF = "write_off"
    EQUITY = "equity"
    OWN_SHARE = "own_share"
    #: For proposals at the end of a month (``Event.ACCRUAL``); nothing is ever posted to these three here.
    ACCRUED_REVENUE = "accrued_revenue"
    ACCRUED_COST = "accrued_cost"
    DISPUTE_PROVISION = "dispute_provision"

    def of(self, subject: str) -> str:
        """The account of an object.

        >>> Account.RECEIVABLE.of("C-1")
        'receivable:C-1'
        """
        return f"{self.value}:{subject}"


class Line(Record):
    """One side of an entry: a debit is positive, a credit negative."""

    account: str
    amount: Money
    note: str | None = None


class JournalEntry(Record):
    """A set of lines that sum to zero; ``event`` and ``subject`` are its business key for ever."""

    issuer_id: str
    event: Event
    subject: str
    at_utc: datetime
    currency: str
    lines: tuple[Line, ...]
    memo: str = ""
    mirrors: str | None = None

    @model_validator(mode="after")
    def _balanced(self) -> JournalEntry:
        amounts = [line.amount for line in self.lines]
        if len(amounts) < 2 or total(amounts, self.currency):
            raise ValueError("debits and credits of an entry are equal")
        return self


def debit(account: str, amount: Money, note: str | None = None) -> Line:
    """A debit line (a negative amount makes it a credit)."""
    return Line(account=account, amount=amount, note=note)


def credit(account: str, amount: Money, note: str | None = None) -> Line:
    """A credit line (a negative amount makes it a debit)."""
    return Line(account=account, amount=-amount, note=note)
