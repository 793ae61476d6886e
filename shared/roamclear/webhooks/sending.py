"""Calling receivers: at least once, in order per object, later and later where nobody answers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from roamclear.identity import service as identity
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionType
from roamclear.kernel.context import Context
from roamclear.kernel.errors import ConditionFailed, InvalidInput, Unavailable
from roamclear.kernel.retry import each
from roamclear.mode import service as mode
from roamclear.notify.webhook import MAX_BODY_BYTES, sign
from roamclear.outgoing import service as outgoing
from roamclear.webhooks import store
from roamclear.webhooks.model import Delivery, DeliveryState, HookState, Subscription, bound_to

#: Facts of one object may be told by two workers; what happened earlier has arrived by then.
_SETTLE = timedelta(seconds=5)
_BACK_OFF = tuple(timedelta(minutes=m) for m in (1, 5, 15, 60, 180, 360, 720))
_GIVE_UP = timedelta(days=3)
_FORGOTTEN = timedelta(days=1)
#: A receiver that is down costs a round at most this many waits of ten seconds.
_MOST_FAULTS = 3
_MOST_CALLS = 200


def deliver_due(ctx: Context, *, time_left: Callable[[], bool] = lambda: True) -> dict[str, int]:
    """Call every active subscription about what is due.

    A failed call holds back the later events of the same object, and of no other. A subscription that cannot be worked
    on (its secret cannot be unsealed) stops no other, but fails the call at its end.
    """
    mode.require_normal(ctx)
    done = {"delivered": 0, "failed": 0, "dead": 0}
    every = [known for issuer_id in identity.issuer_ids(ctx) for known in store.subscriptions(ctx.db, issuer_id)]
    due = (known for known in every if known.state is HookState.ACTIVE and time_left())
    each(due, lambda known: _round(ctx, known, done, time_left))
    return done


def _round(ctx: Context, known: Subscription, done: dict[str, int], time_left: Callable[[], bool]) -> None:
    secret = ctx.sealer.unseal(known.secret_sealed, bound_to(known.issuer_id, known.subscription_id)).encode()
    held: set[str] = set()
    faults = calls = 0
    for event in store.waiting(ctx.db, known.issuer_id, known.subscription_id, ctx.now() - _SETTLE):
        if faults >= _MOST_FAULTS or calls >= _MOST_CALLS or not time_left():
            return
        # Facts of one object may carry a number behind its name.
        about = event.subject.split("#")[0]
        if about in held or (event.next_at_utc is not None and event.next_at_utc > ctx.now()):
            held.add(about)
            continue
        calls += 1
        answer = _call(ctx, known, event, secret)
        if answer is None:
            done["delivered"] += _ended(ctx, event, DeliveryState.DELIVERED, "2xx")
            continue
        faults += 1
        held.add(about)
        done["failed"] += 1
        since = _failing_since(ctx, event)
        if ctx.now() - since > _GIVE_UP:
            if _paused(ctx, known, answer):
                done["dead"] += _ended(ctx, event, DeliveryState.DEAD, answer)
            return
        wait = _BACK_OFF[min(event.attempts, len(_BACK_OFF) - 1)]
        later = {"attempts": event.attempts + 1, "next_at_utc": ctx.now() + wait, "last_answer": answer}
        _write(ctx, event.model_copy(update=later | {"failing_since_utc": since}))


def _failing_since(ctx: Context, each: Delivery) -> datetime:
    """Since when a receiver does not answer: what nobody tried for a day (paused, an outage of ours) begins anew."""
    if each.failing_since_utc is None or each.next_at_utc is None or ctx.now() - each.next_at_utc > _FORGOTTEN:
        return ctx.now()
    return each.failing_since_utc


def _call(ctx: Context, known: Subscription, each: Delivery, secret: bytes) -> str | None:
    """None when the receiver took it, else why not."""
    signed = sign(
        event_id=each.event_id,
        kind=each.kind,
        at=ctx.now(),
        occurred=each.occurred_at_utc,
        tenant=known.issuer_id,
        subject={"id": each.subject, **each.payload},
        version=1,
        secret=secret,
    )
    if len(signed.body) > MAX_BODY_BYTES:
        return "the event is larger than a webhook may be"
    try:
        outgoing.post(known.url, signed.body, signed.headers, allow_loopback=ctx.stage == "local")
    except (Unavailable, InvalidInput) as error:
        return error.message[:200]
    return None


def _ended(ctx: Context, each: Delivery, state: DeliveryState, answer: str) -> int:
    update = {
        "state": state,
        "attempts": each.attempts + 1,
        "last_answer": answer,
        "delivered_at_utc": ctx.now() if state is DeliveryState.DELIVERED else None,
    }
    try:
        ctx.db.transact(store.ended(each.model_copy(update=update)))
    except ConditionFailed:
        return 0  # another worker was faster
    return 1


def _write(ctx: Context, made: Delivery) -> None:
    try:
        ctx.db.write(store.tried(made))
    except ConditionFailed:
        return  # another worker delivered it meanwhile


def _paused(ctx: Context, known: Subscription, answer: str) -> bool:
    """Three days without an answer: a person looks, and nothing that happens meanwhile is lost. False where one did.

    Told first, so that no crash pauses it silently; what was tried in vain is dead last of all.
    """
    kind, subject = ExceptionType.DELIVERY_FAILED, f"{known.subscription_id}#{ctx.now():%Y-%m-%d}"
    journal.raise_once(
        ctx,
        known.issuer_id,
        kind,
        subject,
        f"a webhook was not answered for three days and is paused: {answer}",
        partner=known.contract_id,
        next_action="have the receiver repaired, take the subscription up again, replay what is dead",
    )
    made = known.model_copy(update={"state": HookState.PAUSED, "paused_because": answer})
    try:
        ctx.db.write(store.subscription_put(made, known))
    except ConditionFailed:
        reason = "the subscription was changed at that moment"
        journal.resolve(ctx, known.issuer_id, kind, subject, by="system:webhooks", reason=reason)
        return False
    return True
