"""Copies of ledger and audit entries in the Object-Lock bucket: one object per entry, the same bytes every time."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from urllib.parse import quote, unquote

from roamclear.kernel import numbers_json
from roamclear.kernel.context import Context, Row
from roamclear.kernel.writes import Key, Table


def archive_key(row: Row) -> str:
    """Where the copy of an entry lies: its own key, readable; audit entries by the day they were made on."""
    issuer, kind, rest = row["pk"].split("#", 2)
    folder = f"{kind.lower()}/{row['at_utc'][:10]}" if kind == "AUDIT" else kind.lower()
    return f"{issuer}/{folder}/{quote(rest, safe='')}/{quote(row['sk'], safe='')}.json"


def place(name: str) -> tuple[Table, Key] | None:
    """The table and key of a copy; None for what is none (lock manifests, digests)."""
    parts = name.removesuffix(".json").split("/")
    if len(parts) == 5 and parts[1] == "audit":
        return Table.AUDIT, Key(f"{parts[0]}#AUDIT#{unquote(parts[3])}", unquote(parts[4]))
    if len(parts) == 4 and parts[1] == "entry":
        return Table.LEDGER, Key(f"{parts[0]}#ENTRY#{unquote(parts[2])}", unquote(parts[3]))
    return None


def entry_bytes(row: Row) -> bytes:
    """The canonical bytes of an entry."""
    return numbers_json.dumps(row, sort_keys=True).encode()


def keep_rows(ctx: Context, rows: Iterable[Row], retain_until: datetime | None = None) -> int:
    """Copy entries, locked until an instant; one that lies there already is left as it is."""
    count = 0
    for row in rows:
        body = entry_bytes(row)
        ctx.objects.put("archive", archive_key(row), body, "application/json", retain_until=retain_until)
        count += 1
    return count
