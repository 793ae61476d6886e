"""The resolver of the OCPI endpoint with all its routes, and the edge that answers whatever happens."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError

from functions.ocpi_api import http
from functions.ocpi_api.routes import ROUTERS
from roamclear.aws.compose import context
from roamclear.aws.observe import logger
from roamclear.kernel.errors import InvariantBroken, NotFound, RoamclearError
from roamclear.ocpi.model import Code

app = APIGatewayHttpResolver()
for _router in ROUTERS:
    app.include_router(_router, prefix="/ocpi")

_ID = r"/[^/]+"
#: What each address knows; the rest is 405 (OCPI mod_cdrs: a CDR is never changed).
_ALLOWED = tuple(
    (re.compile(rule), verbs)
    for rule, verbs in (
        (rf"/ocpi(/versions|{_ID})?", "GET"),
        (rf"/ocpi{_ID}/conformance(/samples)?", "GET"),
        (rf"/ocpi{_ID}/conformance/certificate", "GET, POST"),
        (rf"/ocpi{_ID}/credentials", "GET, POST, PUT, DELETE"),
        (rf"/ocpi{_ID}/cdrs", "GET, POST"),
        (rf"/ocpi{_ID}/cdrs{_ID}{_ID}{_ID}", "GET"),
        (rf"/ocpi{_ID}/locations{_ID}{_ID}{_ID}({_ID})?({_ID})?", "GET, PATCH, PUT"),
        (rf"/ocpi{_ID}/tariffs", "GET"),
        (r"/ocpi/2\.3\.0/invoicereconciliation", "GET, POST"),
        (rf"/ocpi/2\.3\.0/invoicereconciliation{_ID}{_ID}{_ID}", "DELETE, GET, PATCH, PUT"),
        (rf"/ocpi{_ID}/tariffs{_ID}{_ID}{_ID}", "DELETE, GET, PATCH, PUT"),
    )
)


@app.not_found
def on_no_route(error: NotFoundError) -> Response[str]:
    """405 with ``Allow`` for a known address, 404 for any other; strangers learn neither."""
    call = http.Call(app)
    call.anyone()
    path = str(call.event["rawPath"])
    for rule, verbs in _ALLOWED:
        if rule.fullmatch(path):
            text = "this address does not know the method"
            return http.answer(call.ctx, None, HTTPStatus.METHOD_NOT_ALLOWED, Code.CLIENT, text, {"Allow": verbs})
    raise NotFound("no such address")


@app.exception_handler(RoamclearError)
def on_error(error: RoamclearError) -> Response[str]:
    """Every error of the house in the OCPI envelope."""
    return http.fault(context(), error)


@app.exception_handler(Exception)
def on_fault(error: Exception) -> Response[str]:
    """What nobody expected: logged, and told without its text."""
    logger.exception("unexpected fault", exc_info=error)
    return http.fault(context(), InvariantBroken("an unexpected fault; it was recorded"))


def respond(event: Mapping[str, Any], lambda_context: Any) -> dict[str, Any]:
    """Answer one event of the HTTP API, payload 2.0."""
    tidied = http.tidy(event)
    result: dict[str, Any] = app.resolve(tidied, lambda_context)
    result["headers"] = {**result.get("headers", {}), **http.common_headers(tidied)}
    return result
