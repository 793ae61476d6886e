"""Subscriptions: who is told about what. The secret is shown once and kept sealed."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from roamclear.audit import service as audit
from roamclear.billing import service as billing
from roamclear.identity.model import Actor, Right
from roamclear.identity.rules import authorise, require_contract
from roamclear.kernel.context import Context, Row
from roamclear.kernel.errors import ConditionFailed, Conflict, InvalidInput, NotFound
from roamclear.kernel.record import plain
from roamclear.kernel.retry import again_on_race
from roamclear.kernel.writes import Action, Put, Table
from roamclear.outgoing import service as outgoing
from roamclear.webhooks import events, store
from roamclear.webhooks.model import CATALOGUE, Delivery, DeliveryState, HookState, Subscription, bound_to

MOST_SUBSCRIPTIONS = 20
_RACE = (Table.AUDIT, Table.CLEARING)


def subscribe(
    ctx: Context, actor: Actor, issuer_id: str, url: str, kinds: tuple[str, ...], contract_id: str | None = None
) -> tuple[Subscription, str]:
    """A new subscription and its secret, which is told this once.

    A reviewer of an eMSP subscribes for its own contract only.

    Raises:
        InvalidInput: an address we do not call (``url``), or an event that is not in the catalogue (``events``).
    """
    scope = authorise(actor, Right.WEBHOOK_EDIT, issuer_id)
    if scope.contract_ids is not None and contract_id is None and len(scope.contract_ids) == 1:
        (contract_id,) = scope.contract_ids
    require_contract(scope, contract_id)
    outgoing.check(url, allow_loopback=ctx.stage == "local")
    _known(kinds)
    subscription_id, secret = f"hook-{secrets.token_hex(8)}", f"whsec_{secrets.token_urlsafe(32)}"
    made = Subscription(
        issuer_id=issuer_id,
        subscription_id=subscription_id,
        url=url,
        events=kinds,
        contract_id=contract_id,
        secret_sealed=ctx.sealer.seal(secret, bound_to(issuer_id, subscription_id)),
        created_by=actor.actor_id,
        created_at_utc=ctx.now(),
    )

    def attempt() -> None:
        if len(store.subscriptions(ctx.db, issuer_id)) >= MOST_SUBSCRIPTIONS:
            raise Conflict(f"an issuer has at most {MOST_SUBSCRIPTIONS} subscriptions")
        told = {"url": url, "events": list(made.events), "contract_id": contract_id}
        log = _log(ctx, actor, made, "SUBSCRIBED", told)
        ctx.db.transact([store.subscription_put(made, None), log])

    again_on_race(attempt)
    return made, secret


def change(
    ctx: Context,
    actor: Actor,
    issuer_id: str,
    subscription_id: str,
    *,
    state: HookState | None = None,
    kinds: tuple[str, ...] | None = None,
    rotate: bool = False,
) -> tuple[Subscription, str | None]:
    """Pause, take up again, choose other events, or give a new secret (told this once; the old one ends at once)."""
    if kinds is not None:
        _known(kinds)
    secret = f"whsec_{secrets.token_urlsafe(32)}" if rotate else None

    def attempt() -> Subscription:
        known = _own(ctx, actor, issuer_id, subscription_id)
        update: dict[str, Any] = {}
        if state is not None:
            update |= {"state": state, "paused_because": "" if state is HookState.ACTIVE else "by a person"}
        if kinds is not None:
            update["events"] = tuple(sorted(set(kinds)))
        if secret is not None:
            update["secret_sealed"] = ctx.sealer.seal(secret, bound_to(issuer_id, subscription_id))
        made = known.model_copy(update=update)
        told = {"state": made.state, "events": list(made.events), "rotated": rotate}
        actions: list[Action] = [store.subscription_put(made, known), _log(ctx, actor, made, "CHANGED", told)]
        ctx.db.transact(actions)
        return made

    return again_on_race(attempt, tables=_RACE), secret


def unsubscribe(ctx: Context, actor: Actor, issuer_id: str, subscription_id: str) -> None:
    """Call nobody any more; what waited is not sent."""

    def attempt() -> None:
        known = _own(ctx, actor, issuer_id, subscription_id)
        ctx.db.transact([store.subscription_remove(known), _log(ctx, actor, known, "UNSUBSCRIBED", {})])

    again_on_race(attempt, tables=_RACE)


def subscriptions(ctx: Context, actor: Actor, issuer_id: str) -> list[Subscription]:
    """The subscriptions an actor may see."""
    scope = authorise(actor, Right.WEBHOOK_EDIT, issuer_id)
    found = store.subscriptions(ctx.db, issuer_id)
    return [each for each in found if scope.contract_ids is None or each.contract_id in scope.contract_ids]


def deliveries(
    ctx: Context, actor: Actor, issuer_id: str, subscription_id: str, limit: int
) -> dict[str, list[Delivery]]:
    """What waits for a subscription, oldest first, and what was answered last, newest first."""
    _own(ctx, actor, issuer_id, subscription_id)
    until = ctx.now() + timedelta(seconds=1)
    waiting = islice(store.waiting(ctx.db, issuer_id, subscription_id, until), limit)
    return {"waiting": list(waiting), "log": store.log(ctx.db, issuer_id, subscription_id, limit)}


def replay(ctx: Context, actor: Actor, issuer_id: str, subscription_id: str, event_id: str) -> Delivery:
    """Send an answered or dead event of the last thousand again, under its old id."""
    known = _own(ctx, actor, issuer_id, subscription_id)
    found = [d for d in store.log(ctx.db, issuer_id, subscription_id, 1000) if d.event_id == event_id]
    if not found:
        raise NotFound("no such delivery")
    update = {"state": DeliveryState.WAITING, "attempts": 0, "next_at_utc": None, "delivered_at_utc": None}
    update["failing_since_utc"] = None
    made = found[0].model_copy(update=update)

    def attempt() -> None:
        ctx.db.transact([*store.requeue(made), _log(ctx, actor, known, "REPLAYED", {"event_id": event_id})])

    again_on_race(attempt)
    return made


def ping(ctx: Context, actor: Actor, issuer_id: str, subscription_id: str) -> Delivery:
    """An event to try a receiver with."""
    known = _own(ctx, actor, issuer_id, subscription_id)
    made = _delivery(known, events.of("ping", subscription_id, ctx.now(), {}, issuer_id))
    ctx.db.transact(store.enqueue(made))
    return made


def publish(ctx: Context, row: Row) -> int:
    """Let the events of a fact wait for every subscription that wants them; a fact told twice waits once."""
    found = [*events.of_fact(row), *_paid(ctx, row)]
    return enqueue(ctx, store.subscriptions(ctx.db, row["issuer_id"]), found) if found else 0


def enqueue(ctx: Context, subscriptions: Iterable[Subscription], found: Sequence[events.Event]) -> int:
    """Let events wait for those of some subscriptions that want them; how many wait now that did not before."""
    count = 0
    for known in subscriptions:
        for event in found:
            if event.kind in known.events and known.contract_id in (None, event.contract_id):
                try:
                    ctx.db.transact(store.enqueue(_delivery(known, event)))
                    count += 1
                except ConditionFailed:
                    continue  # it waits already, or was answered
    return count


def _paid(ctx: Context, row: Row) -> Iterator[events.Event]:
    """What an allocation made of its documents."""
    shares = row.get("payload", {}).get("shares", []) if row["fact"] == "cash.allocated" else []
    for share in shares:
        header = billing.document(ctx, row["issuer_id"], share["number"])
        kind = "invoice.partially_paid" if header.open_amount else "invoice.paid"
        told = {**share, "open_amount": plain(header.open_amount)}
        yield events.of(kind, header.number, datetime.fromisoformat(row["at_utc"]), told, row["issuer_id"])


def _delivery(known: Subscription, event: events.Event) -> Delivery:
    return Delivery(
        issuer_id=known.issuer_id,
        subscription_id=known.subscription_id,
        event_id=event.event_id,
        kind=event.kind,
        subject=event.subject,
        occurred_at_utc=event.occurred_at_utc,
        sequence=event.sequence,
        payload=event.payload,
    )


def _own(ctx: Context, actor: Actor, issuer_id: str, subscription_id: str) -> Subscription:
    scope = authorise(actor, Right.WEBHOOK_EDIT, issuer_id)
    known = store.subscription(ctx.db, issuer_id, subscription_id)
    if known is None:
        raise NotFound("no such object")
    require_contract(scope, known.contract_id)
    return known


def _known(kinds: tuple[str, ...]) -> None:
    if unknown := sorted(set(kinds) - set(CATALOGUE)):
        raise InvalidInput(f"{unknown[0]} is no event", field="events")


def _log(ctx: Context, actor: Actor, of: Subscription, action: str, told: dict[str, Any]) -> Put:
    return audit.entry(
        ctx,
        issuer_id=of.issuer_id,
        kind="WEBHOOK",
        object_id=of.subscription_id,
        actor_id=actor.actor_id,
        action=action,
        details=told,
    )
