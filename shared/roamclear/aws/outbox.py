"""The transactional outbox: a lower room's fact, written with its change, read by the stream and by the sweep."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from roamclear.aws import keys
from roamclear.kernel.context import Database, Row
from roamclear.kernel.record import plain
from roamclear.kernel.time import sort_instant
from roamclear.kernel.writes import Key, Put, Remove, Table


def fact(issuer_id: str, at: datetime, name: str, subject: str, payload: dict[str, Any] | None = None) -> Put:
    """The write of a fact; put it into the transaction of the change it tells of."""
    item = {
        "issuer_id": issuer_id,
        "fact": name,
        "subject": subject,
        "at_utc": sort_instant(at),
        "payload": plain(payload or {}),
    }
    return Put(Table.CLEARING, keys.outbox(issuer_id, at, name, subject), item)


def pending(db: Database, issuer_id: str, before: datetime) -> Iterator[Row]:
    """Facts older than an instant that nobody acknowledged yet, oldest first."""
    yield from db.rows(Table.CLEARING, keys.outbox_of(issuer_id), before=sort_instant(before), consistent=True)


def acknowledge(db: Database, row: Row) -> None:
    """Forget a fact after its consumers have done their work; again is harmless."""
    db.write(Remove(Table.CLEARING, Key(row["pk"], row["sk"])))
