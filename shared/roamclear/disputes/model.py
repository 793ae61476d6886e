"""Disputes and their reasons."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from roamclear.kernel.money import Money
from roamclear.kernel.record import Record


class Reason(StrEnum):
    """Why an eMSP disputes a session (product.md, Dispute reason codes)."""

    DUPLICATE_CDR = "DUPLICATE_CDR"
    DUPLICATE_SESSION = "DUPLICATE_SESSION"
    UNKNOWN_TOKEN = "UNKNOWN_TOKEN"
    TOKEN_NOT_VALID_AT_START = "TOKEN_NOT_VALID_AT_START"
    NOT_OUR_CUSTOMER = "NOT_OUR_CUSTOMER"
    NO_SUCH_SESSION = "NO_SUCH_SESSION"
    ENERGY_TOO_HIGH = "ENERGY_TOO_HIGH"
    ZERO_ENERGY_BILLED = "ZERO_ENERGY_BILLED"
    DURATION_WRONG = "DURATION_WRONG"
    OVERLAPPING_SESSIONS = "OVERLAPPING_SESSIONS"
    PRICE_NOT_AS_AGREED = "PRICE_NOT_AS_AGREED"
    WRONG_TIME_BRACKET = "WRONG_TIME_BRACKET"
    STEP_SIZE_OR_ROUNDING = "STEP_SIZE_OR_ROUNDING"
    PARKING_FEE = "PARKING_FEE"
    COMPONENT_SUM_MISMATCH = "COMPONENT_SUM_MISMATCH"
    CURRENCY_OR_VAT = "CURRENCY_OR_VAT"
    WRONG_EVSE_OR_LOCATION = "WRONG_EVSE_OR_LOCATION"
    LATE_CDR = "LATE_CDR"
    MISSING_SIGNED_DATA = "MISSING_SIGNED_DATA"
    TEST_OR_SERVICE_SESSION = "TEST_OR_SERVICE_SESSION"
    CHARGER_FAULT = "CHARGER_FAULT"
    FRAUD = "FRAUD"
    DRIVER_COMPLAINT = "DRIVER_COMPLAINT"
    OTHER = "OTHER"


class State(StrEnum):
    """OPEN until it ends in exactly one of the others (product.md row 40)."""

    OPEN = "OPEN"
    ACCEPTED = "ACCEPTED"
    PARTIAL = "PARTIAL"
    REJECTED = "REJECTED"
    WITHDRAWN = "WITHDRAWN"
    EXPIRED = "EXPIRED"


class Claim(Record):
    """What an eMSP sends; ``claimed`` is the net amount by which the session should cost less, all of it if absent."""

    cdr_ref: str = Field(min_length=1, max_length=64)
    reason: Reason
    text: str = Field("", max_length=4000)
    claimed: Money | None = None


class Dispute(Record):
    """One dispute of one session; a session has at most one, for ever."""

    issuer_id: str
    dispute_id: str
    cdr_ref: str
    contract_id: str
    run_id: str
    reason: Reason
    text: str
    original: Money
    claimed: Money
    accepted: Money | None = None
    state: State = State.OPEN
    filed_by: str
    filed_at_utc: datetime
    closes_at_utc: datetime
    answer_due_utc: datetime
    resolved_by: str | None = None
    resolved_at_utc: datetime | None = None
    answer: str | None = None


class Window(Record):
    """The part of a run that decides what may still be said."""

    issuer_id: str
    run_id: str
    contract_id: str
    state: str
    opened_at_utc: datetime | None = None
    closes_at_utc: datetime | None = None
