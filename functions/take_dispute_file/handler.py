"""Looks at what people posted for disputes: evidence and sheets; every hour at what an event lost."""

from __future__ import annotations

from functools import partial
from typing import Any

from roamclear.aws import inbox
from roamclear.aws.compose import context as compose
from roamclear.aws.observe import logger
from roamclear.disputes import uploads
from roamclear.kernel.retry import each
from roamclear.mode import service as mode


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """An "Object Created" event of the inbox, an S3 notification, or a schedule, which lists the inbox."""
    ctx = compose()
    mode.require_normal(ctx)
    keys = inbox.named(event)
    if keys is None:
        keys = uploads.waiting(ctx, ctx.objects.keys("inbox", uploads.FOLDER))
    states = each(keys, partial(uploads.take, ctx))
    logger.info("files of disputes", extra={"files": len(states)})
    return {"files": states}
