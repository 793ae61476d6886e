"""Imports a bank file that arrived in the inbox, and every hour what an event lost."""

from __future__ import annotations

from typing import Any

from roamclear.aws import inbox
from roamclear.aws.compose import context as compose
from roamclear.aws.observe import logger
from roamclear.mode import service as mode
from roamclear.reconciliation import importing

#: What is left of the time-out when the last chunk is begun; an unfinished file goes on from its checkpoint.
RESERVE_MS = 120_000


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """An "Object Created" event of the inbox, an S3 notification, or a schedule, which lists the inbox."""
    ctx = compose()
    mode.require_normal(ctx)
    found = importing.import_inbox(
        ctx, inbox.named(event), time_left=lambda: context.get_remaining_time_in_millis() > RESERVE_MS
    )
    done = [{"file": one.sha256[:16], "state": one.state.value, "booked": one.booked} for one in found]
    logger.info("bank files", extra={"files": done})
    return {"files": done}
