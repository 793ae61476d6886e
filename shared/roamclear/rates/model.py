"""A published rate, and an amount that was converted by it."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

from pydantic import Field

from roamclear.kernel.money import Money
from roamclear.kernel.record import Record


class Rate(Record):
    """One euro in a currency, as published on a day. Stored once per issuer, currency and day, never changed."""

    issuer_id: str
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    day: date
    rate: Decimal = Field(gt=0, lt=1_000_000, max_digits=12, decimal_places=6)
    source: str = Field("ECB", pattern=r"^[A-Z]{2,10}$")
    recorded_by: str
    recorded_at_utc: datetime


class Converted(Record):
    """``amount`` = the given amount times ``rate``, rounded half-up once; ``day`` is the day of the published rates."""

    amount: Money
    rate: Decimal
    day: date
    source: str
