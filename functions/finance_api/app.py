"""The resolver of the JSON API; the routes of a room are loaded with the first request for it."""

from __future__ import annotations

import importlib
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response

from functions.finance_api import http
from functions.finance_api.once import once
from functions.finance_api.routes import FILES
from roamclear.aws.observe import logger
from roamclear.kernel.errors import InvariantBroken, NotFound, RoamclearError

app = APIGatewayHttpResolver()
app.use(middlewares=[once])
_loaded: set[str] = set()


def resolve(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer one request."""
    parts = str(event.get("rawPath", "")).strip("/").split("/")
    load(parts[1] if len(parts) > 1 else "")
    return app.resolve(event, context)


def load(segment: str) -> None:
    """Add the routes of a path segment once per process."""
    name = FILES.get(segment)
    if name is not None and name not in _loaded:
        app.include_router(importlib.import_module(f"functions.finance_api.routes.{name}").router, prefix="/v1")
        _loaded.add(name)


@app.not_found
def on_unknown(error: Exception) -> Response[str]:
    """No such path."""
    return http.problem(NotFound("no such path"))


@app.exception_handler(RoamclearError)
def on_error(error: RoamclearError) -> Response[str]:
    """Every error of the house as a problem document."""
    return http.problem(error)


@app.exception_handler(Exception)
def on_fault(error: Exception) -> Response[str]:
    """What nobody expected: logged, told without its text."""
    logger.exception("unexpected fault", exc_info=error)
    return http.problem(InvariantBroken("an unexpected fault; it was recorded"))
