"""Starts one execution per contract and ended period."""

from __future__ import annotations

from typing import Any

from roamclear.aws.compose import context as compose
from roamclear.aws.observe import logger
from roamclear.billing import service as billing
from roamclear.mode import service as mode


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, list[str]]:
    """A schedule, hourly; what was missed in an outage is started here exactly once."""
    ctx = compose()
    mode.require_normal(ctx)
    started = billing.start_due(ctx)
    logger.info("close", extra={"started": started})
    return {"started": started}
