"""The tables and buckets in memory: one lock, so that transactions are serialised, and a hundred times moto's speed.

``MemoryTables`` obeys the same port as ``aws.db.Tables`` and is compared with it operation by operation
(tests/stateful/test_memory_tables.py). It is stricter than moto where DynamoDB is (``kernel/rows.py``).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from roamclear.kernel.clock import ManualClock
from roamclear.kernel.context import Context, Page, Row, StoredObject, UploadForm
from roamclear.kernel.rows import index_names, projected, require, require_transaction, within, written
from roamclear.kernel.writes import Action, Check, Key, Table, Update, Write
from tests.support.fonts import SCHEMAS
from tests.support.moto_stack import MailSink, SealBook, Stage, WorkflowLog


@dataclass
class MemoryTables:
    """``Database`` over dictionaries."""

    tables: dict[Table, dict[str, dict[str, Row]]] = field(default_factory=lambda: {t: {} for t in Table})
    lock: threading.RLock = field(default_factory=threading.RLock)

    def get(self, table: Table, key: Key, *, consistent: bool = True) -> Row | None:
        """One row or None."""
        with self.lock:
            return deepcopy(self.tables[table].get(key.pk, {}).get(key.sk))

    def get_many(self, table: Table, keys: Sequence[Key], *, consistent: bool = True) -> dict[Key, Row]:
        """Rows by key."""
        found = {key: self.get(table, key) for key in keys}
        return {key: row for key, row in found.items() if row is not None}

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
        """One page of a partition."""
        with self.lock:
            rows = self._sorted(table, pk, index)
            name = f"{index}sk" if index else "sk"
            kept = [r for r in rows if within(r[name], prefix, after, before)]
            if not forward:
                kept.reverse()
            if start is not None:
                place = next(i for i, r in enumerate(kept) if (r["pk"], r["sk"]) == (start["pk"], start["sk"]))
                kept = kept[place + 1 :]
            more = limit is not None and len(kept) >= limit
            kept = kept[:limit]
            last = {n: kept[-1][n] for n in ("pk", "sk", *index_names(index))} if more and kept else None
            return Page([deepcopy(projected(table, r, index)) for r in kept], last)

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
        """All rows of a partition between bounds, as they stood when the reading began; copied one by one."""
        with self.lock:
            name = f"{index}sk" if index else "sk"
            kept = [r for r in self._sorted(table, pk, index) if within(r[name], prefix, after, before)]
        for row in kept if forward else reversed(kept):
            yield deepcopy(projected(table, row, index))

    def count(self, table: Table, pk: str, *, index: str | None = None, after: str, before: str) -> int:
        """How many rows lie between bounds."""
        return len(self.page(table, pk, index=index, after=after, before=before).rows)

    def write(self, write: Write) -> None:
        """One conditional write."""
        with self.lock:
            self._refuse(write, 0)
            self._apply(write)

    def write_and_read(self, update: Update) -> Row:
        """One update and the whole row as it left it."""
        with self.lock:
            self.write(update)
            row = self.get(update.table, update.key)
            assert row is not None
            return row

    def transact(self, actions: Sequence[Action]) -> None:
        """All or nothing, at most 100 actions, each on its own row."""
        require_transaction(actions)
        with self.lock:
            for place, action in enumerate(actions):
                self._refuse(action, place)
            for action in actions:
                if not isinstance(action, Check):
                    self._apply(action)

    def _sorted(self, table: Table, pk: str, index: str | None) -> list[Row]:
        if index is None:
            partition = self.tables[table].get(pk, {})
            return [partition[sk] for sk in sorted(partition)]
        hash_name, range_name = index_names(index)
        every = (row for partition in self.tables[table].values() for row in partition.values())
        found = [row for row in every if row.get(hash_name) == pk and range_name in row]
        return sorted(found, key=lambda r: (r[range_name], r["pk"], r["sk"]))

    def _refuse(self, action: Action, place: int) -> None:
        require(action, self.tables[action.table].get(action.key.pk, {}).get(action.key.sk), place)

    def _apply(self, write: Write) -> None:
        partition = self.tables[write.table].setdefault(write.key.pk, {})
        row = written(write, partition.get(write.key.sk))
        if row is None:
            partition.pop(write.key.sk, None)
        else:
            partition[write.key.sk] = row


@dataclass
class MemoryObjects:
    """``Objects`` over a dictionary."""

    kept: dict[tuple[str, str], bytes] = field(default_factory=dict)
    terms: dict[tuple[str, str], datetime | None] = field(default_factory=dict)

    def put(
        self, bucket: str, key: str, body: bytes, content_type: str, *, retain_until: datetime | None = None
    ) -> StoredObject:
        """Write an object; the same bytes again keep their term."""
        if self.kept.get((bucket, key)) != body:
            self.terms[bucket, key] = retain_until
        self.kept[bucket, key] = body
        return StoredObject(bucket, key, len(body), sha256(body).hexdigest())

    def put_file(
        self, bucket: str, key: str, path: Path, content_type: str, *, retain_until: datetime | None = None
    ) -> StoredObject:
        """Write an object."""
        return self.put(bucket, key, path.read_bytes(), content_type, retain_until=retain_until)

    def get(self, bucket: str, key: str) -> bytes | None:
        """The bytes or None."""
        return self.kept.get((bucket, key))

    def get_file(self, bucket: str, key: str, path: Path) -> bool:
        """Write the bytes into a file."""
        body = self.get(bucket, key)
        if body is not None:
            path.write_bytes(body)
        return body is not None

    def length(self, bucket: str, key: str) -> int | None:
        """How many bytes."""
        body = self.get(bucket, key)
        return None if body is None else len(body)

    def keys(self, bucket: str, prefix: str = "") -> Iterator[str]:
        """Keys below a prefix, in order."""
        yield from sorted(key for name, key in self.kept if name == bucket and key.startswith(prefix))

    def link(self, bucket: str, key: str, *, seconds: int, filename: str) -> str:
        """An address."""
        return f"https://{bucket}.example/{key}?seconds={seconds}&filename={filename}"

    def upload(self, bucket: str, key: str, *, seconds: int, max_bytes: int, content_type: str) -> UploadForm:
        """A form."""
        fields = {"key": key, "Content-Type": content_type}
        return UploadForm(f"https://{bucket}.example/", fields, max_bytes, seconds)


@contextmanager
def stage(now: datetime = datetime(2026, 10, 1, tzinfo=UTC)) -> Iterator[Stage]:
    """A fresh stage in memory; as a context manager it stands in for ``moto_stack.stage``."""
    yield fresh(now)


def fresh(now: datetime = datetime(2026, 10, 1, tzinfo=UTC)) -> Stage:
    """A stage in memory that nobody has to leave."""
    clock, mail, workflows, tables = ManualClock(now), MailSink(), WorkflowLog(), MemoryTables()
    ctx = Context(
        clock=clock,
        db=tables,
        objects=MemoryObjects(),
        mailer=mail,
        workflows=workflows,
        sealer=SealBook(),
        public_base_url="https://clearing.roamclear.example",
        schemas_dir=str(SCHEMAS),
    )
    return Stage(ctx, clock, mail, workflows, tables, None)  # type: ignore[arg-type]
