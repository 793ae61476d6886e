"""What a rehearsal wrote, on disk: as many rows as a run has, and no more in memory than a page of them.

The file belongs to one worker and is gone with it. Rows are in the order of their sort keys, in the table and in each
index, so a query reads them as the tables would give them.
"""

from __future__ import annotations

import pickle
import shutil
import sqlite3
import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path

from roamclear.kernel.context import Row
from roamclear.kernel.rows import index_names
from roamclear.kernel.writes import Key, Table

_PAGE = 200
_SCHEMA = """
CREATE TABLE kept (tab TEXT, pk TEXT, sk TEXT, row BLOB, PRIMARY KEY (tab, pk, sk)) WITHOUT ROWID;
CREATE TABLE home (tab TEXT, idx TEXT, part TEXT, place TEXT, pk TEXT, sk TEXT,
  PRIMARY KEY (tab, idx, part, place, pk, sk)) WITHOUT ROWID;
"""


def folder_of(owner: object) -> Path:
    """A folder that lives as long as its owner."""
    path = tempfile.mkdtemp()
    weakref.finalize(owner, shutil.rmtree, path, ignore_errors=True)
    return Path(path)


class Kept:
    """Rows by table and key; None where one was removed."""

    def __init__(self) -> None:
        # A rehearsal that dies is done again from the beginning, so nothing here has to survive.
        self._db = sqlite3.connect(folder_of(self) / "kept", isolation_level=None, check_same_thread=False)
        weakref.finalize(self, self._db.close)
        self._db.executescript(f"PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; {_SCHEMA}")
        self._count = 0

    def __len__(self) -> int:
        """How many rows were written or removed."""
        return self._count

    def find(self, table: Table, key: Key) -> tuple[bool, Row | None]:
        """Whether a row was written or removed here, and the row as it was left."""
        found = self._db.execute("SELECT row FROM kept WHERE tab=? AND pk=? AND sk=?", (table.value, *_plain(key)))
        row = found.fetchone()
        return (False, None) if row is None else (True, _loaded(row[0]))

    def put(self, table: Table, key: Key, made: Row | None) -> None:
        """Write or remove a row."""
        known, before = self.find(table, key)
        for index, part, place in _homes(before):
            where = (table.value, index, part, place, *_plain(key))
            self._db.execute("DELETE FROM home WHERE tab=? AND idx=? AND part=? AND place=? AND pk=? AND sk=?", where)
        for index, part, place in _homes(made):
            where = (table.value, index, part, place, *_plain(key))
            self._db.execute("INSERT INTO home VALUES (?, ?, ?, ?, ?, ?)", where)
        body = pickle.dumps(made, pickle.HIGHEST_PROTOCOL)
        self._db.execute("INSERT OR REPLACE INTO kept VALUES (?, ?, ?, ?)", (table.value, *_plain(key), body))
        self._count += not known

    def walk(
        self, table: Table, index: str | None, part: str, after: str | None, before: str | None, *, forward: bool
    ) -> Iterator[Row]:
        """Rows of a partition from one sort key (inclusive) to another (exclusive), page by page as they stand then."""
        order, beyond = ("ASC", ">") if forward else ("DESC", "<")
        terms, values = "home.tab=? AND home.idx=? AND home.part=?", [table.value, index or "", part]
        for bound, sign in ((after, ">="), (before, "<")):
            if bound is not None:
                terms, values = f"{terms} AND home.place {sign} ?", [*values, bound]
        last: tuple[str, str, str] | None = None
        while True:
            more = f" AND (home.place, home.pk, home.sk) {beyond} (?, ?, ?)" if last else ""
            query = (
                "SELECT home.place, home.pk, home.sk, kept.row FROM home JOIN kept USING (tab, pk, sk) "
                f"WHERE {terms}{more} ORDER BY home.place {order}, home.pk {order}, home.sk {order} LIMIT {_PAGE}"
            )
            page = self._db.execute(query, (*values, *(last or ()))).fetchall()
            for *place, body in page:
                last = (place[0], place[1], place[2])
                row = _loaded(body)
                if row is not None:
                    yield row
            if len(page) < _PAGE:
                return


def _plain(key: Key) -> tuple[str, str]:
    return key.pk, key.sk


def _loaded(body: bytes) -> Row | None:
    row: Row | None = pickle.loads(body)
    return row


def _homes(row: Row | None) -> Iterator[tuple[str, str, str]]:
    """Where a row stands in the table and its indexes: index, partition, sort key."""
    if row is None:
        return
    yield "", row["pk"], row["sk"]
    for index in ("gsi1", "gsi2", "gsi3"):
        hash_name, range_name = index_names(index)
        if hash_name in row and range_name in row:
            yield index, row[hash_name], row[range_name]
