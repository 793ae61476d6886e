"""The outbox rows and the bodies of intake rows."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from roamclear.aws import keys, outbox
from roamclear.kernel import numbers_json
from roamclear.kernel.context import Database, Row
from roamclear.kernel.writes import Key, Put, Table

acknowledge = outbox.acknowledge


def pending(db: Database, issuer_id: str, before: datetime) -> Iterator[Row]:
    """Facts nobody acknowledged, oldest first."""
    yield from list(outbox.pending(db, issuer_id, before))


def stands(db: Database, issuer_id: str, sk: str) -> bool:
    """Whether a fact, by its sort key, waits for its answer."""
    return db.get(Table.CLEARING, Key(waiting(issuer_id), sk)) is not None


def waiting(issuer_id: str) -> str:
    """The partition of what waits for its answer."""
    return keys.outbox_of(issuer_id)


def left_behind(row: Row) -> Put:
    """The fact that a row of the intake table was not answered; again it is the same."""
    at = datetime.fromisoformat(row["received_at_utc"])
    payload = {"pk": row["pk"], "sk": row["sk"]}
    return outbox.fact(row["issuer_id"], at, "intake.left_behind", f"{row['pk']}#{row['sk']}", payload)


def intake_row(db: Database, payload: Row) -> Row | None:
    """The row of a fact as it stands, or None where it is gone."""
    return db.get(Table.INTAKE, Key(payload["pk"], payload["sk"]))


def body_key(issuer_id: str, cdr_ref: str) -> Key:
    """Where a body lies."""
    return keys.cdr_original(issuer_id, cdr_ref)


def location_of(row: Row) -> dict[str, Any]:
    """The OCPI Location of an intake row."""
    raw: dict[str, Any] = numbers_json.loads(zlib.decompress(row["raw"]))
    return raw
