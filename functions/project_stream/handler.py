"""Checks and rates what came in, and hands outbox facts to the room that answers them."""

from __future__ import annotations

from typing import Any

from roamclear.aws.compose import context as compose
from roamclear.aws.observe import logger, parked
from roamclear.aws.stream import new_rows
from roamclear.facts import service as facts
from roamclear.mode import service as mode
from roamclear.webhooks.sessions import Listeners


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """DynamoDB stream of intake or clearing; a bad record is parked by itself and the rest goes on."""
    ctx = compose()
    rows = list(new_rows(event))
    if mode.recovering(ctx):
        # What came in stays where it is; the sweep takes it up when the stage is NORMAL again.
        for row in rows:
            if "fact" not in row:
                facts.leave_behind(ctx, row)
        logger.warning("in recovery", extra={"records": len(rows)})
        return {"batchItemFailures": []}
    listeners = Listeners(ctx)
    done = sum(
        facts.isolated(ctx, row, facts.answer, parked)
        if "fact" in row
        else facts.take_in(ctx, row, parked, listeners=listeners)
        for row in rows
    )
    logger.info("stream", extra={"records": len(rows), "done": done})
    return {"batchItemFailures": []}
