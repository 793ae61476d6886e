"""Which events of the catalogue a fact of the outbox is; pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from roamclear.kernel.context import Row
from roamclear.kernel.record import Record
from roamclear.webhooks.model import CATALOGUE

#: Facts whose name in the house is not the one of the catalogue.
_NAMES = {"cash.allocated": "payment.matched", "account.deactivated": "account.changed"}
#: What a receiver has no business with: our accounts at the bank, tokens of executions.
_INTERNAL = frozenset({"account", "task_token"})


class Event(Record):
    """Something that happened, as it is told."""

    event_id: str
    kind: str
    subject: str
    contract_id: str | None
    occurred_at_utc: datetime
    payload: dict[str, Any]


def of_fact(row: Row) -> Iterator[Event]:
    """The events of a fact; the same fact again gives the same ids."""
    kind = _NAMES.get(row["fact"], row["fact"])
    if kind in CATALOGUE:
        yield of(kind, row["subject"], datetime.fromisoformat(row["at_utc"]), row.get("payload", {}), row["issuer_id"])


def of(kind: str, subject: str, at: datetime, payload: dict[str, Any], issuer_id: str) -> Event:
    """An event; its id is made of what it is and never of who told it."""
    seed = f"{issuer_id}\n{kind}\n{subject}\n{at.isoformat()}"
    return Event(
        event_id=f"evt_{hashlib.sha256(seed.encode()).hexdigest()[:32]}",
        kind=kind,
        subject=subject,
        contract_id=payload.get("contract_id"),
        occurred_at_utc=at,
        payload={name: value for name, value in payload.items() if name not in _INTERNAL},
    )
