"""Draws the lists of open windows that were asked for, and every hour what an event lost."""

from __future__ import annotations

from functools import partial
from typing import Any

from roamclear.aws import inbox
from roamclear.aws.compose import context as compose
from roamclear.aws.observe import logger
from roamclear.kernel.context import Context
from roamclear.kernel.retry import each
from roamclear.packages import window
from roamclear.packages.exporting import wanted


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """An "Object Created" event of the inbox, an S3 notification, or a schedule, which lists the inbox."""
    ctx = compose()
    drawn = [key for keys in each(_keys(ctx, event), partial(window.draw, ctx)) for key in keys]
    logger.info("lists of windows", extra={"files": len(drawn)})
    return {"keys": drawn}


def _keys(ctx: Context, event: dict[str, Any]) -> list[str]:
    """The requests named by the event, or all that wait."""
    named = inbox.named(event)
    if named is None:
        return window.waiting(ctx)
    return [key for key in named if wanted(key) is not None]
