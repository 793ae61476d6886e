"""Exceptions and their states."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from roamclear.kernel.money import Money
from roamclear.kernel.record import Record


class ExceptionType(StrEnum):
    """The catalogue of product.md, Exception journal types, and those of rules.md."""

    CDR_REJECTED = "CDR_REJECTED"
    CDR_ID_CONFLICT = "CDR_ID_CONFLICT"
    NO_CONTRACT = "NO_CONTRACT"
    AMBIGUOUS_CONTRACT = "AMBIGUOUS_CONTRACT"
    NO_PRICE = "NO_PRICE"
    PRICE_VARIANCE = "PRICE_VARIANCE"
    VAT_MISSING = "VAT_MISSING"
    VAT_PROOF_OLD = "VAT_PROOF_OLD"
    CONTRACT_FINDING = "CONTRACT_FINDING"
    EVSE_UNKNOWN = "EVSE_UNKNOWN"
    EVSE_UNASSIGNED = "EVSE_UNASSIGNED"
    CREDIT_WITHOUT_ORIGINAL = "CREDIT_WITHOUT_ORIGINAL"
    POSSIBLE_DUPLICATE = "POSSIBLE_DUPLICATE"
    PLAUSIBILITY = "PLAUSIBILITY"
    TOO_LATE = "TOO_LATE"
    PARTNER_SILENT = "PARTNER_SILENT"
    PULL_GAP = "PULL_GAP"
    INVOICE_RECORD_MISMATCH = "INVOICE_RECORD_MISMATCH"
    PROCESSING_FAILED = "PROCESSING_FAILED"
    UNANSWERED_DISPUTE = "UNANSWERED_DISPUTE"
    WINDOW_NOTICE_FAILED = "WINDOW_NOTICE_FAILED"
    NUMBERING_CHECK = "NUMBERING_CHECK"
    RENDER_FAILED = "RENDER_FAILED"
    DELIVERY_FAILED = "DELIVERY_FAILED"
    APPROVAL_OVERDUE = "APPROVAL_OVERDUE"
    EINVOICE_INVALID = "EINVOICE_INVALID"
    RATE_MISSING = "RATE_MISSING"
    RATE_CONFLICT = "RATE_CONFLICT"
    CALENDAR_CONFLICT = "CALENDAR_CONFLICT"
    CALENDAR_MISSING = "CALENDAR_MISSING"
    RUN_FAILED = "RUN_FAILED"
    UNMATCHED_CREDIT = "UNMATCHED_CREDIT"
    UNMATCHED_DEBIT = "UNMATCHED_DEBIT"
    AMBIGUOUS_MATCH = "AMBIGUOUS_MATCH"
    SHORT_PAY = "SHORT_PAY"
    SHORT_PAY_DISPUTED = "SHORT_PAY_DISPUTED"
    OVERPAY = "OVERPAY"
    DUPLICATE_PAYMENT = "DUPLICATE_PAYMENT"
    BANK_FEE = "BANK_FEE"
    LATE_PAYMENT = "LATE_PAYMENT"
    RETURNED = "RETURNED"
    STATEMENT_GAP = "STATEMENT_GAP"
    STATEMENT_DUPLICATE = "STATEMENT_DUPLICATE"
    STATEMENT_QUARANTINED = "STATEMENT_QUARANTINED"
    WRONG_CURRENCY = "WRONG_CURRENCY"
    IBAN_INVALID = "IBAN_INVALID"
    ACCOUNT_INACTIVE = "ACCOUNT_INACTIVE"
    AGREEMENT_MISSING = "AGREEMENT_MISSING"
    SELF_BILLING_OBJECTED = "SELF_BILLING_OBJECTED"
    BELOW_MINIMUM = "BELOW_MINIMUM"
    NEGATIVE_BALANCE = "NEGATIVE_BALANCE"
    RETURNED_PAYOUT = "RETURNED_PAYOUT"
    IBAN_CHANGED = "IBAN_CHANGED"
    PROOF_FAILED = "PROOF_FAILED"


class ExceptionRow(Record):
    """One difference; ``kind`` and ``subject`` are its business key, so it can be raised any number of times."""

    issuer_id: str
    kind: ExceptionType
    subject: str
    message: str
    severity: str = "WARN"
    state: str = "OPEN"
    raised_at_utc: datetime
    partner: str | None = None
    document: str | None = None
    expected: Money | None = None
    received: Money | None = None
    gap: Money | None = None
    owner: str | None = None
    next_action: str | None = None
    details: dict[str, str] = {}
    resolved_at_utc: datetime | None = None
    resolved_by: str | None = None
    resolution: str | None = None
