"""A POST with an ``Idempotency-Key`` happens once; sent again it is answered as before (product.md J.5)."""

from __future__ import annotations

import re
from collections.abc import Callable
from hashlib import sha256
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response

from functions.finance_api.http import Request
from roamclear.kernel.errors import InvariantBroken, RoamclearError
from roamclear.repeats import service as repeats

#: Here the use case itself keeps what a key stood for, in the transaction of what it makes.
_OWN = re.compile(r"/v1/(disputes|disputes/[^/]+/comments|creditnotes)/?")
#: What these answer with is a secret, or somebody's data: it is told once, and kept nowhere.
_TOLD_ONCE = re.compile(r"/v1/(credentials|webhooks|data-requests|pseudonym-secrets)(/.*)?")


def once(app: APIGatewayHttpResolver, next_middleware: Callable[..., Response[Any]]) -> Response[Any]:
    """Let a request through, unless the same one came before under its key."""
    event = app.current_event
    key = event.headers.get("idempotency-key")
    if event.http_method != "POST" or not key or _OWN.fullmatch(event.path):
        return next_middleware(app)
    request = Request(app)
    actor = request.actor
    issuer_id = request.issuer_of(actor)
    raw = (event.path, event.raw_event.get("rawQueryString") or "", event.body or "")
    digest = sha256(repr(raw).encode()).hexdigest()
    known = repeats.begin(request.ctx, issuer_id, actor.actor_id, key, digest)
    if known is not None:
        headers = {"Idempotency-Replayed": "true"}
        body = repeats.body_of(known)
        return Response(known.status or 200, content_type="application/json", body=body, headers=headers)
    try:
        made = next_middleware(app)
    except InvariantBroken:
        raise  # nobody knows what happened: the key stays taken
    except RoamclearError:
        repeats.forget(request.ctx, issuer_id, actor.actor_id, key, digest)
        raise
    told = None if _TOLD_ONCE.fullmatch(event.path) else str(made.body)
    repeats.end(request.ctx, issuer_id, actor.actor_id, key, digest, status=made.status_code, body=told)
    return made
