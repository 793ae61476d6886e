"""Versions and their details (OCPI version information)."""

from __future__ import annotations

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from functions.ocpi_api.http import Call, answer
from roamclear.kernel import numbers_json
from roamclear.ocpi import service as ocpi

router = APIGatewayHttpRouter()


@router.get("/versions")
@router.get("/")
def get_versions() -> Response[str]:
    """The versions we speak."""
    call = Call(router)
    call.anyone()
    return answer(call.ctx, numbers_json.dumps(ocpi.versions(call.base)).encode())


@router.get("/<version>")
def get_details(version: str) -> Response[str]:
    """The endpoints of one version that are of use to the caller."""
    call = Call(router, version)
    found = ocpi.details(call.base, version, call.anyone())
    return answer(call.ctx, numbers_json.dumps(found).encode())
