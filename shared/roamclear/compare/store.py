"""Rows of comparisons."""

from __future__ import annotations

from typing import Any

from roamclear.aws import keys
from roamclear.compare.model import Comparison, State
from roamclear.kernel.context import Database
from roamclear.kernel.time import sort_instant
from roamclear.kernel.writes import Key, Put, Table, When


def create(made: Comparison) -> Put:
    """A comparison that waits for its file."""
    return Put(Table.CLEARING, keys.comparison(made.issuer_id, made.comparison_id), _item(made))


def conclude(made: Comparison) -> Put:
    """The end of one that waits."""
    key = keys.comparison(made.issuer_id, made.comparison_id)
    return Put(Table.CLEARING, key, _item(made), when=(When("state", "=", State.WAITING.value),))


def find(db: Database, issuer_id: str, comparison_id: str) -> Comparison | None:
    """One comparison or None."""
    row = db.get(Table.CLEARING, keys.comparison(issuer_id, comparison_id))
    return Comparison.load(row) if row else None


def of_run(db: Database, issuer_id: str, run_id: str) -> list[Comparison]:
    """The comparisons of a run, oldest first."""
    rows = db.rows(Table.CLEARING, keys.comparisons_of(issuer_id, run_id), index="gsi1")
    wanted = [Key(row["pk"], row["sk"]) for row in rows]
    items = db.get_many(Table.CLEARING, wanted)
    return [Comparison.load(items[key]) for key in wanted if key in items]


def _item(made: Comparison) -> dict[str, Any]:
    return made.dump() | {
        "gsi1pk": keys.comparisons_of(made.issuer_id, made.run_id),
        "gsi1sk": f"{sort_instant(made.asked_at_utc)}#{made.comparison_id}",
    }
