"""What a use case is given: the clock and the doors, as ports. The real ones are named in ``aws/compose.py``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from roamclear.kernel.clock import Clock
from roamclear.kernel.errors import InvariantBroken
from roamclear.kernel.writes import Action, Key, Table, Update, Write

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows of a query and, where more follow, the opaque place to go on from."""

    rows: list[Row]
    next: dict[str, Any] | None = None


class Database(Protocol):
    """The tables. Every refused condition is a ``ConditionFailed``, every overload a ``Busy``."""

    def get(self, table: Table, key: Key, *, consistent: bool = True) -> Row | None:
        """One row or None."""
        ...

    def get_many(self, table: Table, keys: Sequence[Key], *, consistent: bool = True) -> dict[Key, Row]:
        """Rows by key, any number of them; what does not exist is not in the answer."""
        ...

    def page(
        self,
        table: Table,
        pk: str,
        *,
        index: str | None = None,
        prefix: str | None = None,
        after: str | None = None,
        before: str | None = None,
        forward: bool = True,
        limit: int | None = None,
        start: dict[str, Any] | None = None,
        consistent: bool = False,
    ) -> Page:
        """One page of a partition; ``prefix``, or ``after`` (inclusive) and ``before`` (exclusive), bound it."""
        ...

    def rows(
        self,
        table: Table,
        pk: str,
        *,
        index: str | None = None,
        prefix: str | None = None,
        after: str | None = None,
        before: str | None = None,
        forward: bool = True,
        consistent: bool = False,
    ) -> Iterator[Row]:
        """All rows of a partition between bounds, page after page."""
        ...

    def count(self, table: Table, pk: str, *, index: str | None = None, after: str, before: str) -> int:
        """How many rows lie between bounds."""
        ...

    def write(self, write: Write) -> None:
        """One conditional write."""
        ...

    def write_and_read(self, update: Update) -> Row:
        """One update and the whole row as it left it, in one step that no other writer divides."""
        ...

    def transact(self, actions: Sequence[Action]) -> None:
        """All or nothing, at most 100 actions."""
        ...


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object of a bucket with what is known of it."""

    bucket: str
    key: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class UploadForm:
    """A signed form: who posts these fields and a file to the address puts exactly one object, once or again."""

    url: str
    fields: dict[str, str]
    max_bytes: int
    expires_seconds: int


class Objects(Protocol):
    """The buckets by their role: ``documents``, ``inbox``, ``exports``, ``archive``."""

    def put(
        self, bucket: str, key: str, body: bytes, content_type: str, *, retain_until: datetime | None = None
    ) -> StoredObject:
        """Write an object; the same bytes under the same key again change nothing.

        Until ``retain_until`` nobody can delete or change it; without it the bucket's own rule holds.
        """
        ...

    def put_file(
        self, bucket: str, key: str, path: Path, content_type: str, *, retain_until: datetime | None = None
    ) -> StoredObject:
        """``put`` of a file, which is never read into memory as a whole."""
        ...

    def get(self, bucket: str, key: str) -> bytes | None:
        """The bytes or None."""
        ...

    def get_file(self, bucket: str, key: str, path: Path) -> bool:
        """Write the bytes into a file, piece by piece; False where there is no such object."""
        ...

    def length(self, bucket: str, key: str) -> int | None:
        """How many bytes an object has, or None."""
        ...

    def keys(self, bucket: str, prefix: str = "") -> Iterator[str]:
        """Keys below a prefix, in order."""
        ...

    def link(self, bucket: str, key: str, *, seconds: int, filename: str) -> str:
        """A signed address of an object for a time."""
        ...

    def upload(self, bucket: str, key: str, *, seconds: int, max_bytes: int, content_type: str) -> UploadForm:
        """A signed form that takes one file of a type and at most a size under this key (rules.md 11)."""
        ...


class Mailer(Protocol):
    """Hands finished mails over."""

    def send(self, raw: bytes, *, sender: str, recipients: Sequence[str]) -> str:
        """Send one MIME message; returns the provider's message id. ``Unavailable`` when it was not taken."""
        ...


class Workflows(Protocol):
    """The month-close executions and the schedules that wake them."""

    def start_close(self, name: str, payload: Row) -> bool:
        """Start an execution under a deterministic name; False when it was started before."""
        ...

    def complete(self, task_token: str, output: Row) -> bool:
        """Let a parked execution go on; False when it no longer waits."""
        ...

    def wake_at(self, at: datetime) -> None:
        """Ask for a due-sweep at an instant (once for all that is due then; the regular sweep is the safety net)."""
        ...


class Sealer(Protocol):
    """Keeps short secrets that have to be read again; what is sealed is bound to what it belongs to."""

    def seal(self, text: str, bound_to: Mapping[str, str]) -> bytes:
        """Ciphertext of a short text; ``Unavailable`` when it could not be sealed."""
        ...

    def unseal(self, sealed: bytes, bound_to: Mapping[str, str]) -> str:
        """The text again; ``Unavailable`` when it may not be read or was bound to something else."""
        ...


class NoSealer:
    """The door of who was given none."""

    def seal(self, text: str, bound_to: Mapping[str, str]) -> bytes:
        """Refuse."""
        raise InvariantBroken("nothing can be sealed here")

    def unseal(self, sealed: bytes, bound_to: Mapping[str, str]) -> str:
        """Refuse."""
        raise InvariantBroken("nothing can be unsealed here")


@dataclass(frozen=True, slots=True)
class Context:
    """Everything a use case may touch."""

    clock: Clock
    db: Database
    objects: Objects
    mailer: Mailer
    workflows: Workflows
    sealer: Sealer = field(default_factory=NoSealer)
    stage: str = "local"
    #: COMPLIANCE: objects get terms of years (retention room); GOVERNANCE: the buckets lock for a day.
    lock_mode: str = "GOVERNANCE"
    mail_sender: str = "clearing@roamclear.example"
    public_base_url: str = ""
    fonts_dir: str = ""
    schemas_dir: str = ""
    #: Public services, known to the functions that refresh what is stored of them; empty where nothing is asked.
    vies_url: str = ""
    ecb_url: str = ""

    def now(self) -> datetime:
        """The present instant of the one clock."""
        return self.clock.now()
