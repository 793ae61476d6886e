"""The issuer's logo: a form for its file, the proposal, and the second person's word."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter
from pydantic import BaseModel, ConfigDict

from functions.finance_api.http import Request, answer
from roamclear.identity import logo
from roamclear.identity.issuer import LogoProposal
from roamclear.packages import branding

router = APIGatewayHttpRouter()


class LogoBody(BaseModel):
    """Which kind of picture comes."""

    model_config = ConfigDict(extra="forbid")

    content_type: str


@router.post("/logos")
def post_logo() -> Response[str]:
    """A signed form that takes the file; then propose it."""
    request = Request(router)
    actor = request.actor
    body = request.read(LogoBody)
    made, form = logo.begin(request.ctx, actor, request.issuer_of(actor), body.content_type)
    upload = {"url": form.url, "fields": form.fields, "max_bytes": form.max_bytes, "seconds": form.expires_seconds}
    return answer({**_shown(made), "upload": upload}, HTTPStatus.CREATED)


@router.get("/logos/<proposal_id>")
def get_logo(proposal_id: str) -> Response[str]:
    """A proposal with a link to its file."""
    request = Request(router)
    actor = request.actor
    made, link = logo.shown(request.ctx, actor, request.issuer_of(actor), proposal_id)
    return answer({**_shown(made), "link": link})


@router.post("/logos/<proposal_id>/propose")
def post_propose(proposal_id: str) -> Response[str]:
    """Look at the uploaded file; from 72 hours later another person may approve it."""
    request = Request(router)
    actor = request.actor
    return answer(_shown(branding.propose(request.ctx, actor, request.issuer_of(actor), proposal_id)))


@router.post("/logos/<proposal_id>/approve")
def post_approve(proposal_id: str) -> Response[str]:
    """Put the logo on documents from now on (a second person)."""
    request = Request(router)
    actor = request.actor
    return answer(logo.approve(request.ctx, actor, request.issuer_of(actor), proposal_id))


@router.post("/logos/<proposal_id>/withdraw")
def post_withdraw(proposal_id: str) -> Response[str]:
    """Stop a proposal."""
    request = Request(router)
    actor = request.actor
    return answer(_shown(logo.withdraw(request.ctx, actor, request.issuer_of(actor), proposal_id)))


def _shown(made: LogoProposal) -> dict[str, Any]:
    return {name: value for name, value in made.dump().items() if name != "key"}
