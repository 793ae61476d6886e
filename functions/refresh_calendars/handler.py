"""Stores the holidays of every place that deadlines and payments are counted by."""

from __future__ import annotations

from typing import Any

from roamclear.aws.compose import context as compose
from roamclear.aws.observe import logger
from roamclear.calendars import refresh as calendars
from roamclear.mode import service as mode


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, int]:
    """A schedule, nightly; by hand at any time, as often as wanted. It calls nobody."""
    ctx = compose()
    mode.require_normal(ctx)
    done = calendars.refresh(ctx)
    logger.info("calendars", extra=done)
    return done
