"""Starts one execution per contract and ended period."""

from __future__ import annotations

from typing import Any

from roamclear.aws.compose import context as compose
from roamclear.aws.observe import logger
from roamclear.billing import service as billing


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, list[str]]:
    """A schedule, hourly; what was missed in an outage is started here exactly once."""
    started = billing.start_due(compose())
    logger.info("close", extra={"started": started})
    return {"started": started}
