"""What VIES said of a number, or why it said nothing, and when it is asked next."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from roamclear.kernel.record import Record


class Answer(Record):
    """A number that VIES knows or does not; ``request_id`` is the consultation number, absent where none was given."""

    valid: bool
    request_id: str | None = None
    name: str | None = None
    address: str | None = None
    raw: str


class Reach(StrEnum):
    """Whom a fault concerns: this number alone, everything of its member state, or the whole service."""

    NUMBER = "NUMBER"
    STATE = "STATE"
    SERVICE = "SERVICE"


class Fault(Record):
    """No answer: the code by VIES (or ours), and whom it concerns. It never says anything about a number."""

    code: str
    reach: Reach


class Check(Record):
    """When a number was asked for last and will be next; the row is claimed before VIES is called."""

    issuer_id: str
    vat_id: str
    tried_at_utc: datetime
    next_at_utc: datetime
    failures: int = Field(0, ge=0)
    fault: str | None = None
    changed: int = 0


class Outcome(Record):
    """What one call of the schedule did."""

    asked: int = 0
    valid: int = 0
    invalid: int = 0
    failed: int = 0
    waiting: int = 0
