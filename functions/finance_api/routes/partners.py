"""Partners' OCPI credentials."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from functions.finance_api.http import Request, answer
from roamclear.kernel.record import plain
from roamclear.partners import service as partners
from roamclear.partners.model import Credential, Wanted

if TYPE_CHECKING:
    from functions.finance_api.answers import CredentialHead, CredentialMade, Items

router = APIGatewayHttpRouter()


@router.post("/credentials")
def post_credential() -> Response[CredentialMade]:
    """Make a credential; its token is told in this answer only."""
    request = Request(router)
    actor = request.actor
    made, token = partners.issue(request.ctx, actor, request.issuer_of(actor), request.read(Wanted))
    return answer({**_shown(made), "token": token}, HTTPStatus.CREATED)


@router.get("/credentials")
def list_credentials() -> Response[Items[CredentialHead]]:
    """All credentials of the issuer, without tokens."""
    request = Request(router)
    actor = request.actor
    found = partners.credentials(request.ctx, actor, request.issuer_of(actor))
    return answer({"items": [_shown(c) for c in found]})


@router.delete("/credentials/<credential_id>")
def delete_credential(credential_id: str) -> Response[CredentialHead]:
    """Revoke a credential."""
    request = Request(router)
    actor = request.actor
    return answer(_shown(partners.revoke(request.ctx, actor, request.issuer_of(actor), credential_id)))


def _shown(made: Credential) -> dict[str, object]:
    """A credential without what could call either side."""
    shown = made.model_dump(exclude={"token_hash", "peer"})
    return {name: plain(value) for name, value in shown.items() if value is not None}
