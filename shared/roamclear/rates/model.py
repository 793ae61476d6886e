"""A published rate, its correction, and an amount that was converted by it."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from pydantic import Field

from roamclear.kernel.money import Money
from roamclear.kernel.record import Record


class Rate(Record):
    """One euro in a currency, as published on a day. Stored per issuer, currency and day, never changed.

    ``number`` 0 is what was recorded first; a correction is a further record with the next number, and the highest one
    counts for documents issued from then on.
    """

    issuer_id: str
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    day: date
    rate: Decimal = Field(gt=0, lt=1_000_000, max_digits=12, decimal_places=6)
    source: str = Field("ECB", pattern=r"^[A-Z]{2,10}$")
    number: int = Field(0, ge=0, le=999)
    recorded_by: str
    recorded_at_utc: datetime
    approved_by: str | None = None
    reason: str | None = None


class Publication(Record):
    """What the ECB published for a day, as a whole, and the SHA-256 of the file; stored with the day's rates."""

    issuer_id: str
    day: date
    rates: dict[str, Decimal]
    sha256: str
    stored_at_utc: datetime


class CorrectionState(StrEnum):
    """PROPOSED by one person, then APPROVED or REFUSED by another; its maker may take it back (REFUSED)."""

    PROPOSED = "PROPOSED"
    APPROVED = "APPROVED"
    REFUSED = "REFUSED"


class RateCorrection(Record):
    """Another value for a stored rate, on its way. ``number`` is the record it would make, ``old`` what it replaces."""

    issuer_id: str
    correction_id: str
    currency: str
    day: date
    number: int
    old: Decimal
    new: Decimal = Field(gt=0, lt=1_000_000, max_digits=12, decimal_places=6)
    reason: str = Field(min_length=1, max_length=200)
    state: CorrectionState = CorrectionState.PROPOSED
    maker: str
    made_at_utc: datetime
    decided_by: str | None = None
    decided_at_utc: datetime | None = None
    changed: int = 0


class Converted(Record):
    """``amount`` = the given amount times ``rate``, rounded half-up once; ``day`` is the day of the published rates."""

    amount: Money
    rate: Decimal
    day: date
    source: str


class Refreshed(Record):
    """What one call of the schedule did."""

    days: int = 0
    stored: int = 0
    conflicts: int = 0
    waiting: int = 0
    fault: str | None = None
