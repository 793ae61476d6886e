"""Asks VIES for the VAT ids that documents rest on."""

from __future__ import annotations

from time import sleep
from typing import Any

from roamclear.aws.compose import context as compose
from roamclear.aws.observe import logger
from roamclear.mode import service as mode
from roamclear.vies import service as vies

#: What is left of the time-out when the last number is asked for; the next hour goes on.
RESERVE_MS = 60_000


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, int]:
    """A schedule, hourly; most hours nothing is due. By hand at any time, as often as wanted."""
    ctx = compose()
    mode.require_normal(ctx)
    left = context.get_remaining_time_in_millis
    done = vies.refresh(ctx, time_left=lambda: left() > RESERVE_MS, pause=sleep).model_dump()
    logger.info("vat proofs", extra=done)
    return done
