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
from roamclear.kernel.rows import index_names, projected, require, require_transaction, written
from roamclear.kernel.writes import Action, Check, Key, Table, Update, Write
from roamclear.rehearsal.kept import Kept


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
    """``Database`` over another one. ``kept`` holds what was written, on disk."""

    below: Database
    most: int = MOST_ROWS
    kept: Kept = field(default_factory=Kept)
    seen: dict[tuple[Table, Key], Row | None] = field(default_factory=dict)

    def get(self, table: Table, key: Key, *, consistent: bool = True) -> Row | None:
        """One row or None."""
        return deepcopy(self._current(table, key, consistent))

    def get_many(self, table: Table, keys: Sequence[Key], *, consistent: bool = True) -> dict[Key, Row]:
        """Rows by key."""
        own = {key: row for key in dict.fromkeys(keys) for known, row in (self.kept.find(table, key),) if known}
        unknown = [k for k in dict.fromkeys(keys) if k not in own and (table, k) not in self.seen]
        stored = self.below.get_many(table, unknown, consistent=consistent) if unknown else {}
        for key in unknown:
            self._remember(table, key, stored.get(key))
        answer = {}
        for key in dict.fromkeys(keys):
            row = own[key] if key in own else self.seen.get((table, key), stored.get(key))
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
        known, row = self.kept.find(table, key)
        if known:
            return row
        if (table, key) in self.seen:
            return self.seen[table, key]
        stored = self.below.get(table, key, consistent=consistent)
        self._remember(table, key, stored)
        return stored

    def _remember(self, table: Table, key: Key, row: Row | None) -> None:
        if len(self.seen) < _MOST_SEEN:
            self.seen[table, key] = row

    def _keep(self, write: Write, current: Row | None) -> None:
        if len(self.kept) >= self.most and not self.kept.find(write.table, write.key)[0]:
            raise TooLarge("a rehearsal of this many sessions is too large; rehearse run by run", rows=self.most)
        self.kept.put(write.table, write.key, written(write, current))
        self.seen.pop((write.table, write.key), None)

    def _walk(
        self, table: Table, pk: str, bounds: dict[str, Any], forward: bool, consistent: bool, limit: int | None
    ) -> Iterator[Row]:
        """Stored rows that were not written here, merged with those that were, in the order of the query.

        Both are read page by page, as they stand then. A row that is written after it was given is not given again.
        """
        index, prefix = bounds["index"], bounds["prefix"]
        name = f"{index}sk" if index else "sk"
        # Behind every key that begins with the prefix; no key holds the last of all characters.
        after, before = (prefix, f"{prefix}\U0010ffff") if prefix is not None else (bounds["after"], bounds["before"])
        own = self.kept.walk(table, index, pk, after, before, forward=forward)
        made = (projected(table, row, index) for row in own)
        stored = self._stored(table, pk, bounds, forward, consistent, limit)
        last, given = None, set[tuple[str, str]]()
        for row in merge(stored, made, key=lambda r: str(r[name]), reverse=not forward):
            if row[name] != last:
                if last is not None and (row[name] > last) is not forward:
                    continue
                last, given = row[name], set()
            if (row["pk"], row["sk"]) not in given:
                given.add((row["pk"], row["sk"]))
                yield row

    def _stored(
        self, table: Table, pk: str, bounds: dict[str, Any], forward: bool, consistent: bool, limit: int | None
    ) -> Iterator[Row]:
        start: dict[str, Any] | None = None
        size = None if limit is None else max(limit, _PAGE)
        while True:
            page = self.below.page(
                table, pk, **bounds, forward=forward, limit=size, start=start, consistent=consistent
            )  # fmt: skip
            yield from (row for row in page.rows if not self.kept.find(table, Key(row["pk"], row["sk"]))[0])
            if page.next is None:
                return
            start = page.next


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
