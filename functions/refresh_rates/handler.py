"""Stores the reference rates that the ECB publishes."""

from __future__ import annotations

from typing import Any

from roamclear.aws.compose import context as compose
from roamclear.aws.observe import logger
from roamclear.mode import service as mode
from roamclear.rates import refresh as rates


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """A schedule, hourly; most hours nothing is missing. By hand at any time, as often as wanted."""
    ctx = compose()
    mode.require_normal(ctx)
    done = rates.refresh(ctx).dump()
    logger.info("rates", extra=done)
    return done
