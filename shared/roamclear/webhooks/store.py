"""Rows of subscriptions, of what waits for them, and of what was delivered."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from roamclear.aws import keys
from roamclear.kernel.context import Database
from roamclear.kernel.time import sort_instant
from roamclear.kernel.writes import ABSENT, Action, Check, Key, Put, Remove, Table, When
from roamclear.webhooks.model import Delivery, Subscription


def subscriptions(db: Database, issuer_id: str) -> list[Subscription]:
    """Every subscription of an issuer."""
    rows = db.rows(Table.CLEARING, keys.webhooks(issuer_id), consistent=True)
    return [Subscription.load(row) for row in rows]


def subscription(db: Database, issuer_id: str, subscription_id: str) -> Subscription | None:
    """One subscription or None."""
    row = db.get(Table.CLEARING, keys.webhook(issuer_id, subscription_id))
    return Subscription.load(row) if row else None


def subscription_put(made: Subscription, known: Subscription | None) -> Put:
    """A new subscription, or its next state over exactly the one that was read."""
    following = made.model_copy(update={"changed": known.changed + 1 if known else 0})
    when = (When("changed", "=", known.changed),) if known else ABSENT
    return Put(Table.CLEARING, keys.webhook(made.issuer_id, made.subscription_id), following.dump(), when=when)


def subscription_remove(known: Subscription) -> Remove:
    """Forget a subscription; what was delivered stays on record."""
    key = keys.webhook(known.issuer_id, known.subscription_id)
    return Remove(Table.CLEARING, key, when=(When("changed", "=", known.changed),))


def enqueue(made: Delivery) -> list[Action]:
    """Let an event wait for its receiver, unless it waits or was answered already."""
    log = keys.webhook_log(made.issuer_id, made.subscription_id, made.occurred_at_utc, _place(made))
    return [Put(Table.CLEARING, _queue(made), made.dump(), when=ABSENT), Check(Table.CLEARING, log, ABSENT)]


def requeue(made: Delivery) -> list[Action]:
    """Let a logged event wait again."""
    log = keys.webhook_log(made.issuer_id, made.subscription_id, made.occurred_at_utc, _place(made))
    return [Put(Table.CLEARING, _queue(made), made.dump(), when=ABSENT), Remove(Table.CLEARING, log)]


def waiting(db: Database, issuer_id: str, subscription_id: str, until: datetime) -> Iterator[Delivery]:
    """What waits for a subscription, in order of its happening."""
    pk = keys.webhook_queue(issuer_id, subscription_id, until, "").pk
    for row in db.rows(Table.CLEARING, pk, before=sort_instant(until), consistent=True):
        yield Delivery.load(row)


def tried(made: Delivery) -> Put:
    """Remember an attempt; of two workers either may be the last."""
    return Put(Table.CLEARING, _queue(made), made.dump(), when=(When("event_id", "exists"),))


def ended(made: Delivery) -> list[Action]:
    """Out of the queue and into the log, together."""
    log = keys.webhook_log(made.issuer_id, made.subscription_id, made.occurred_at_utc, _place(made))
    return [
        Remove(Table.CLEARING, _queue(made), when=(When("event_id", "exists"),)),
        Put(Table.CLEARING, log, made.dump(), when=()),
    ]


def log(db: Database, issuer_id: str, subscription_id: str, limit: int) -> list[Delivery]:
    """The latest answered or dead deliveries, newest first."""
    pk = keys.webhook_log_of(issuer_id, subscription_id)
    page = db.page(Table.CLEARING, pk, forward=False, limit=limit, consistent=True)
    return [Delivery.load(row) for row in page.rows]


def _queue(made: Delivery) -> Key:
    return keys.webhook_queue(made.issuer_id, made.subscription_id, made.occurred_at_utc, _place(made))


def _place(made: Delivery) -> str:
    """Behind the instant: what happened to an object at the same one stays in its order."""
    return f"{made.sequence:06d}#{made.event_id}"
