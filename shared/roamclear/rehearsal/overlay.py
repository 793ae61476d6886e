"""Tables that look like the stored ones and keep every write to themselves.

A rehearsal runs the use cases of the close on them: what it writes it reads again, conditions are judged as the tables
judge them, and nothing reaches the store. One worker uses one overlay, once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from heapq import merge
from itertools import islice
from typing import Any

from roamclear.kernel.context import Database, Page, Row
from roamclear.kernel.errors import Conflict
from roamclear.kernel.rows import index_names, projected, require, require_transaction, within, written
from roamclear.kernel.writes import Action, Check, Key, Table, Update, Write


class TooLarge(Conflict):
    """What is to be rehearsed does not fit into one worker."""

    code = "TOO_LARGE"


#: Rows one rehearsal may write: two for each session, and what the close of its contracts needs beside them.
MOST_ROWS = 250_000
#: Stored rows that are remembered, so that the condition on a row just read asks the store no second time.
_MOST_SEEN = 50_000
_PAGE = 200


@dataclass
class OverlayTables:
    """``Database`` over another one. ``kept`` holds what was written, None where a row was removed."""

    below: Database
    most: int = MOST_ROWS
    kept: dict[tuple[Table, Key], Row | None] = field(default_factory=dict)
    partitions: dict[tuple[Table, str | None, str], set[Key]] = field(default_factory=dict)
    seen: dict[tuple[Table, Key], Row | None] = field(default_factory=dict)

    def get(self, table: Table, key: Key, *, consistent: bool = True) -> Row | None:
        """One row or None."""
        return deepcopy(self._current(table, key, consistent))

    def get_many(self, table: Table, keys: Sequence[Key], *, consistent: bool = True) -> dict[Key, Row]:
        """Rows by key."""
        unknown = [k for k in dict.fromkeys(keys) if (table, k) not in self.kept and (table, k) not in self.seen]
        stored = self.below.get_many(table, unknown, consistent=consistent) if unknown else {}
        for key in unknown:
            self._remember(table, key, stored.get(key))
        answer = {}
        for key in dict.fromkeys(keys):
            place = (table, key)
            row = self.kept[place] if place in self.kept else self.seen.get(place, stored.get(key))
            if row is not None:
                answer[key] = deepcopy(row)
        return answer

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
        """One page of a partition: always as long as its limit where that many rows follow."""
        bounds: dict[str, Any] = {"index": index, "prefix": prefix, "after": after, "before": before}
        found = self._walk(table, pk, bounds, forward, consistent, limit)
        if start is not None:
            found = _behind(found, start, index, forward)
        rows = list(islice(found, limit))
        more = limit is not None and len(rows) == limit and bool(rows)
        last = {n: rows[-1][n] for n in ("pk", "sk", *index_names(index))} if more else None
        return Page(rows, last)

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
        """All rows of a partition between bounds."""
        bounds: dict[str, Any] = {"index": index, "prefix": prefix, "after": after, "before": before}
        yield from self._walk(table, pk, bounds, forward, consistent, None)

    def count(self, table: Table, pk: str, *, index: str | None = None, after: str, before: str) -> int:
        """How many rows lie between bounds."""
        return sum(1 for _ in self.rows(table, pk, index=index, after=after, before=before))

    def write(self, write: Write) -> None:
        """One conditional write, kept here."""
        current = self._current(write.table, write.key, True)
        require(write, current, 0)
        self._keep(write, current)

    def write_and_read(self, update: Update) -> Row:
        """One update and the whole row as it left it."""
        self.write(update)
        row = self.get(update.table, update.key)
        return row if row is not None else {}

    def transact(self, actions: Sequence[Action]) -> None:
        """All or nothing, kept here."""
        require_transaction(actions)
        current = [self._current(action.table, action.key, True) for action in actions]
        for place, (action, row) in enumerate(zip(actions, current, strict=True)):
            require(action, row, place)
        for action, row in zip(actions, current, strict=True):
            if not isinstance(action, Check):
                self._keep(action, row)

    def _current(self, table: Table, key: Key, consistent: bool) -> Row | None:
        place = (table, key)
        if place in self.kept:
            return self.kept[place]
        if place in self.seen:
            return self.seen[place]
        stored = self.below.get(table, key, consistent=consistent)
        self._remember(table, key, stored)
        return stored

    def _remember(self, table: Table, key: Key, row: Row | None) -> None:
        if len(self.seen) < _MOST_SEEN:
            self.seen[table, key] = row

    def _keep(self, write: Write, current: Row | None) -> None:
        place = (write.table, write.key)
        if place not in self.kept and len(self.kept) >= self.most:
            raise TooLarge("a rehearsal of this many sessions is too large; rehearse run by run", rows=self.most)
        made = written(write, current)
        for known, turn in ((self.kept.get(place), set.discard), (made, set.add)):
            for index, pk in _partitions(known):
                turn(self.partitions.setdefault((write.table, index, pk), set()), write.key)
        self.kept[place] = made
        self.seen.pop(place, None)

    def _walk(
        self, table: Table, pk: str, bounds: dict[str, Any], forward: bool, consistent: bool, limit: int | None
    ) -> Iterator[Row]:
        """Stored rows that were not written here, merged with those that were, in the order of the query."""
        index = bounds["index"]
        name = f"{index}sk" if index else "sk"
        own = [self.kept[table, key] for key in self.partitions.get((table, index, pk), ())]
        between = (bounds["prefix"], bounds["after"], bounds["before"])
        fitting = [row for row in own if row is not None and within(row[name], *between)]
        fitting.sort(key=lambda r: (r[name], r["pk"], r["sk"]), reverse=not forward)
        stored = self._stored(table, pk, bounds, forward, consistent, limit)
        made = (deepcopy(projected(table, row, index)) for row in fitting)
        yield from merge(stored, made, key=lambda r: str(r[name]), reverse=not forward)

    def _stored(
        self, table: Table, pk: str, bounds: dict[str, Any], forward: bool, consistent: bool, limit: int | None
    ) -> Iterator[Row]:
        start: dict[str, Any] | None = None
        size = None if limit is None else max(limit, _PAGE)
        while True:
            page = self.below.page(
                table, pk, **bounds, forward=forward, limit=size, start=start, consistent=consistent
            )  # fmt: skip
            yield from (row for row in page.rows if (table, Key(row["pk"], row["sk"])) not in self.kept)
            if page.next is None:
                return
            start = page.next


def _partitions(row: Row | None) -> Iterator[tuple[str | None, str]]:
    """In which partitions of the table and its indexes a row stands."""
    if row is None:
        return
    yield None, row["pk"]
    for index in ("gsi1", "gsi2", "gsi3"):
        hash_name, range_name = index_names(index)
        if hash_name in row and range_name in row:
            yield index, row[hash_name]


def _behind(rows: Iterator[Row], start: dict[str, Any], index: str | None, forward: bool) -> Iterator[Row]:
    """The rows behind the one where the last page ended; where that one is gone, those behind its place."""
    name = f"{index}sk" if index else "sk"
    passed = False
    for row in rows:
        if passed:
            yield row
        elif (row["pk"], row["sk"]) == (start["pk"], start["sk"]):
            passed = True
        elif row[name] != start[name] and (row[name] > start[name]) is forward:
            passed = True
            yield row
