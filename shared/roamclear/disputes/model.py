"""Disputes and their reasons."""

from __future__ import annotations

from datetime import date, datetime
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
    """Four states in which somebody owes a word, and the five ends (product.md row 40 and State machines)."""

    OPEN = "OPEN"
    UNDER_REVIEW = "UNDER_REVIEW"
    INFO_REQUESTED = "INFO_REQUESTED"
    ESCALATED = "ESCALATED"
    ACCEPTED = "ACCEPTED"
    PARTIAL = "PARTIAL"
    REJECTED = "REJECTED"
    WITHDRAWN = "WITHDRAWN"
    EXPIRED = "EXPIRED"


#: States in which the claim is undecided; a member of a run counts as disputed in each of them.
PENDING = (State.OPEN, State.UNDER_REVIEW, State.INFO_REQUESTED, State.ESCALATED)


class Side(StrEnum):
    """Who speaks in a dispute; DUE is the clock that ends it where one side was silent."""

    EMSP = "EMSP"
    CPO = "CPO"
    DUE = "DUE"


class Claim(Record):
    """What an eMSP sends; ``claimed`` is the net amount by which the session should cost less, all of it if absent."""

    cdr_ref: str = Field(min_length=1, max_length=64)
    reason: Reason
    text: str = Field("", max_length=4000)
    claimed: Money | None = None


class Answer(Record):
    """The CPO's answer to a claim; ``accepted`` below the claim makes it PARTIAL."""

    dispute_id: str = Field(min_length=1, max_length=32)
    outcome: str = Field(pattern=r"^(ACCEPTED|PARTIAL|REJECTED)$")
    accepted: Money | None = None
    answer: str = Field("", max_length=4000)


class Limit(Record):
    """Up to which claimed amount a dispute agent decides; ``contract_id`` None is all contracts of the issuer."""

    issuer_id: str
    contract_id: str | None = None
    amount: Money
    set_by: str
    set_at_utc: datetime
    changed: int = 0


class Escalation(Record):
    """The one time a rejection goes to commercial contacts; the outcome that follows is final (rules.md 6).

    ``contacts`` are the eMSP's names, ``cpo_contact`` is the issuer's. The first answer is kept here.
    """

    by: str
    at_utc: datetime
    contacts: tuple[str, ...] = Field(min_length=1, max_length=5)
    cpo_contact: str
    rejected_by: str
    rejected_at_utc: datetime
    first_answer: str


class Dispute(Record):
    """One dispute of one session; a session has at most one, for ever.

    Three clocks: the eMSP files until ``closes_at_utc``, the CPO answers until ``answer_due_utc``, and while
    INFO_REQUESTED the eMSP answers until ``info_due_utc``. ``entries`` and ``files`` count its thread and evidence,
    ``batch`` names the list it was filed with, ``counted_by`` the states of calendars by which the deadline that was
    set last is counted.
    """

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
    assignee: str | None = None
    info_due_utc: datetime | None = None
    counted_by: tuple[str, ...] = ()
    info_rounds: int = 0
    escalation: Escalation | None = None
    entries: int = 0
    files: int = 0
    batch: str | None = None
    changed: int = 0
    resolved_by: str | None = None
    resolved_at_utc: datetime | None = None
    answer: str | None = None


class Entry(Record):
    """One word of the thread: attributed, dated, never changed (product.md row 47)."""

    issuer_id: str
    dispute_id: str
    number: int
    kind: str
    side: Side
    by: str
    at_utc: datetime
    text: str


class Outcome(Record):
    """What became of one row of a list: ``code`` is CREATED, KNOWN, DONE, or the code of the error."""

    row: int
    subject: str
    code: str
    dispute_id: str | None = None
    state: State | None = None
    field: str = ""
    message: str = ""


class Query(Record):
    """Which disputes a reader wants: ``waiting`` is those without an end, ``after`` the place to go on from."""

    contract: str | None = None
    partner: str | None = None
    state: State | None = None
    reason: Reason | None = None
    due_before_utc: datetime | None = None
    filed_before_utc: datetime | None = None
    min_claimed_minor: int | None = Field(None, ge=0)
    assignee: str | None = None
    waiting: bool = False
    limit: int = Field(100, ge=1, le=200)
    after: str | None = Field(None, max_length=1000)


class Evidence(Record):
    """One file of a dispute. PENDING until it came and was looked at, then STORED or REFUSED with the reason.

    ``kind`` is what its bytes are, ``sha256`` theirs; ``key`` is where the looked-at copy lies.
    """

    issuer_id: str
    dispute_id: str
    contract_id: str
    number: int
    name: str
    size: int = 0
    state: str = "PENDING"
    kind: str | None = None
    sha256: str | None = None
    key: str | None = None
    reason: str | None = None
    side: Side
    by: str
    at_utc: datetime
    stored_at_utc: datetime | None = None


class ClaimList(Record):
    """A file of disputes: announced by a person, read once it came; its result lies at ``result_key``."""

    issuer_id: str
    list_id: str
    actor_id: str
    at_utc: datetime
    state: str = "PENDING"
    rows: int = 0
    filed: int = 0
    refused: int = 0
    sha256: str | None = None
    result_key: str | None = None
    done_at_utc: datetime | None = None


class Window(Record):
    """The part of a run that decides what may still be said."""

    issuer_id: str
    run_id: str
    contract_id: str
    state: str
    first: date | None = None
    end: date | None = None
    zone: str = "UTC"
    opened_at_utc: datetime | None = None
    closes_at_utc: datetime | None = None
