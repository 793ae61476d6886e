"""Copies of ledger and audit entries in the Object-Lock bucket: one object per entry, the same bytes every time."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote

from roamclear.kernel import numbers_json
from roamclear.kernel.context import Context, Row


def archive_key(row: Row) -> str:
    """Where the copy of an entry lies: its own key, readable."""
    issuer, kind, rest = row["pk"].split("#", 2)
    return f"{issuer}/{kind.lower()}/{quote(rest, safe='')}/{quote(row['sk'], safe='')}.json"


def entry_bytes(row: Row) -> bytes:
    """The canonical bytes of an entry."""
    return numbers_json.dumps(row, sort_keys=True).encode()


def keep_rows(ctx: Context, rows: Iterable[Row]) -> int:
    """Copy entries; one that lies there already is left as it is."""
    count = 0
    for row in rows:
        ctx.objects.put("archive", archive_key(row), entry_bytes(row), "application/json")
        count += 1
    return count
