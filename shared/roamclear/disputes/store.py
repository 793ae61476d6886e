"""Rows of disputes, and the window columns of a run."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from roamclear.aws import keys, outbox
from roamclear.disputes.model import Dispute, State, Window
from roamclear.kernel.context import Database
from roamclear.kernel.time import sort_instant
from roamclear.kernel.writes import Check, Key, Put, Table, When


def window(db: Database, issuer_id: str, run_id: str) -> Window | None:
    """The window of a run or None."""
    row = db.get(Table.CLEARING, keys.run(issuer_id, run_id))
    return Window.load(row) if row else None


def still_open(issuer_id: str, run_id: str, now: datetime) -> Check:
    """The condition a claim carries: the window is open at this instant."""
    terms = (When("state", "=", "WINDOW"), When("closes_at_utc", ">", sort_instant(now)))
    return Check(Table.CLEARING, keys.run(issuer_id, run_id), terms)


def create(made: Dispute) -> list[Put]:
    """A new dispute and its fact."""
    return [Put(Table.CLEARING, keys.dispute(made.issuer_id, made.dispute_id), _item(made)), _fact(made, "created")]


def conclude(made: Dispute) -> list[Put]:
    """The end of an open dispute and its fact."""
    key = keys.dispute(made.issuer_id, made.dispute_id)
    return [
        Put(Table.CLEARING, key, _item(made), when=(When("state", "=", State.OPEN.value),)),
        _fact(made, "resolved"),
    ]


def find(db: Database, issuer_id: str, dispute_id: str) -> Dispute | None:
    """One dispute or None."""
    row = db.get(Table.CLEARING, keys.dispute(issuer_id, dispute_id))
    return Dispute.load(row) if row else None


def of_contract(db: Database, issuer_id: str, contract_id: str) -> list[Dispute]:
    """All disputes of a contract, oldest first."""
    return list(_read(db, db.rows(Table.CLEARING, keys.disputes_of(issuer_id, contract_id), index="gsi1")))


def unanswered(db: Database, issuer_id: str, before: datetime) -> list[Dispute]:
    """Open disputes whose answer was due before an instant."""
    rows = db.rows(Table.CLEARING, keys.open_disputes(issuer_id), index="gsi2", before=sort_instant(before))
    return [d for d in _read(db, rows) if d.state is State.OPEN]


def _read(db: Database, rows: Iterator[dict[str, Any]]) -> Iterator[Dispute]:
    found = [Key(row["pk"], row["sk"]) for row in rows]
    items = db.get_many(Table.CLEARING, found)
    for key in found:
        if key in items:
            yield Dispute.load(items[key])


def _item(made: Dispute) -> dict[str, Any]:
    item = made.dump() | {
        "gsi1pk": keys.disputes_of(made.issuer_id, made.contract_id),
        "gsi1sk": f"{sort_instant(made.filed_at_utc)}#{made.dispute_id}",
    }
    if made.state is State.OPEN:
        item |= {
            "gsi2pk": keys.open_disputes(made.issuer_id),
            "gsi2sk": f"{sort_instant(made.answer_due_utc)}#{made.dispute_id}",
        }
    return item


def _fact(made: Dispute, what: str) -> Put:
    at = made.resolved_at_utc or made.filed_at_utc
    payload = {"dispute_id": made.dispute_id, "cdr_ref": made.cdr_ref, "state": made.state.value}
    return outbox.fact(made.issuer_id, at, f"dispute.{what}", made.dispute_id, payload)
