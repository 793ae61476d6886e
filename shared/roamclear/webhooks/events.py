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
    sequence: int = 0
    payload: dict[str, Any]


def of_fact(row: Row) -> Iterator[Event]:
    """The events of a fact; the same fact again gives the same ids."""
    kind, subject, told = _NAMES.get(row["fact"], row["fact"]), row["subject"], row.get("payload", {})
    at, sequence = datetime.fromisoformat(row["at_utc"]), 0
    if row["fact"] == "cdr.moved":
        # States of a session; the fact carries their number behind its name.
        kind, subject, sequence = told["kind"], told["cdr_ref"], int(told["change"]) + 1
        told = {name: value for name, value in told.items() if name != "kind"}
    elif row["fact"] == "cdr.credited":
        # The fact is about the credit, the event about the CDR that it takes back.
        subject = told.get("credited") or subject
        told = {"cdr_ref": subject, "contract_id": told.get("contract_id"), "credit": row["subject"]}
    if kind in CATALOGUE:
        yield of(kind, subject, at, told, row["issuer_id"], sequence)


def of(kind: str, subject: str, at: datetime, payload: dict[str, Any], issuer_id: str, sequence: int = 0) -> Event:
    """An event; its id is made of what it is and never of who told it."""
    seed = f"{issuer_id}\n{kind}\n{subject}\n{at.isoformat()}" + (f"\n{sequence}" if sequence else "")
    return Event(
        event_id=f"evt_{hashlib.sha256(seed.encode()).hexdigest()[:32]}",
        kind=kind,
        subject=subject,
        contract_id=payload.get("contract_id"),
        occurred_at_utc=at,
        sequence=sequence,
        payload={name: value for name, value in payload.items() if name not in _INTERNAL},
    )
