"""The partner bench: a module of ours, not of OCPI."""

from __future__ import annotations

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from functions.ocpi_api.http import Call, answer
from roamclear.kernel import numbers_json

router = APIGatewayHttpRouter()


@router.get("/<version>/conformance")
def get_conformance(version: str) -> Response[str]:
    """Which of the caller's latest messages passed which rule."""
    # Judging a CDR loads rules that a POST does not need.
    from roamclear.ocpi import conformance

    call = Call(router, version)
    credential = call.partner()
    return answer(call.ctx, numbers_json.dumps(conformance.report(call.ctx, credential)).encode())
