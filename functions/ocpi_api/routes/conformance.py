"""The partner bench: a module of ours, not of OCPI."""

from __future__ import annotations

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from functions.ocpi_api.http import Call, answer
from roamclear.kernel import numbers_json
from roamclear.ocpi.model import Refused

router = APIGatewayHttpRouter()


@router.get("/<version>/conformance")
def get_conformance(version: str) -> Response[str]:
    """Which of the caller's latest messages passed which rule."""
    # Judging a CDR loads rules that a POST does not need.
    from roamclear.ocpi import conformance

    call = Call(router, version)
    credential = call.partner()
    return answer(call.ctx, numbers_json.dumps(conformance.report(call.ctx, credential)).encode())


@router.get("/<version>/conformance/samples")
def get_samples(version: str) -> Response[str]:
    """Messages to send, one per case, with the answers to expect."""
    from roamclear.ocpi import conformance

    call = Call(router, version)
    credential = call.partner()
    found = conformance.sample_messages(call.ctx, credential, version)
    return answer(call.ctx, numbers_json.dumps(found).encode())


@router.get("/<version>/conformance/certificate")
def get_certificate(version: str) -> Response[str]:
    """The caller's certificate for a version and whether it still holds."""
    from roamclear.ocpi import certificates

    call = Call(router, version)
    credential = call.partner()
    return answer(call.ctx, numbers_json.dumps(certificates.current(call.ctx, credential, version)).encode())


@router.post("/<version>/conformance/certificate")
def post_certificate(version: str) -> Response[str]:
    """Ask for the certificate: made when every rule is passed, else 2000 with those that are not."""
    from roamclear.ocpi import certificates

    call = Call(router, version)
    credential = call.partner()
    outcome = certificates.issue(call.ctx, credential, version)
    if isinstance(outcome, Refused):
        return call.refusal(outcome)
    return answer(call.ctx, numbers_json.dumps(outcome).encode())
