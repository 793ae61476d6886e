"""Reports of the retention of detail, and requests of data subjects."""

from __future__ import annotations

from datetime import date, datetime

from pydantic import Field

from roamclear.kernel.record import Record


class DetailReport(Record):
    """What one run of the retention did: ``waiting`` counts by reason what was looked at and stays for now.

    ``reached`` is the first UTC day of arrival that was not looked at yet.
    """

    issuer_id: str
    began_at_utc: datetime
    epoch: int
    detail_months: int | None = None
    detail_years: int | None = None
    sessions: int = 0
    bodies: int = 0
    refused: int = 0
    disputes: int = 0
    waiting: dict[str, int] = {}
    reached: date | None = None


class Subject(Record):
    """Whose data are asked for: a token of an eMSP, or the contract behind it."""

    emsp_party: str = Field(pattern=r"^[A-Z]{2}[A-Z0-9]{3}$")
    token_uid: str | None = Field(None, min_length=1, max_length=36)
    contract_id: str | None = Field(None, min_length=1, max_length=36)


class DataRequest(Record):
    """A request that came through an eMSP. ``subject`` is forgotten with the answer; ``masked`` and ``alias`` stay.

    ``kind`` EXPORT lists what is held; ERASURE also gives up what is over, and says of the rest until when it is kept
    and why. ``reference`` is the eMSP's own.
    """

    issuer_id: str
    request_id: str
    kind: str = Field(pattern=r"^(EXPORT|ERASURE)$")
    reference: str = Field(min_length=3, max_length=200)
    subject: Subject | None = None
    masked: str
    alias: str
    since: date | None = None
    asked_by: str
    asked_at_utc: datetime
    state: str = Field("OPEN", pattern=r"^(OPEN|ANSWERED)$")
    answered_at_utc: datetime | None = None
    sessions: int = 0
    objects: int = 0
    files: tuple[str, ...] = ()
    scanned_to: str | None = None
    found: tuple[str, ...] = ()
    changed: int = 0


class Held(Record):
    """One object that holds something of a subject, and what became of it.

    ``state``: CLEAR (held as it came), MASKED, PSEUDONYMISED, ERASED. ``until`` is the first day on which it may go,
    ``ground`` says why not before.
    """

    cdr_ref: str
    object: str
    where: str
    state: str
    until: date | None = None
    ground: str = ""
    detail: str = ""


class SessionOf(Record):
    """A session of a subject, as far as it is held."""

    cdr_ref: str
    start_utc: datetime
    stop_utc: datetime
    evse_id: str | None = None
    place: str | None = None
    country: str = ""
    energy_kwh: str
    net: str | None = None
    currency: str
    billing: str
    documents: tuple[str, ...] = ()
    detail_expired_at_utc: datetime | None = None


class Answer(Record):
    """The package: sessions and objects of a subject."""

    request_id: str
    kind: str
    reference: str
    answered_at_utc: datetime
    controller: str
    sessions: tuple[SessionOf, ...] = ()
    objects: tuple[Held, ...] = ()
    notes: tuple[str, ...] = ()


class PackageLink(Record):
    """A short-lived address of a file of a package."""

    name: str
    url: str
