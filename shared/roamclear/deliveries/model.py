"""Mails that were handed over, what became of them, and the log of an object's deliveries."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from roamclear.kernel.record import Record


class What(StrEnum):
    """What a line of the log tells."""

    MAILED = "MAILED"
    BOUNCED = "BOUNCED"
    COMPLAINED = "COMPLAINED"
    REFUSED = "REFUSED"
    COPY_ASKED = "COPY_ASKED"
    SUBMITTED = "SUBMITTED"
    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"
    DELIVERED = "DELIVERED"


class Mail(Record):
    """A mail the provider took; ``subject`` is the document, run or payout it is about."""

    issuer_id: str
    message_id: str
    business_key: str
    kind: str
    subject: str
    partner: str
    recipients: tuple[str, ...]
    at_utc: datetime


class Failure(Record):
    """A bounce, complaint or refusal that the provider reported.

    ``lasting`` is False for transient answers without a reason, among which are the automatic ones of people on leave.
    """

    event_id: str = Field(max_length=200)
    message_id: str = Field(max_length=200)
    what: What
    lasting: bool = True
    recipients: tuple[str, ...] = Field(default=(), max_length=50)
    reason: str = Field(default="", max_length=300)
    at_utc: datetime


class Entry(Record):
    """One line of an object's delivery log; ``entry_id`` is its business key."""

    issuer_id: str
    subject: str
    entry_id: str
    at_utc: datetime
    what: What
    recipients: tuple[str, ...] = ()
    reason: str = ""
    by: str = ""
