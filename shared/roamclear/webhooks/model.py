"""Subscriptions and deliveries."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import Field, field_validator

from roamclear.kernel.record import Record

#: The catalogue of product.md J.4; a type that is not here cannot be subscribed to.
CATALOGUE: tuple[str, ...] = (
    "cdr.received", "cdr.held", "cdr.verified", "cdr.invalidated", "cdr.credited", "window.opened", "window.closing",
    "window.closed", "window.accepted", "dispute.created", "dispute.updated", "dispute.resolved", "run.locked",
    "run.carried", "run.issued", "run.failed",
    "invoice.issued", "invoice.sent", "invoice.paid", "invoice.partially_paid", "invoice.overdue", "invoice.cancelled",
    "creditnote.issued", "payment.received", "payment.matched", "payment.unmatched", "payment.returned",
    "exception.opened", "exception.resolved", "evse.unassigned", "evse.assigned", "payout.ready", "payout.approved",
    "payout.exported", "payout.confirmed", "payout.returned", "account.changed", "ping",
)  # fmt: skip


class HookState(StrEnum):
    """Whether a subscription is called; what happens while it is paused waits for it."""

    ACTIVE = "ACTIVE"
    PAUSED = "PAUSED"


class Subscription(Record):
    """Who is called about what. ``contract_id`` narrows it to the events of one agreement."""

    issuer_id: str
    subscription_id: str
    url: str = Field(max_length=255)
    events: tuple[str, ...] = Field(min_length=1, max_length=len(CATALOGUE))
    contract_id: str | None = None
    secret_sealed: bytes
    state: HookState = HookState.ACTIVE
    paused_because: str = ""
    created_by: str
    created_at_utc: datetime
    changed: int = 0

    @field_validator("events")
    @classmethod
    def _events(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := sorted(set(value) - set(CATALOGUE)):
            raise ValueError(f"{unknown[0]} is no event")
        return tuple(sorted(set(value)))


class DeliveryState(StrEnum):
    """WAITING until a receiver said 2xx; DEAD after three days."""

    WAITING = "WAITING"
    DELIVERED = "DELIVERED"
    DEAD = "DEAD"


class Delivery(Record):
    """One event for one subscription; ``event_id`` is the same for ever, whoever tells the event again.

    ``sequence`` orders the events of an object that happened at the same instant. ``failing_since_utc`` is when the
    first of its tries in a row failed.
    """

    issuer_id: str
    subscription_id: str
    event_id: str
    kind: str
    subject: str
    occurred_at_utc: datetime
    sequence: int = 0
    payload: dict[str, Any]
    state: DeliveryState = DeliveryState.WAITING
    attempts: int = 0
    next_at_utc: datetime | None = None
    failing_since_utc: datetime | None = None
    last_answer: str = ""
    delivered_at_utc: datetime | None = None


def bound_to(issuer_id: str, subscription_id: str) -> dict[str, str]:
    """What a sealed secret belongs to."""
    return {"issuer": issuer_id, "webhook": subscription_id}
