"""The tables in memory, for property tests that would be too slow on moto; every transaction is serial."""

from __future__ import annotations

import copy
import threading
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any

from roamclear.kernel.clock import ManualClock
from roamclear.kernel.context import Context, Page, Row, StoredObject
from roamclear.kernel.errors import ConditionFailed
from roamclear.kernel.writes import Action, Check, Key, Put, Remove, Table, Update, When, Write
from tests.support.moto_stack import MailSink, WorkflowLog


@dataclass
class MemoryTables:
    """``Database`` over dictionaries; ``fail_after`` writes the machine is gone (for crash tests)."""

    tables: dict[Table, dict[Key, Row]] = field(default_factory=lambda: {table: {} for table in Table})
    fail_after: int | None = None
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def get(self, table: Table, key: Key, *, consistent: bool = True) -> Row | None:
        """One row or None."""
        with self._lock:
            return copy.deepcopy(self.tables[table].get(key))

    def get_many(self, table: Table, keys: Sequence[Key], *, consistent: bool = True) -> dict[Key, Row]:
        """Rows by key."""
        with self._lock:
            return {key: copy.deepcopy(self.tables[table][key]) for key in keys if key in self.tables[table]}

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
        """All rows of a partition between bounds, in order."""
        hash_name, range_name = (f"{index}pk", f"{index}sk") if index else ("pk", "sk")
        with self._lock:
            found = [row for row in self.tables[table].values() if row.get(hash_name) == pk]
        found.sort(key=lambda row: row[range_name])
        names = [row[range_name] for row in found]
        start = bisect_left(names, after) if after is not None else 0
        stop = bisect_left(names, before) if before is not None else len(names)
        kept = [row for row in found[start:stop] if prefix is None or row[range_name].startswith(prefix)]
        yield from copy.deepcopy(kept if forward else kept[::-1])

    def page(self, table: Table, pk: str, *, limit: int | None = None, start: Any = None, **bounds: Any) -> Page:
        """Everything in one page; ``limit`` cuts it."""
        return Page(list(self.rows(table, pk, **bounds))[:limit])

    def count(self, table: Table, pk: str, *, index: str | None = None, after: str, before: str) -> int:
        """How many rows lie between bounds."""
        return sum(1 for _ in self.rows(table, pk, index=index, after=after, before=before))

    def write(self, write: Write) -> None:
        """One conditional write."""
        self.transact([write])

    def transact(self, actions: Sequence[Action]) -> None:
        """All or nothing."""
        assert 1 <= len(actions) <= 100
        keys = [(action.table, action.key) for action in actions]
        assert len(keys) == len(set(keys)), "a transaction touches a row once"
        with self._lock:
            self._count()
            for place, action in enumerate(actions):
                row = self.tables[action.table].get(action.key)
                if not all(_holds(row, term) for term in action.when):
                    name = action.table.value
                    raise ConditionFailed("refused", index=place, table=name, current=copy.deepcopy(row))
            for action in actions:
                self._do(action)

    def _count(self) -> None:
        if self.fail_after is not None:
            if self.fail_after <= 0:
                raise RuntimeError("the machine is gone")
            self.fail_after -= 1

    def _do(self, action: Action) -> None:
        rows = self.tables[action.table]
        base = {"pk": action.key.pk, "sk": action.key.sk}
        if isinstance(action, Put):
            item = {name: value for name, value in action.item.items() if value is not None}
            rows[action.key] = copy.deepcopy(base | item)
        elif isinstance(action, Update):
            row = rows.setdefault(action.key, base)
            row.update(copy.deepcopy({name: value for name, value in action.put.items() if value is not None}))
            for name, value in action.add.items():
                row[name] = row.get(name, 0) + value
            for name in (*action.remove, *(name for name, value in action.put.items() if value is None)):
                row.pop(name, None)
        elif isinstance(action, Remove):
            rows.pop(action.key, None)
        else:
            assert isinstance(action, Check)


def _holds(row: Row | None, term: When) -> bool:
    present = row is not None and term.attribute in row
    if term.operator in ("exists", "absent"):
        return present == (term.operator == "exists")
    value = row.get(term.attribute) if row else None
    if term.operator == "<>":
        return bool(value != term.value)
    if not present or row is None:
        return False
    checks = {
        "=": lambda: value == term.value,
        "<": lambda: value < term.value,
        "<=": lambda: value <= term.value,
        ">": lambda: value > term.value,
        ">=": lambda: value >= term.value,
        "in": lambda: value in term.value,
        "prefix": lambda: str(value).startswith(term.value),
    }
    return bool(checks[term.operator]())


@dataclass
class MemoryObjects:
    """``Objects`` in a dictionary."""

    kept: dict[tuple[str, str], bytes] = field(default_factory=dict)

    def put(
        self, bucket: str, key: str, body: bytes, content_type: str, *, retain_until: datetime | None = None
    ) -> StoredObject:
        """Keep the bytes."""
        self.kept[bucket, key] = body
        return StoredObject(bucket, key, len(body), sha256(body).hexdigest())

    def get(self, bucket: str, key: str) -> bytes | None:
        """The bytes or None."""
        return self.kept.get((bucket, key))

    def keys(self, bucket: str, prefix: str = "") -> Iterator[str]:
        """Keys below a prefix, in order."""
        yield from sorted(k for name, k in self.kept if name == bucket and k.startswith(prefix))

    def link(self, bucket: str, key: str, *, seconds: int, filename: str) -> str:
        """An address that leads nowhere."""
        return f"memory://{bucket}/{key}"


def memory_context(now: datetime) -> Context:
    """A context whose doors are all in memory."""
    return Context(
        clock=ManualClock(now),
        db=MemoryTables(),
        objects=MemoryObjects(),
        mailer=MailSink(),
        workflows=WorkflowLog(),
    )
