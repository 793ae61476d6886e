"""A request under a caller's key, and its answer."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from roamclear.kernel.record import Record


class State(StrEnum):
    """STARTED until it was answered; what was STARTED and died is never begun again, for it may have happened."""

    STARTED = "STARTED"
    DONE = "DONE"


class Kept(Record):
    """What a key of an actor stands for, for ever. ``body`` is zlib of the answer; none where it was told once only."""

    issuer_id: str
    actor_id: str
    digest: str
    state: State = State.STARTED
    at_utc: datetime
    status: int | None = None
    body: bytes | None = None
