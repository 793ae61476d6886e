"""Mailed links: which are valid, who opened them, and their revocation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from functions.finance_api.http import Request, answer
from roamclear.packages import mailed

if TYPE_CHECKING:
    from functions.finance_api.answers import Items, LinkHead, LinkTold

router = APIGatewayHttpRouter()


@router.get("/links")
def list_links() -> Response[Items[LinkHead]]:
    """Links that are not over, the earliest end first; ``file`` narrows them by the beginning of the file name."""
    request = Request(router)
    actor = request.actor
    found = mailed.listed(request.ctx, actor, request.issuer_of(actor), file=request.query("file") or "")
    return answer({"items": found})


@router.get("/links/<link_id>")
def get_link(link_id: str) -> Response[LinkTold]:
    """One link and every time it was followed."""
    request = Request(router)
    actor = request.actor
    link, openings = mailed.opened(request.ctx, actor, request.issuer_of(actor), link_id)
    return answer(link | {"openings": openings})


@router.delete("/links/<link_id>")
def delete_link(link_id: str) -> Response[LinkHead]:
    """Revoke a link: from now on it answers 403."""
    request = Request(router)
    actor = request.actor
    return answer(mailed.revoke(request.ctx, actor, request.issuer_of(actor), link_id))
