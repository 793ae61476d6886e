"""Rows of the audit table: put once, read; there is no other way."""

from __future__ import annotations

from collections.abc import Iterator

from roamclear.audit.model import AuditEntry
from roamclear.aws import keys
from roamclear.kernel.context import Database
from roamclear.kernel.writes import ABSENT, Put, Table


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
