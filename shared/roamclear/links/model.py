"""A link of a mail."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from roamclear.kernel.record import Record


class Link(Record):
    """What a token opens: an object of a bucket, until an instant, while it is not revoked."""

    issuer_id: str
    bucket: str
    key: str
    filename: str
    expires_at_utc: datetime
    revoked: bool = False
    opened: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """What the redirect endpoint says."""

    status: int
    text: str
    location: str | None = None
