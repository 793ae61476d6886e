"""Checks and rates what came in, and hands outbox facts to the room that answers them."""

from __future__ import annotations

from functools import partial
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
        logger.warning("in recovery", extra={"records": len(rows)})
        return {"batchItemFailures": []}
    took_in = partial(facts.took_in, listeners=Listeners(ctx))
    works = [(row, facts.answer if "fact" in row else took_in) for row in rows]
    done = sum(facts.isolated(ctx, row, work, parked) for row, work in works)
    logger.info("stream", extra={"records": len(rows), "done": done})
    return {"batchItemFailures": []}
