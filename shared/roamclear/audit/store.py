"""Rows of the audit table: put once, read; there is no other way."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from itertools import islice

from roamclear.audit.model import AuditEntry, DayDigest
from roamclear.aws import archive, keys
from roamclear.kernel import numbers_json
from roamclear.kernel.context import Database, Objects
from roamclear.kernel.writes import ABSENT, Put, Table

_CHUNK = 100


def last(db: Database, issuer_id: str, kind: str, object_id: str) -> AuditEntry | None:
    """The head of a chain."""
    chain = keys.audit_chain(issuer_id, kind, object_id)
    page = db.page(Table.AUDIT, chain, forward=False, limit=1, consistent=True)
    return AuditEntry.load(page.rows[0]) if page.rows else None


def entry_put(entry: AuditEntry) -> Put:
    """The write of a link."""
    key = keys.audit_entry(entry.issuer_id, entry.kind, entry.object_id, entry.sequence)
    return Put(Table.AUDIT, key, entry.dump(), when=ABSENT)


def chain(db: Database, issuer_id: str, kind: str, object_id: str) -> Iterator[AuditEntry]:
    """All links of an object, oldest first."""
    for row in db.rows(Table.AUDIT, keys.audit_chain(issuer_id, kind, object_id), consistent=True):
        yield AuditEntry.load(row)


# ---- copies under Object Lock --------------------------------------------------------------------------------------
def copies_of_day(objects: Objects, issuer_id: str, day: str) -> Iterator[AuditEntry]:
    """The copied entries of a UTC day, in order of object and sequence."""
    for name in objects.keys("archive", f"{issuer_id}/audit/{day}/"):
        yield AuditEntry.load(numbers_json.loads(objects.get("archive", name) or b"{}"))


def compared(db: Database, objects: Objects, issuer_id: str, day: str) -> tuple[int, int]:
    """How many copies a day has, and how many of them the table holds with the same bytes."""
    names = objects.keys("archive", f"{issuer_id}/audit/{day}/")
    copies = equal = 0
    while chunk := list(islice(names, _CHUNK)):
        places = {name: found[1] for name in chunk if (found := archive.place(name)) is not None}
        rows = db.get_many(Table.AUDIT, list(places.values()))
        copies += len(chunk)
        equal += sum(
            key in rows and archive.entry_bytes(rows[key]) == objects.get("archive", name)
            for name, key in places.items()
        )
    return copies, equal


def digest(objects: Objects, issuer_id: str, day: str) -> DayDigest | None:
    """The locked digest of a day or None."""
    kept = objects.get("archive", _digest_key(issuer_id, day))
    return DayDigest.load(numbers_json.loads(kept)) if kept else None


def latest_digest(objects: Objects, issuer_id: str, until: date, days: int) -> DayDigest | None:
    """The youngest locked digest of the last days or None."""
    for back in range(days):
        found = digest(objects, issuer_id, (until - timedelta(days=back)).isoformat())
        if found is not None:
            return found
    return None


def keep_digest(objects: Objects, made: DayDigest, retain_until: datetime | None = None) -> None:
    """Lock a digest until an instant; the same bytes again change nothing."""
    key = _digest_key(made.issuer_id, made.day)
    objects.put("archive", key, digest_bytes(made), "application/json", retain_until=retain_until)


def digest_bytes(made: DayDigest) -> bytes:
    """The canonical bytes of a digest."""
    return numbers_json.dumps(made.dump(), sort_keys=True).encode()


def _digest_key(issuer_id: str, day: str) -> str:
    return f"{issuer_id}/digests/{day}.json"
