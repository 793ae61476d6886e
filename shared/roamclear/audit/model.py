"""A link of an audit chain."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from roamclear.kernel.record import Record


class AuditEntry(Record):
    """One thing that was done to one object; ``previous`` is the hash of the link before it."""

    issuer_id: str
    kind: str
    object_id: str
    sequence: int
    at_utc: datetime
    actor_id: str
    action: str
    details: dict[str, Any] = {}
    previous: str
    digest: str


class DayDigest(Record):
    """All heads of a day under one hash (rules.md 8); ``previous`` chains it to the digest of the day before it."""

    issuer_id: str
    day: str
    entries: int
    objects: int
    heads_sha256: str
    previous: str
