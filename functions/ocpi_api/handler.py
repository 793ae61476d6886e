"""The OCPI endpoint."""

from __future__ import annotations

from typing import Any

from functions.ocpi_api.app import respond
from roamclear.aws.observe import logger


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """API Gateway HTTP API, payload 2.0."""
    return respond(event, context)
