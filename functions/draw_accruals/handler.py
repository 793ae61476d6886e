"""Draws the accrual packs that were asked for, and every hour what an event lost."""

from __future__ import annotations

from functools import partial
from typing import Any

from roamclear.aws import inbox
from roamclear.aws.compose import context as compose
from roamclear.aws.observe import logger
from roamclear.kernel.retry import each
from roamclear.status import drawing, packs


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """An "Object Created" event of the inbox, an S3 notification, or a schedule, which lists the inbox."""
    ctx = compose()
    due = inbox.due(event, packs.wanted, partial(drawing.waiting, ctx))
    drawn = [key for keys in each(due, partial(drawing.draw, ctx)) for key in keys]
    logger.info("accrual packs", extra={"files": len(drawn)})
    return {"keys": drawn}
