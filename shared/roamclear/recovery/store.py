"""Reading archive and change log, and writing rows of any room back as they were."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice

from roamclear.aws import archive, changes, keys
from roamclear.kernel import numbers_json
from roamclear.kernel.context import Context, Row
from roamclear.kernel.errors import ConditionFailed, InvariantBroken
from roamclear.kernel.writes import ABSENT, Key, Put, Remove, Table

_CHUNK = 100


def copies(ctx: Context) -> Iterator[list[tuple[Table, Key, str]]]:
    """Every archived entry as (table, key, archive key), in chunks."""
    found = ((place, name) for name in ctx.objects.keys("archive") if (place := archive.place(name)) is not None)
    while chunk := list(islice(found, _CHUNK)):
        yield [(table, key, name) for (table, key), name in chunk]


def missing(ctx: Context, chunk: Sequence[tuple[Table, Key, str]]) -> Iterator[tuple[Table, Key, str]]:
    """Those of a chunk that the tables do not hold as the archive does."""
    for table in (Table.LEDGER, Table.AUDIT):
        wanted = [(key, name) for of, key, name in chunk if of is table]
        rows = ctx.db.get_many(table, [key for key, _ in wanted]) if wanted else {}
        yield from ((table, key, name) for key, name in wanted if key not in rows)


def restore_entry(ctx: Context, table: Table, key: Key, name: str) -> None:
    """Put an archived entry back; ledger and audit are only ever appended to."""
    row = _row(ctx, name)
    item = {column: value for column, value in row.items() if column not in ("pk", "sk")}
    try:
        ctx.db.write(Put(table, key, item, when=ABSENT))
    except ConditionFailed as lost:
        if lost.current is None or archive.entry_bytes(lost.current) != archive.entry_bytes(row):
            raise InvariantBroken("the archive and the table hold two entries under one key", key=name) from lost


def replay(ctx: Context, since: datetime) -> int:
    """Bring every changed row to its last state since an instant, hour by hour; again changes nothing."""
    count = 0
    for prefix in changes.hours(since, ctx.now()):
        for change in changes.of_hour(ctx.objects, prefix):
            count += _apply(ctx, change)
    return count


def _apply(ctx: Context, change: changes.Change) -> int:
    key = Key(change.pk, change.sk)
    if key == keys.stage_mode():
        return 0
    item = {name: value for name, value in (change.row or {}).items() if name not in ("pk", "sk")}
    if change.table is Table.INTAKE:
        # Bodies are put once: what stands there is what came, before the restore or after it.
        if change.row is None or ctx.db.get(Table.INTAKE, key) is not None:
            return 0
    elif change.row == ctx.db.get(change.table, key):
        return 0
    ctx.db.write(Put(change.table, key, item, when=()) if change.row is not None else Remove(change.table, key))
    return 1


def _row(ctx: Context, name: str) -> Row:
    kept = ctx.objects.get("archive", name)
    if kept is None:
        raise InvariantBroken("an archived entry is gone", key=name)
    row: Row = numbers_json.loads(kept)
    return row
