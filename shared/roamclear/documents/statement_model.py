"""The statement of one payout account and period: what was earned, what was deducted, what is paid.

``opening + revenue - fees - commission + VAT + corrections + movements = closing`` is checked before anything is
drawn. A self-billing invoice (389) is an ``InvoiceDocument``; the statement explains it session by session.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from pydantic import Field

from roamclear.documents.invoice_model import Branding, Language, Party, Payment, Purpose
from roamclear.kernel.money import Money
from roamclear.kernel.record import Record


class MovementKind(StrEnum):
    """Lines between opening and closing balance, beside the period's sessions."""

    CARRY_OVER = "CARRY_OVER"
    CLAWBACK = "CLAWBACK"
    CORRECTION = "CORRECTION"
    FEE = "FEE"
    MINIMUM = "MINIMUM"
    PAYOUT = "PAYOUT"
    PURCHASE = "PURCHASE"
    RETURN = "RETURN"


class PayoutRow(Record):
    """One session's share: ``net = gross - fee - commission + vat`` (gross without VAT)."""

    cdr_id: str
    evse_id: str | None = None
    location: str | None = None
    stop_utc: datetime
    zone: str = "UTC"
    energy_kwh: Decimal | None = None
    gross: Money
    fee: Money
    commission: Money
    share: Money = Field(description="gross - fee - commission")
    vat: Money
    net: Money = Field(description="share + vat")
    invoice_number: str | None = None


class PayoutExcluded(Record):
    """One session under review, with the reason and what it would bring."""

    cdr_id: str
    evse_id: str | None = None
    stop_utc: datetime | None = None
    zone: str = "UTC"
    reason: str
    amount: Money | None = None


class Movement(Record):
    """A line that is no session: carried over, clawed back, paid. Never taxable (rules.md 7)."""

    kind: MovementKind
    text: str
    day: date | None = None
    amount: Money


class PayoutStatement(Record):
    """One account, one period. ``payout`` is what is transferred now (zero below the minimum)."""

    number: str
    account_name: str
    issue_date: date
    period_start: date
    period_end: date = Field(description="the last day, inclusive")
    currency: str
    language: Language = Language.EN
    purpose: Purpose = Purpose.ORIGINAL
    issuer: Party
    holder: Party
    payment: Payment = Payment()
    rule_text: str | None = Field(default=None, description="the share or fee rule in words")
    self_billing_number: str | None = None
    payout_date: date | None = None
    opening: Money
    sessions_net: Money = Field(description="sum of the rows' net")
    movements: tuple[Movement, ...] = ()
    payout: Money
    closing: Money = Field(description="what stays for the next period: opening + sessions + movements - payout")
    sessions: int
    branding: Branding = Branding()
    notes: tuple[str, ...] = ()
