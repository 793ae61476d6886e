"""The JSON API for finance, operations and partners."""

from __future__ import annotations

from typing import Any

from functions.finance_api.app import resolve
from roamclear.aws.observe import logger


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """API Gateway HTTP API, payload 2.0."""
    return resolve(event, context)
