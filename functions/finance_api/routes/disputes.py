"""Disputes: filed by the eMSP, answered by the CPO."""

from __future__ import annotations

from http import HTTPStatus

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter
from pydantic import BaseModel, ConfigDict, Field

from functions.finance_api.http import Request, answer
from roamclear.disputes import service as disputes
from roamclear.disputes.model import Claim
from roamclear.kernel.errors import InvalidInput
from roamclear.kernel.money import Money

router = APIGatewayHttpRouter()


class AnswerBody(BaseModel):
    """The CPO's answer; ``accepted`` below the claim makes it PARTIAL."""

    model_config = ConfigDict(extra="forbid")

    outcome: str = Field(pattern=r"^(ACCEPTED|PARTIAL|REJECTED)$")
    accepted: Money | None = None
    answer: str = Field("", max_length=4000)


@router.post("/disputes")
def post_dispute() -> Response[str]:
    """File a dispute within the window; a session has at most one, so a repeat is the same."""
    request = Request(router)
    actor = request.actor
    made = disputes.file(request.ctx, actor, request.issuer_of(actor), request.read(Claim))
    return answer(made, HTTPStatus.CREATED)


@router.get("/disputes")
def list_disputes() -> Response[str]:
    """The disputes of a contract."""
    request = Request(router)
    actor = request.actor
    contract = request.query("contract")
    if contract is None:
        raise InvalidInput("name the contract", field="contract")
    return answer({"items": disputes.disputes(request.ctx, actor, request.issuer_of(actor), contract)})


@router.get("/disputes/<dispute_id>")
def get_dispute(dispute_id: str) -> Response[str]:
    """One dispute."""
    request = Request(router)
    actor = request.actor
    return answer(disputes.dispute(request.ctx, actor, request.issuer_of(actor), dispute_id))


@router.post("/disputes/<dispute_id>/answer")
def post_answer(dispute_id: str) -> Response[str]:
    """The CPO accepts all or a part, or rejects with a reason."""
    request = Request(router)
    actor = request.actor
    body = request.read(AnswerBody)
    issuer_id = request.issuer_of(actor)
    if body.outcome == "REJECTED":
        return answer(disputes.reject(request.ctx, actor, issuer_id, dispute_id, answer=body.answer))
    if body.outcome == "PARTIAL" and body.accepted is None:
        raise InvalidInput("a partial acceptance states the accepted amount", field="accepted")
    accepted = body.accepted if body.outcome == "PARTIAL" else None
    made = disputes.accept(request.ctx, actor, issuer_id, dispute_id, accepted=accepted, answer=body.answer)
    return answer(made)


@router.post("/disputes/<dispute_id>/withdraw")
def post_withdraw(dispute_id: str) -> Response[str]:
    """The eMSP takes its dispute back."""
    request = Request(router)
    actor = request.actor
    return answer(disputes.withdraw(request.ctx, actor, request.issuer_of(actor), dispute_id))
