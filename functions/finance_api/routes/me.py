"""Who is signed in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from functions.finance_api.http import Request, answer
from roamclear.identity.standing import standing

if TYPE_CHECKING:
    from roamclear.identity.standing import SignedIn

router = APIGatewayHttpRouter()


@router.get("/me")
def get_me() -> Response[SignedIn]:
    """The caller: roles, rights and the look of each issuer where it has any, and the time."""
    request = Request(router)
    return answer(standing(request.ctx, request.actor))
