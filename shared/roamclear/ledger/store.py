"""Rows of the ledger table: put once, read; there is no other way."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from roamclear.aws import archive, keys
from roamclear.kernel.context import Database, Objects
from roamclear.kernel.time import sort_instant
from roamclear.kernel.writes import ABSENT, Put, Table
from roamclear.ledger.model import JournalEntry


def entry_put(entry: JournalEntry) -> Put:
    """The write of an entry."""
    item = entry.dump() | {
        "gsi1pk": keys.ledger_month(entry.issuer_id, entry.at_utc),
        "gsi1sk": f"{sort_instant(entry.at_utc)}#{entry.event.value}#{entry.subject}",
    }
    return Put(Table.LEDGER, keys.ledger_entry(entry.issuer_id, entry.event.value, entry.subject), item, when=ABSENT)


def find(db: Database, issuer_id: str, event: str, subject: str) -> JournalEntry | None:
    """One entry or None."""
    row = db.get(Table.LEDGER, keys.ledger_entry(issuer_id, event, subject))
    return JournalEntry.load(row) if row else None


def of_month(db: Database, issuer_id: str, month: datetime) -> Iterator[JournalEntry]:
    """All entries of a calendar month (UTC), in order of time."""
    for row in db.rows(Table.LEDGER, keys.ledger_month(issuer_id, month), index="gsi1"):
        yield JournalEntry.load(row)


def copies_of_month(
    db: Database, objects: Objects, issuer_id: str, month: datetime, *, before: datetime
) -> tuple[int, int]:
    """How many entries of a calendar month (UTC) were posted before an instant, and how many lie in the archive so."""
    entries = equal = 0
    pk = keys.ledger_month(issuer_id, month)
    for row in db.rows(Table.LEDGER, pk, index="gsi1", before=sort_instant(before)):
        entries += 1
        equal += objects.get("archive", archive.archive_key(row)) == archive.entry_bytes(row)
    return entries, equal
