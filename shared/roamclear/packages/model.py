"""A copy that was asked for, and a file that an access point left."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from roamclear.kernel.record import Record


class CopyRequest(Record):
    """One sending of a document again; ``request_id`` is its business key beside the number.

    Without contacts it goes to those of the contract.
    """

    issuer_id: str
    number: str
    request_id: str
    contacts: tuple[str, ...] = ()
    asked_by: str
    asked_at_utc: datetime
    state: str = "ASKED"
    sent_at_utc: datetime | None = None
    message_ids: tuple[str, ...] = ()


class Reported(StrEnum):
    """What an access point says of a document."""

    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"
    DELIVERED = "DELIVERED"


class StatusFile(Record):
    """A status file: which document, what happened, when (aware), and why it was rejected."""

    ticket: str = Field(min_length=1, max_length=40)
    status: Reported
    at: datetime
    reason: str = Field(default="", max_length=500)


class ReadFile(Record):
    """A status file that was read once: TAKEN, or QUARANTINED with the reason."""

    issuer_id: str
    file: str
    sha256: str
    state: str
    reason: str = ""
    read_at_utc: datetime
