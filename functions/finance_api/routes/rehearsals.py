"""Rehearsed closes, drafts and pro-formas, and what stands in the way of the next documents."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from functions.finance_api.http import Request, answer
from roamclear.rehearsal import service as rehearsal

if TYPE_CHECKING:
    from functions.finance_api.answers import Blockers, Items, RehearsalHead, RehearsalTold

router = APIGatewayHttpRouter()


@router.post("/rehearsals")
def post_rehearsal() -> Response[RehearsalHead]:
    """Rehearse the closes of all contracts: of a period, or of all that is not invoiced yet."""
    request = Request(router)
    actor = request.actor
    wanted = request.read(rehearsal.Request)
    known = rehearsal.rehearse_all(request.ctx, actor, request.issuer_of(actor), wanted)
    rehearsal.wake(request.ctx, known)
    return answer(known, HTTPStatus.ACCEPTED, without=frozenset({"folder"}))


@router.get("/rehearsals")
def list_rehearsals() -> Response[Items[RehearsalHead]]:
    """The last rehearsals of a run (``?run=``), or of everything, the newest first."""
    request = Request(router)
    actor = request.actor
    found = rehearsal.rehearsals(request.ctx, actor, request.issuer_of(actor), request.query("run"))
    return answer({"items": found}, without=frozenset({"folder"}))


@router.get("/rehearsals/<rehearsal_id>")
def get_rehearsal(rehearsal_id: str) -> Response[RehearsalTold]:
    """One rehearsal: what would become of each run, with links to the previews for an hour."""
    request = Request(router)
    actor = request.actor
    return answer(rehearsal.rehearsal(request.ctx, actor, request.issuer_of(actor), rehearsal_id))


@router.get("/blockers")
def get_blockers() -> Response[Blockers]:
    """If we closed now: what would be invoiced, and what would not, by reason."""
    request = Request(router)
    actor = request.actor
    return answer(rehearsal.blockers(request.ctx, actor, request.issuer_of(actor)))
