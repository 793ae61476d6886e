"""Rehearses closes that were asked for, and every five minutes what an event lost and the drafts of runs that wait."""

from __future__ import annotations

from functools import partial
from typing import Any

from roamclear.aws import inbox
from roamclear.aws.compose import context as compose
from roamclear.aws.observe import logger
from roamclear.kernel.context import Context
from roamclear.kernel.retry import each
from roamclear.rehearsal import working
from roamclear.rehearsal.service import wanted


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """An "Object Created" event of the inbox, an S3 notification, or a schedule, which asks the table."""
    ctx = compose()
    done = [one.rehearsal_id for one in each(_keys(ctx, event), partial(working.work, ctx))]
    logger.info("rehearsals", extra={"rehearsals": len(done)})
    return {"rehearsals": done}


def _keys(ctx: Context, event: dict[str, Any]) -> list[str]:
    """The requests named by the event, or all that wait."""
    named = inbox.named(event)
    if named is None:
        return working.waiting(ctx)
    return [key for key in named if wanted(key) is not None]
