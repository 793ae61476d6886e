"""Does what is due by the one clock and replays what was not acknowledged."""

from __future__ import annotations

from typing import Any

from roamclear.aws.compose import context as compose
from roamclear.aws.observe import logger, parked
from roamclear.facts import service as facts
from roamclear.mode import service as mode
from roamclear.mode.model import Mode

#: What the clock brings due needs no more than this.
RESERVE_MS = 150_000


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, int]:
    """A schedule: every five minutes, and once at each stored instant."""
    ctx = compose()
    if mode.beat(ctx) is Mode.RECOVERY:
        logger.error("in recovery", extra={"reason": mode.current(ctx).reason})
        return {}
    done = facts.sweep(ctx, parked, lambda: context.get_remaining_time_in_millis() > RESERVE_MS)
    logger.info("sweep", extra=done)
    return done
