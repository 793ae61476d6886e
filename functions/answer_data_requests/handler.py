"""Answers requests of data subjects that wait."""

from __future__ import annotations

from typing import Any

from roamclear.aws.compose import context as compose
from roamclear.aws.observe import logger
from roamclear.privacy import answering

#: What is left of the time-out when the search of the next body is begun.
RESERVE_MS = 60_000


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """A schedule (every issuer), or {issuer_id} by hand; an answered request stays answered."""
    done = answering.answer_all(
        compose(),
        only=event.get("issuer_id"),
        time_left=lambda: context.get_remaining_time_in_millis() > RESERVE_MS,
    )
    logger.info("data requests", extra={"answered": done})
    return {"answered": done}
