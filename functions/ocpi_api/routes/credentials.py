"""Credentials: who we are for a caller, and the handshake (OCPI credentials module)."""

from __future__ import annotations

from http import HTTPStatus

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from functions.ocpi_api.http import Call, answer
from roamclear.kernel import numbers_json
from roamclear.ocpi.model import Code, Refused
from roamclear.partners import service as partners
from roamclear.partners.model import Credential, CredentialStatus

router = APIGatewayHttpRouter()
_PATH = "/<version>/credentials"


@router.get(_PATH)
def get_credentials(version: str) -> Response[str]:
    """Our credentials for the caller, with the token it calls us with."""
    from roamclear.ocpi import handshake

    call = Call(router, version)
    credential = call.anyone()
    token = partners.presented(credential, call.headers.get("authorization"))
    return answer(
        call.ctx, numbers_json.dumps(handshake.ours(call.ctx, credential, version, call.base, token)).encode()
    )


@router.post(_PATH)
def post_credentials(version: str) -> Response[str]:
    """Register; 405 for who is registered already."""
    call = Call(router, version)
    credential = call.anyone()
    if credential.status is not CredentialStatus.INVITED:
        return _not_now(call, "you are registered already: use PUT", "GET, PUT, DELETE")
    return _register(call, credential)


@router.put(_PATH)
def put_credentials(version: str) -> Response[str]:
    """Rotate tokens, change addresses or the version; 405 for who is not registered."""
    call = Call(router, version)
    credential = call.anyone()
    if credential.status is not CredentialStatus.ACTIVE:
        return _not_now(call, "you are not registered: use POST", "GET, POST")
    return _register(call, credential)


@router.delete(_PATH)
def delete_credentials(version: str) -> Response[str]:
    """End the connection; 405 for who is not registered."""
    call = Call(router, version)
    credential = call.anyone()
    if credential.status is not CredentialStatus.ACTIVE:
        return _not_now(call, "you are not registered", "GET, POST")
    partners.unregister(call.ctx, credential)
    return answer(call.ctx)


def _register(call: Call, credential: Credential) -> Response[str]:
    # Only the handshake calls out: sockets and TLS stay out of every other request's cold start.
    from roamclear.ocpi import handshake

    outcome = handshake.register(call.ctx, credential, call.message(), call.base)
    if isinstance(outcome, Refused):
        return call.refusal(outcome)
    return answer(call.ctx, numbers_json.dumps(outcome).encode())


def _not_now(call: Call, message: str, allow: str) -> Response[str]:
    return answer(call.ctx, None, HTTPStatus.METHOD_NOT_ALLOWED, Code.CLIENT, message, {"Allow": allow})
