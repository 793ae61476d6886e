"""What stands on an issuer's documents: the logo by a form for its file, all else by a change; two persons each."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter
from pydantic import BaseModel, ConfigDict

from functions.finance_api.http import Request, answer
from roamclear.identity import brand_changes, logo
from roamclear.identity.issuer import BrandValues, LogoProposal
from roamclear.packages import branding

if TYPE_CHECKING:
    from functions.finance_api.answers import Items, LogoBegun, LogoHead, LogoTold
    from roamclear.identity.issuer import BrandChangeView, Issuer

router = APIGatewayHttpRouter()


class LogoBody(BaseModel):
    """Which kind of picture comes."""

    model_config = ConfigDict(extra="forbid")

    content_type: str


@router.post("/logos")
def post_logo() -> Response[LogoBegun]:
    """A signed form that takes the file; then propose it."""
    request = Request(router)
    actor = request.actor
    body = request.read(LogoBody)
    made, form = logo.begin(request.ctx, actor, request.issuer_of(actor), body.content_type)
    upload = {"url": form.url, "fields": form.fields, "max_bytes": form.max_bytes, "seconds": form.expires_seconds}
    return answer({**_shown(made), "upload": upload}, HTTPStatus.CREATED)


@router.get("/logos/<proposal_id>")
def get_logo(proposal_id: str) -> Response[LogoTold]:
    """A proposal with a link to its file."""
    request = Request(router)
    actor = request.actor
    made, link = logo.shown(request.ctx, actor, request.issuer_of(actor), proposal_id)
    return answer({**_shown(made), "link": link})


@router.post("/logos/<proposal_id>/propose")
def post_propose(proposal_id: str) -> Response[LogoHead]:
    """Look at the uploaded file; from 72 hours later another person may approve it."""
    request = Request(router)
    actor = request.actor
    return answer(_shown(branding.propose(request.ctx, actor, request.issuer_of(actor), proposal_id)))


@router.post("/logos/<proposal_id>/approve")
def post_approve(proposal_id: str) -> Response[Issuer]:
    """Put the logo on documents from now on (a second person)."""
    request = Request(router)
    actor = request.actor
    return answer(logo.approve(request.ctx, actor, request.issuer_of(actor), proposal_id))


@router.post("/logos/<proposal_id>/withdraw")
def post_withdraw(proposal_id: str) -> Response[LogoHead]:
    """Stop a proposal."""
    request = Request(router)
    actor = request.actor
    return answer(_shown(logo.withdraw(request.ctx, actor, request.issuer_of(actor), proposal_id)))


def _shown(made: LogoProposal) -> dict[str, Any]:
    return {name: value for name, value in made.dump().items() if name != "key"}


class ChangeBody(BaseModel):
    """The values that are to change, and why; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    values: BrandValues
    reason: str


@router.post("/brand-changes")
def post_change() -> Response[BrandChangeView]:
    """Propose other colours, footer, contact or bank details; another person approves 72 hours after the notice."""
    request = Request(router)
    actor = request.actor
    body = request.read(ChangeBody)
    made = branding.propose_change(request.ctx, actor, request.issuer_of(actor), body.values, body.reason)
    return answer(brand_changes.view(made), HTTPStatus.CREATED)


@router.get("/brand-changes")
def list_changes() -> Response[Items[BrandChangeView]]:
    """Every change of the issuer, the latest first: what it sets and what it replaces."""
    request = Request(router)
    actor = request.actor
    found = brand_changes.changes(request.ctx, actor, request.issuer_of(actor))
    return answer({"items": [brand_changes.view(each) for each in found]})


@router.get("/brand-changes/<change_id>")
def get_change(change_id: str) -> Response[BrandChangeView]:
    """One change."""
    request = Request(router)
    actor = request.actor
    return answer(brand_changes.view(brand_changes.change(request.ctx, actor, request.issuer_of(actor), change_id)))


@router.post("/brand-changes/<change_id>/approve")
def post_approve_change(change_id: str) -> Response[Issuer]:
    """Put a change in force for what is issued from now on (a second person)."""
    request = Request(router)
    actor = request.actor
    return answer(branding.approve_change(request.ctx, actor, request.issuer_of(actor), change_id))


@router.post("/brand-changes/<change_id>/withdraw")
def post_withdraw_change(change_id: str) -> Response[BrandChangeView]:
    """Stop a change."""
    request = Request(router)
    actor = request.actor
    return answer(brand_changes.view(brand_changes.withdraw(request.ctx, actor, request.issuer_of(actor), change_id)))
