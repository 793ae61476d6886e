"""How long an issuer keeps what: the terms in force, and choosing others."""

from __future__ import annotations

from datetime import date
from http import HTTPStatus
from typing import TYPE_CHECKING

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter
from pydantic import BaseModel, ConfigDict, Field

from functions.finance_api.http import Request, answer
from roamclear.retention import service as retention
from roamclear.retention.model import DEFAULT_YEARS, LEAST_DETAIL_MONTHS, MOST_YEARS

if TYPE_CHECKING:
    from roamclear.retention.model import RetentionChoice, RetentionTold

router = APIGatewayHttpRouter()


class TermsBody(BaseModel):
    """Years for documents and books, months for the detail of sessions; what is left out has its default."""

    model_config = ConfigDict(extra="forbid")

    valid_from: date
    document_years: int | None = Field(None, ge=DEFAULT_YEARS, le=MOST_YEARS)
    detail_months: int | None = Field(None, ge=LEAST_DETAIL_MONTHS, le=MOST_YEARS * 12)
    reason: str = Field(min_length=3, max_length=1000)


@router.get("/retention")
def get_retention() -> Response[RetentionTold]:
    """The terms in force, what the law of the issuer's country asks for, and everything that was chosen."""
    request = Request(router)
    actor = request.actor
    return answer(retention.shown(request.ctx, actor, request.issuer_of(actor)))


@router.post("/retention")
def post_retention() -> Response[RetentionChoice]:
    """Propose terms from a day on; a second person approves them."""
    request = Request(router)
    actor = request.actor
    body = request.read(TermsBody)
    made = retention.propose(request.ctx, actor, request.issuer_of(actor), **body.model_dump())
    return answer(made, HTTPStatus.CREATED)


@router.post("/retention/<choice_id>/approve")
def post_approve(choice_id: str) -> Response[RetentionChoice]:
    """Put proposed terms in force from their day on (a second person)."""
    request = Request(router)
    actor = request.actor
    return answer(retention.approve(request.ctx, actor, request.issuer_of(actor), choice_id))


@router.post("/retention/<choice_id>/withdraw")
def post_withdraw(choice_id: str) -> Response[RetentionChoice]:
    """Stop proposed terms."""
    request = Request(router)
    actor = request.actor
    return answer(retention.withdraw(request.ctx, actor, request.issuer_of(actor), choice_id))
