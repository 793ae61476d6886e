"""Subscriptions of other systems, and what became of each call."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter
from pydantic import BaseModel, ConfigDict, Field

from functions.finance_api.http import Request, answer
from roamclear.kernel.errors import InvalidInput
from roamclear.webhooks import service as webhooks
from roamclear.webhooks.model import HookState

if TYPE_CHECKING:
    from functions.finance_api.answers import Deliveries, Items, Nothing, SubscriptionHead, SubscriptionTold
    from roamclear.webhooks.model import Delivery

router = APIGatewayHttpRouter()
_SEALED = frozenset({"secret_sealed"})


class SubscribeBody(BaseModel):
    """Where to call, about what, and for which contract (all of them when it is left out)."""

    model_config = ConfigDict(extra="forbid")

    url: str = Field(max_length=255)
    events: tuple[str, ...] = Field(min_length=1, max_length=50)
    contract_id: str | None = None


class ChangeBody(BaseModel):
    """What changes; ``rotate`` gives a new secret."""

    model_config = ConfigDict(extra="forbid")

    state: HookState | None = None
    events: tuple[str, ...] | None = Field(None, min_length=1, max_length=50)
    rotate: bool = False


class ReplayBody(BaseModel):
    """The event to send again."""

    model_config = ConfigDict(extra="forbid")

    event_id: str = Field(max_length=64)


@router.get("/webhooks")
def list_subscriptions() -> Response[Items[SubscriptionHead]]:
    """The subscriptions an actor may see; secrets are shown once, when they are made."""
    request = Request(router)
    actor = request.actor
    found = webhooks.subscriptions(request.ctx, actor, request.issuer_of(actor))
    return answer({"items": found}, without=_SEALED)


@router.post("/webhooks")
def post_subscription() -> Response[SubscriptionTold]:
    """Subscribe; the answer is the only one that shows the secret."""
    request = Request(router)
    actor = request.actor
    body = request.read(SubscribeBody)
    issuer_id = request.issuer_of(actor)
    made, secret = webhooks.subscribe(request.ctx, actor, issuer_id, body.url, body.events, body.contract_id)
    return answer(made.dump() | {"secret": secret}, HTTPStatus.CREATED, without=_SEALED)


@router.patch("/webhooks/<subscription_id>")
def patch_subscription(subscription_id: str) -> Response[SubscriptionTold]:
    """Pause, take up again, choose events, give a new secret."""
    request = Request(router)
    actor = request.actor
    body = request.read(ChangeBody)
    made, secret = webhooks.change(
        request.ctx,
        actor,
        request.issuer_of(actor),
        subscription_id,
        state=body.state,
        kinds=body.events,
        rotate=body.rotate,
    )
    return answer(made.dump() | ({"secret": secret} if secret else {}), without=_SEALED)


@router.delete("/webhooks/<subscription_id>")
def delete_subscription(subscription_id: str) -> Response[Nothing]:
    """Call nobody any more."""
    request = Request(router)
    actor = request.actor
    webhooks.unsubscribe(request.ctx, actor, request.issuer_of(actor), subscription_id)
    return answer({}, HTTPStatus.OK)


@router.get("/webhooks/<subscription_id>/deliveries")
def list_deliveries(subscription_id: str) -> Response[Deliveries]:
    """What waits, and what was answered last, newest first."""
    request = Request(router)
    actor = request.actor
    text = request.query("limit", "50") or ""
    if not text.isdigit() or not 1 <= int(text) <= 200:
        raise InvalidInput("limit is 1 to 200", field="limit")
    return answer(
        webhooks.deliveries(request.ctx, actor, request.issuer_of(actor), subscription_id, int(text)),
    )


@router.post("/webhooks/<subscription_id>/replay")
def post_replay(subscription_id: str) -> Response[Delivery]:
    """Send an answered or dead event again, under its old id."""
    request = Request(router)
    actor = request.actor
    body = request.read(ReplayBody)
    return answer(webhooks.replay(request.ctx, actor, request.issuer_of(actor), subscription_id, body.event_id))


@router.post("/webhooks/<subscription_id>/ping")
def post_ping(subscription_id: str) -> Response[Delivery]:
    """Try the receiver."""
    request = Request(router)
    actor = request.actor
    return answer(webhooks.ping(request.ctx, actor, request.issuer_of(actor), subscription_id), HTTPStatus.ACCEPTED)
