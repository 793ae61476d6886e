"""The received body (never changed) and what the clearing knows of it (three separate dimensions)."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from roamclear.kernel.money import Money
from roamclear.kernel.record import Record


class Billing(StrEnum):
    """The billing dimension (rules.md 5); "exactly one state" means this one."""

    REJECTED = "REJECTED"
    ON_HOLD = "ON_HOLD"
    NOT_RATED = "NOT_RATED"
    VERIFIED = "VERIFIED"
    IN_WINDOW = "IN_WINDOW"
    LOCKED = "LOCKED"
    INVOICED = "INVOICED"
    INVALIDATED = "INVALIDATED"
    CREDITED = "CREDITED"
    TOO_LATE = "TOO_LATE"
    EXPIRED = "EXPIRED"
    OUT_OF_SCOPE = "OUT_OF_SCOPE"


#: States from which a retry or a change of master data may still lead to VERIFIED.
WAITING = (Billing.ON_HOLD, Billing.NOT_RATED)
#: Why a session of a contract is out of scope: it stopped before the day its contract is cleared from.
BEFORE_AUTO_FROM = "BEFORE_AUTO_FROM"


class DisputeState(StrEnum):
    """The dispute dimension (rules.md 5)."""

    NONE = "NONE"
    OPEN = "OPEN"
    ACCEPTED = "ACCEPTED"
    PARTIAL = "PARTIAL"
    REJECTED = "REJECTED"
    WITHDRAWN = "WITHDRAWN"
    EXPIRED = "EXPIRED"


class PayoutState(StrEnum):
    """The payout dimension (rules.md 5)."""

    NONE = "NONE"
    PARKED = "PARKED"
    ACCRUED = "ACCRUED"
    READY = "READY"
    EXPORTED = "EXPORTED"
    CONFIRMED = "CONFIRMED"
    RETURNED = "RETURNED"


class Original(Record):
    """A CDR body exactly as it came: ``raw`` is zlib of the bytes, ``sha256`` is of the bytes themselves.

    ``content_hash`` is the SHA-256 of the canonical JSON (rules.md 4, "same content"). ``to_party`` is the receiver
    that the routing headers of the push named (folded), empty where they named none.

    From ``expired_at_utc`` on ``raw`` is what is left of the body after the retention of detail (``cdrs.detail``); both
    hashes are still those of the body that came.
    """

    issuer_id: str
    cdr_ref: str
    party: str
    partner_id: str
    route: str
    source: str
    ocpi_version: str
    received_at_utc: datetime
    sha256: str
    content_hash: str
    raw: bytes
    correlation_id: str = ""
    to_party: str = ""
    expired_at_utc: datetime | None = None


class Receipt(StrEnum):
    """What became of a received body."""

    NEW = "NEW"
    REPEAT = "REPEAT"
    CONFLICT = "CONFLICT"


class PricedLine(Record):
    """One component of a session at one unit price; ``amount`` is rounded half-up once (rules.md 7).

    ``quantity`` is in kWh (ENERGY), hours (TIME, PARKING, RESERVATION) or 1 (FLAT, CAP). ``vat_category`` and
    ``vat_rate_percent`` stand only where the contract treats the component apart from its session (row 131).
    """

    component: str
    quantity: Decimal
    unit_price: Decimal
    amount: Money
    bracket: str | None = None
    vat_category: str | None = None
    vat_rate_percent: Decimal | None = None


class Rating(Record):
    """One pricing of a session: both totals, the lines that count, and the trace (zlib of JSON) beside them."""

    issuer_id: str
    cdr_ref: str
    version: int
    contract_id: str
    contract_version: int
    grid_line: str | None = None
    basis: str
    author: str
    reason: str
    at_utc: datetime
    lines: tuple[PricedLine, ...]
    net: Money
    grid_total: Decimal | None = None
    cdr_total: Decimal | None = None
    flags: tuple[str, ...] = ()
    trace: bytes


class Session(Record):
    """What the clearing knows of a CDR now.

    ``run_id`` makes it a member of a run; ``left_run_id`` is the run it left last, by hold, invalidation or credit.
    ``origin`` is set on rows that we made after the lock (``adjustments``): the CDR whose body stands behind them.
    ``adjustment`` says why they were made, ``borne`` that we bear them alone: no payout account gains or loses.
    ``withheld`` is what its lock left out of ``net`` as it was in dispute; the answer decides what is billed of it.
    From ``detail_expired_at_utc`` on start and stop are the midnight of their day, EVSE and session id are pseudonyms.
    """

    issuer_id: str
    cdr_ref: str
    cdr_id: str
    party: str
    emsp_party: str
    partner_id: str
    route: str
    source: str
    session_id: str | None = None
    evse_id: str | None = None
    country: str = ""
    start_utc: datetime
    stop_utc: datetime
    zone: str | None = None
    energy_kwh: Decimal
    received_at_utc: datetime
    available_at_utc: datetime | None = None
    verified_at_utc: datetime | None = None
    billing: Billing
    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    dispute: DisputeState = DisputeState.NONE
    payout: PayoutState = PayoutState.NONE
    contract_id: str | None = None
    contract_version: int | None = None
    rating_version: int = 0
    net: Money | None = None
    cdr_total: Decimal | None = None
    currency: str
    vat_category: str | None = None
    vat_rate_percent: Decimal | None = None
    account_id: str | None = None
    run_id: str | None = None
    left_run_id: str | None = None
    credit_of: str | None = None
    counterpart: str | None = None
    replaces: str | None = None
    origin: str | None = None
    adjustment: str | None = None
    borne: bool = False
    dispute_id: str | None = None
    withheld: Money | None = None
    detail_expired_at_utc: datetime | None = None
    sha256: str
    changed: int = 0


def waits(session: Session) -> bool:
    """Whether another look may bring a session in: its reasons may go, or its contract be cleared from earlier on."""
    return session.billing in WAITING or session.reasons == (BEFORE_AUTO_FROM,)


class Adjusted(Record):
    """What was corrected of a locked session since: Σ ``minor`` of the rows ``refs``, in their order.

    ``successor`` is the row that bills the session anew after its document was cancelled; ``withdrawn`` the credit CDR
    that came when nothing was left to credit, after which nothing bills it anew.
    """

    issuer_id: str
    cdr_ref: str
    minor: int = 0
    refs: tuple[str, ...] = ()
    successor: str | None = None
    withdrawn: str | None = None
    changed: int = 0
