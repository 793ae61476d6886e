"""What passes between the OCPI routes and their use cases."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum

from roamclear.cdrs.model import Receipt
from roamclear.kernel.record import Record

VERSIONS = ("2.2.1", "2.1.1", "2.3.0")
#: Invoice Reconciliation exists from this version on.
VERSION_OF_RECORDS = "2.3.0"
#: API Gateway and Lambda take 6 MB; partners get less (rules.md 11).
BODY_LIMIT_BYTES = 4_000_000
#: A row of a table holds 400 KB; what is larger after compression is kept in several rows.
ROW_LIMIT_BYTES = 350_000


class Code(IntEnum):
    """OCPI status codes (OCPI status_codes)."""

    OK = 1000
    CLIENT = 2000
    INVALID = 2001
    UNKNOWN_LOCATION = 2003
    SERVER = 3000
    PEER_UNUSABLE = 3001
    VERSION = 3002
    NO_ENDPOINTS = 3003


@dataclass(frozen=True, slots=True)
class Message:
    """A body with what is needed to keep it: the OCPI version of its path, its ids, and its receiver (folded)."""

    version: str
    body: bytes
    correlation_id: str = ""
    request_id: str = ""
    path: str = ""
    to_party: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """A message that was not taken and why; ``http_status`` is 200 once it could be parsed (OCPI status_codes)."""

    reason: str
    field: str = ""
    code: Code = Code.INVALID
    http_status: int = 200


@dataclass(frozen=True, slots=True)
class Differs(Refused):
    """Other content under the id of a known CDR: kept beside the first one, which stays."""


@dataclass(frozen=True, slots=True)
class Pushed:
    """A CDR that is known now, for the first time or again."""

    receipt: Receipt
    party: str
    cdr_id: str


class IngestEntry(Record):
    """A refused message of a known partner; ``raw`` is zlib of the first part, ``parts`` counts further rows.

    From ``expired_at_utc`` on its body is given up; ``sha256`` stays that of the bytes that came.
    """

    issuer_id: str
    partner_id: str
    credential_id: str
    module: str
    ocpi_version: str
    received_at_utc: datetime
    sha256: str
    size_bytes: int
    raw: bytes
    parts: int = 0
    party: str = ""
    object_id: str = ""
    message: str
    field: str = ""
    http_status: int
    ocpi_code: int
    correlation_id: str = ""
    sandbox: bool = False
    expired_at_utc: datetime | None = None


class StoredObject(Record):
    """A Location or Tariff as its owner last described it; ``raw`` is zlib of its JSON, ``revision`` counts writes."""

    issuer_id: str
    party: str
    object_id: str
    partner_id: str
    ocpi_version: str
    received_at_utc: datetime
    last_updated_utc: datetime | None = None
    raw: bytes
    revision: int = 1
    deleted: bool = False


class BenchMessage(Record):
    """A CDR a sandbox credential pushed: which case it was, how it was answered, what each rule found."""

    issuer_id: str
    credential_id: str
    received_at_utc: datetime
    sha256: str
    object_id: str
    case: str
    http_status: int
    ocpi_code: int
    ocpi_version: str = ""
    rule_set: str = ""
    rules: dict[str, tuple[dict[str, str], ...]]


class Certificate(Record):
    """What a sandbox credential has shown to pass: ``rules`` are (name, what it asks), ``sha256`` is of its content.

    ``pdf_key`` is set once the paper is drawn; nothing else ever changes.
    """

    issuer_id: str
    credential_id: str
    partner_id: str
    party: str
    ocpi_version: str
    rule_set: str
    rules: tuple[tuple[str, str], ...]
    issued_at_utc: datetime
    sha256: str
    pdf_key: str | None = None

    @property
    def certificate_id(self) -> str:
        """Its name: there is one per credential, version and set of rules."""
        return f"{self.credential_id}-{self.ocpi_version}-{self.rule_set}"


class PullReport(Record):
    """What a night's pull from a partner found, between two instants of the partner's ``last_updated``.

    ``pushed`` were known by push (or file), ``pulled_before`` by an earlier pull, ``pulled_only`` are new.
    """

    issuer_id: str
    night: str
    partner_id: str
    party: str
    from_utc: datetime
    to_utc: datetime
    ended_at_utc: datetime
    complete: bool
    pages: int = 0
    seen: int = 0
    pushed: int = 0
    pulled_before: int = 0
    pulled_only: int = 0
    mismatched: int = 0
    refused: int = 0
    faults: tuple[str, ...] = ()


class InvoiceRecord(Record):
    """An Invoice Reconciliation record; ``raw`` is zlib of its JSON."""

    issuer_id: str
    record_id: str
    made_at_utc: datetime
    raw: bytes


@dataclass(frozen=True, slots=True)
class ListQuery:
    """What a caller of a Sender interface asked for; both instants bound ``available_at``, the second exclusively."""

    date_from: datetime | None = None
    date_to: datetime | None = None
    offset: int = 0
    limit: int = 50
    position: str | None = None


@dataclass(frozen=True, slots=True)
class ListPage:
    """One page: bodies as JSON bytes, the count of all that match, and where the next page begins."""

    bodies: list[bytes] = field(default_factory=list)
    total: int = 0
    limit: int = 50
    position: str | None = None
