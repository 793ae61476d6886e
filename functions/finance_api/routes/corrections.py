"""Credit notes and cancellations: prepared by one person, approved by another."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter
from pydantic import BaseModel, ConfigDict, Field

from functions.finance_api.http import Request, answer
from functions.finance_api.pages import asked, paged
from roamclear.billing import corrections
from roamclear.billing.lists import service as lists
from roamclear.kernel.errors import InvalidInput
from roamclear.kernel.money import Money

if TYPE_CHECKING:
    from functions.finance_api.answers import Paged
    from roamclear.billing.model import Correction

router = APIGatewayHttpRouter()


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class CreditBody(_Body):
    """What is to be credited: sessions by reference, a net amount in the document's currency, or the whole document.

    ``bill_again`` returns the sessions of a cancelled document to what is to be invoiced, in the next run or, with
    ``at_once``, by a corrected invoice (384, or 389 of what we buy).
    """

    invoice: str = Field(min_length=1, max_length=40)
    cdr_refs: list[str] = Field(default_factory=list, max_length=corrections.MOST_CDRS)
    amount: Money | None = None
    whole: bool = False
    bill_again: bool = False
    at_once: bool = False
    reason: str = Field(max_length=300)


class ReasonBody(_Body):
    """Why."""

    reason: str = Field(max_length=300)


@router.post("/creditnotes")
def prepare_correction() -> Response[Correction]:
    """Prepare a credit note or a cancellation; again under the same ``Idempotency-Key`` it is the same one."""
    request = Request(router)
    body = request.read(CreditBody)
    if body.whole == bool(body.cdr_refs or body.amount is not None):
        raise InvalidInput("name sessions, an amount, or the whole document", field="whole")
    actor = request.actor
    wanted = corrections.Wanted(
        number=body.invoice,
        cdr_refs=tuple(body.cdr_refs),
        amount=body.amount,
        bill_again=body.bill_again,
        at_once=body.at_once,
        reason=body.reason,
    )
    key = request.header("Idempotency-Key") or ""
    found = corrections.prepare(request.ctx, actor, request.issuer_of(actor), wanted, key)
    return answer(found, HTTPStatus.CREATED)


@router.get("/creditnotes")
def list_corrections() -> Response[Paged[Correction]]:
    """All corrections in order of preparation, in pages; the credit notes themselves are among the invoices."""
    request = Request(router)
    actor = request.actor
    return answer(paged(request, lists.corrections(request.ctx, actor, request.issuer_of(actor), asked(request))))


@router.get("/creditnotes/<correction_id>")
def get_correction(correction_id: str) -> Response[Correction]:
    """One correction."""
    request = Request(router)
    actor = request.actor
    return answer(corrections.correction(request.ctx, actor, request.issuer_of(actor), correction_id))


@router.post("/creditnotes/<correction_id>/approve")
def approve_correction(correction_id: str) -> Response[Correction]:
    """A second person lets a correction happen; its credit note follows."""
    request = Request(router)
    actor = request.actor
    return answer(corrections.approve(request.ctx, actor, request.issuer_of(actor), correction_id))


@router.post("/creditnotes/<correction_id>/reject")
def reject_correction(correction_id: str) -> Response[Correction]:
    """A correction that does not happen, and why."""
    request = Request(router)
    actor = request.actor
    reason = request.read(ReasonBody).reason
    return answer(corrections.reject(request.ctx, actor, request.issuer_of(actor), correction_id, reason))
