"""Rehearses closes that were asked for, and every five minutes what an event lost and the drafts of runs that wait."""

from __future__ import annotations

from functools import partial
from typing import Any

from roamclear.aws import inbox
from roamclear.aws.compose import context as compose
from roamclear.aws.observe import logger
from roamclear.kernel.retry import each
from roamclear.rehearsal import working
from roamclear.rehearsal.service import wanted


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """An "Object Created" event of the inbox, an S3 notification, or a schedule, which asks the table."""
    ctx = compose()
    due = inbox.due(event, wanted, partial(working.waiting, ctx))
    done = [one.rehearsal_id for one in each(due, partial(working.work, ctx))]
    logger.info("rehearsals", extra={"rehearsals": len(done)})
    return {"rehearsals": done}
