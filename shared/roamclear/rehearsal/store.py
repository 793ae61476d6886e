"""Rows of rehearsals."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from roamclear.aws import keys
from roamclear.kernel.context import Database
from roamclear.kernel.time import sort_instant
from roamclear.kernel.writes import Key, Put, Table, When
from roamclear.rehearsal.model import Rehearsal, State

#: The table forgets a rehearsal when the bucket has forgotten its files.
KEPT = timedelta(days=30)


def create(made: Rehearsal) -> Put:
    """A rehearsal that waits for its worker."""
    return Put(Table.CLEARING, keys.rehearsal(made.issuer_id, made.rehearsal_id), _item(made))


def conclude(made: Rehearsal) -> Put:
    """The end of one that waits."""
    key = keys.rehearsal(made.issuer_id, made.rehearsal_id)
    return Put(Table.CLEARING, key, _item(made), when=(When("state", "=", State.WAITING.value),))


def find(db: Database, issuer_id: str, rehearsal_id: str) -> Rehearsal | None:
    """One rehearsal or None."""
    row = db.get(Table.CLEARING, keys.rehearsal(issuer_id, rehearsal_id))
    return Rehearsal.load(row) if row else None


def latest(db: Database, issuer_id: str, subject: str, limit: int) -> list[Rehearsal]:
    """The last rehearsals of a subject, the newest first."""
    page = db.page(
        Table.CLEARING, keys.rehearsals_of(issuer_id, subject), index="gsi1", forward=False, limit=limit
    )  # fmt: skip
    return _loaded(db, page.rows)


def waiting(db: Database, issuer_id: str, limit: int) -> list[Rehearsal]:
    """Rehearsals that nobody has done yet, oldest first."""
    page = db.page(Table.CLEARING, keys.rehearsing(issuer_id), index="gsi2", limit=limit)
    return [one for one in _loaded(db, page.rows) if one.state is State.WAITING]


def _loaded(db: Database, rows: list[dict[str, Any]]) -> list[Rehearsal]:
    wanted = [Key(row["pk"], row["sk"]) for row in rows]
    items = db.get_many(Table.CLEARING, wanted)
    return [Rehearsal.load(items[key]) for key in wanted if key in items]


def _item(made: Rehearsal) -> dict[str, Any]:
    place = f"{sort_instant(made.asked_at_utc)}#{made.rehearsal_id}"
    waits = made.state is State.WAITING
    return made.dump() | {
        "expires_at": int((made.asked_at_utc + KEPT).timestamp()),
        "gsi1pk": keys.rehearsals_of(made.issuer_id, made.subject),
        "gsi1sk": place,
        "gsi2pk": keys.rehearsing(made.issuer_id) if waits else None,
        "gsi2sk": place if waits else None,
    }
