"""A door to the tables in memory that adds up what its calls would cost on DynamoDB, per step.

``meter.Meter`` counts the requests of a real client; this one counts the same units from plain rows, a hundred times
faster, so that a hundred thousand sessions can be closed in a bench.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from decimal import Decimal
from math import ceil
from typing import Any

from infra.bench.meter import INDEXES

#: What one query brings at most.
_PAGE_BYTES = 1_000_000
_BATCH = 100


def size_of(value: Any) -> int:
    """Bytes of a plain value, or of a row without its own frame, as DynamoDB counts them."""
    if isinstance(value, dict):
        return 3 + _columns(value) + len(value)
    if isinstance(value, list | tuple):
        return 3 + sum(size_of(v) + 1 for v in value)
    if isinstance(value, bool) or value is None:
        return 1
    if isinstance(value, int | Decimal):
        return len(str(abs(value)).replace(".", "")) // 2 + 2
    return len(value.encode()) if isinstance(value, str) else len(value)


def _columns(row: dict[str, Any] | None) -> int:
    return sum(len(name.encode()) + size_of(value) for name, value in row.items()) if row else 0


class CountedTables:
    """``Database`` over a ``MemoryTables`` with the units and requests of each step; ``step`` names the one now."""

    def __init__(self, real: Any) -> None:
        self._real = real
        self.step = "-"
        self.writes: dict[str, float] = defaultdict(float)
        self.reads: dict[str, float] = defaultdict(float)
        self.requests: dict[str, int] = defaultdict(int)
        self.largest = 0

    def get(self, table: Any, key: Any, *, consistent: bool = True) -> Any:
        """Counted read."""
        found = self._real.get(table, key)
        self._read(_columns(found), consistent)
        return found

    def get_many(self, table: Any, keys: Sequence[Any], *, consistent: bool = True) -> Any:
        """Counted reads: each row by itself, a request per hundred."""
        unique = list(dict.fromkeys(keys))
        found = self._real.get_many(table, unique)
        for key in unique:
            self._read(_columns(found.get(key)), consistent, requests=0)
        self.requests[self.step] += ceil(len(unique) / _BATCH)
        return found

    def page(self, table: Any, pk: str, **query: Any) -> Any:
        """Counted query: the sum of what it brings, a request per started megabyte."""
        found = self._real.page(table, pk, **query)
        size = sum(map(_columns, found.rows))
        self._read(size, query.get("consistent", False), requests=max(1, ceil(size / _PAGE_BYTES)))
        return found

    def rows(self, table: Any, pk: str, **query: Any) -> Iterator[Any]:
        """Counted query over all pages."""
        yield from self.page(table, pk, **query).rows

    def count(self, table: Any, pk: str, **query: Any) -> int:
        """Counted query."""
        return len(self.page(table, pk, **query).rows)

    def write(self, write: Any) -> None:
        """Counted write."""
        self._write([write], 1, lambda: self._real.write(write))

    def write_and_read(self, update: Any) -> Any:
        """Counted update."""
        return self._write([update], 1, lambda: self._real.write_and_read(update))

    def transact(self, actions: Sequence[Any]) -> None:
        """Counted transaction: everything twice."""
        self._write(actions, 2, lambda: self._real.transact(actions))

    def _read(self, size: int, consistent: bool, *, requests: int = 1) -> None:
        self.reads[self.step] += max(1, ceil(size / 4096)) * (1.0 if consistent else 0.5)
        self.requests[self.step] += requests

    def _write(self, actions: Sequence[Any], factor: int, do: Any) -> Any:
        before = [self._stored(action) for action in actions]
        try:
            return do()
        finally:
            self.requests[self.step] += 1
            for action, old in zip(actions, before, strict=True):
                self.writes[self.step] += factor * self._cost(old, self._stored(action))

    def _stored(self, action: Any) -> dict[str, Any] | None:
        found: dict[str, Any] | None = self._real.tables[action.table].get(action.key.pk, {}).get(action.key.sk)
        return dict(found) if found else None

    def _cost(self, old: dict[str, Any] | None, new: dict[str, Any] | None) -> int:
        size = max(_columns(old), _columns(new))
        self.largest = max(self.largest, size)
        units = max(1, ceil(size / 1024))
        for index in INDEXES:
            names = (f"{index}pk", f"{index}sk")
            entries = [tuple(row[n] for n in names) if row and names[0] in row else None for row in (old, new)]
            if entries[0] != entries[1]:
                units += sum(entry is not None for entry in entries)
        return units
