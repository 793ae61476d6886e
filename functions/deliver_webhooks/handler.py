"""Calls the receivers of webhooks about what happened."""

from __future__ import annotations

from typing import Any

from roamclear.aws.compose import context as compose
from roamclear.aws.observe import logger
from roamclear.webhooks import sending

#: What is left of the time-out when the last call is begun.
RESERVE_MS = 20_000


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, int]:
    """A schedule, every minute."""
    done = sending.deliver_due(compose(), time_left=lambda: context.get_remaining_time_in_millis() > RESERVE_MS)
    logger.info("webhooks", extra=done)
    return done
