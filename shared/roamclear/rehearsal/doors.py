"""The other doors of a rehearsal: objects that stay, mails and executions that are only counted."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import file_digest, sha256
from pathlib import Path

from roamclear.kernel.clock import ManualClock
from roamclear.kernel.context import Context, NoSealer, Objects, Row, StoredObject, UploadForm
from roamclear.kernel.errors import InvariantBroken
from roamclear.rehearsal.kept import folder_of
from roamclear.rehearsal.overlay import OverlayTables, TooLarge

#: Bytes of drawn files that one rehearsal may hold on its disk.
MOST_BYTES = 2_000_000_000


@dataclass
class OverlayObjects:
    """``Objects`` over others: what is put stays here, in files of this worker; what is read falls through."""

    below: Objects
    kept: dict[tuple[str, str], Path] = field(default_factory=dict)
    size: int = 0
    _count: int = 0

    def __post_init__(self) -> None:
        self._folder = folder_of(self)

    def put(
        self, bucket: str, key: str, body: bytes, content_type: str, *, retain_until: datetime | None = None
    ) -> StoredObject:
        """Keep an object here, for as long as the rehearsal lasts."""
        path = self._place(bucket, key, len(body))
        path.write_bytes(body)
        return StoredObject(bucket, key, len(body), sha256(body).hexdigest())

    def put_file(
        self, bucket: str, key: str, path: Path, content_type: str, *, retain_until: datetime | None = None
    ) -> StoredObject:
        """Keep a file here."""
        size = path.stat().st_size
        shutil.copyfile(path, self._place(bucket, key, size))
        with path.open("rb") as stream:
            return StoredObject(bucket, key, size, file_digest(stream, "sha256").hexdigest())

    def get(self, bucket: str, key: str) -> bytes | None:
        """The bytes or None."""
        own = self.kept.get((bucket, key))
        return own.read_bytes() if own is not None else self.below.get(bucket, key)

    def get_file(self, bucket: str, key: str, path: Path) -> bool:
        """Write the bytes into a file."""
        own = self.kept.get((bucket, key))
        if own is None:
            return self.below.get_file(bucket, key, path)
        shutil.copyfile(own, path)
        return True

    def length(self, bucket: str, key: str) -> int | None:
        """How many bytes an object has, or None."""
        own = self.kept.get((bucket, key))
        return own.stat().st_size if own is not None else self.below.length(bucket, key)

    def forget(self, bucket: str, key: str) -> None:
        """Let go of an object that was published meanwhile."""
        path = self.kept.pop((bucket, key))
        self.size -= path.stat().st_size
        path.unlink()

    def _place(self, bucket: str, key: str, size: int) -> Path:
        known = self.kept.get((bucket, key))
        self.size += size - (known.stat().st_size if known else 0)
        if self.size > MOST_BYTES:
            raise TooLarge("the files of this rehearsal are too large; rehearse run by run", bytes=MOST_BYTES)
        self._count += known is None
        return self.kept.setdefault((bucket, key), self._folder / str(self._count))

    def keys(self, bucket: str, prefix: str = "") -> Iterator[str]:
        """Keys below a prefix, in order."""
        own = {key for name, key in self.kept if name == bucket and key.startswith(prefix)}
        yield from sorted(own | set(self.below.keys(bucket, prefix)))

    def link(self, bucket: str, key: str, *, seconds: int, filename: str) -> str:
        """No address: nobody is to open what is only rehearsed."""
        raise InvariantBroken("a rehearsal signs no links")

    def upload(self, bucket: str, key: str, *, seconds: int, max_bytes: int, content_type: str) -> UploadForm:
        """No form: nobody is to post anything."""
        raise InvariantBroken("a rehearsal takes no files")


@dataclass
class CountingMailer:
    """``Mailer`` that sends nothing."""

    count: int = 0

    def send(self, raw: bytes, *, sender: str, recipients: Sequence[str]) -> str:
        """Count a mail; its name is one that no provider gives."""
        self.count += 1
        return f"rehearsed-{self.count}"


@dataclass
class CountingWorkflows:
    """``Workflows`` that starts and wakes nobody."""

    count: int = 0

    def start_close(self, name: str, payload: Row) -> bool:
        """Count a start."""
        self.count += 1
        return True

    def complete(self, task_token: str, output: Row) -> bool:
        """Count a completion."""
        self.count += 1
        return True

    def wake_at(self, at: datetime) -> None:
        """Count a wish to be woken."""
        self.count += 1


@dataclass(frozen=True)
class Shadow:
    """A context whose doors keep everything to themselves, and the clock that moves it."""

    ctx: Context
    clock: ManualClock
    tables: OverlayTables
    objects: OverlayObjects


def shadow(ctx: Context) -> Shadow:
    """The doors of a rehearsal over the real ones, at the real instant."""
    clock, tables, objects = ManualClock(ctx.now()), OverlayTables(ctx.db), OverlayObjects(ctx.objects)
    made = replace(
        ctx,
        clock=clock,
        db=tables,
        objects=objects,
        mailer=CountingMailer(),
        workflows=CountingWorkflows(),
        sealer=NoSealer(),
    )
    return Shadow(made, clock, tables, objects)
