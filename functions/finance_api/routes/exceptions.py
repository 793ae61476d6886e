"""The exception journal, the audit trail and the proof."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter
from pydantic import BaseModel, ConfigDict, Field

from functions.finance_api.http import Request, answer
from functions.finance_api.pages import asked, paged
from roamclear.audit import service as audit
from roamclear.identity.model import Right
from roamclear.identity.rules import authorise
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionType

if TYPE_CHECKING:
    from functions.finance_api.answers import AuditTold, Paged
    from roamclear.journal.model import ExceptionRow

router = APIGatewayHttpRouter()


class ResolveBody(BaseModel):
    """Which exception is closed, and why."""

    model_config = ConfigDict(extra="forbid")

    kind: ExceptionType
    subject: str = Field(min_length=1, max_length=400)
    reason: str = Field(min_length=3, max_length=1000)


@router.get("/exceptions")
def list_exceptions() -> Response[Paged[ExceptionRow]]:
    """Exceptions of a state, OPEN unless ``state`` says otherwise, oldest first, in pages."""
    request = Request(router)
    actor = request.actor
    state = request.query("state", "OPEN") or "OPEN"
    return answer(paged(request, journal.page(request.ctx, actor, request.issuer_of(actor), state, asked(request))))


@router.post("/exceptions/resolve")
def resolve_exception() -> Response[ExceptionRow]:
    """A person closes an exception with a reason."""
    request = Request(router)
    actor = request.actor
    body = request.read(ResolveBody)
    issuer_id = request.issuer_of(actor)
    return answer(journal.resolve_by_hand(request.ctx, actor, issuer_id, body.kind, body.subject, body.reason))


@router.get("/audit/<kind>/<object_id>")
def get_audit(kind: str, object_id: str) -> Response[AuditTold]:
    """What was done to an object, and whether its chain holds."""
    request = Request(router)
    actor = request.actor
    issuer_id = request.issuer_of(actor)
    authorise(actor, Right.AUDIT_VIEW, issuer_id)
    entries = audit.history(request.ctx, issuer_id, kind.upper(), object_id)
    return answer({"items": entries, "broken_link": audit.broken_link(request.ctx, issuer_id, kind.upper(), object_id)})
