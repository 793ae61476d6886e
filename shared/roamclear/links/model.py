"""A link of a mail."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pydantic import Field

from roamclear.kernel.record import Record


class Link(Record):
    """What a token opens: an object of a bucket, until an instant, while it is not revoked.

    ``link_id`` is the hash of the token: it names the link in lists and opens nothing.
    """

    issuer_id: str
    link_id: str = ""
    bucket: str
    key: str
    filename: str
    expires_at_utc: datetime
    revoked: bool = False
    opened: int = 0


class Opening(Record):
    """One time a link was followed: when, from which address, with which program."""

    at_utc: datetime
    source: str = Field(default="", max_length=64)
    program: str = Field(default="", max_length=200)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the redirect endpoint says."""

    status: int
    text: str
    location: str | None = None
