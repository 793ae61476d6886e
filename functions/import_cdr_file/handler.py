"""Takes in CDRs from a file that arrived in the inbox, and every hour what an event lost."""

from __future__ import annotations

from typing import Any

from functions.import_cdr_file.sheet import read_sheet
from roamclear.aws import inbox
from roamclear.aws.compose import context as compose
from roamclear.aws.observe import logger
from roamclear.kernel.context import Context
from roamclear.ocpi import backfill


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """An "Object Created" event of the inbox, an S3 notification, or a schedule, which lists the inbox."""
    ctx = compose()
    found = [backfill.import_file(ctx, key, read_sheet) for key in _keys(ctx, event)]
    done = [{"result": one.result_key, "rows": len(one.outcomes)} for one in found]
    logger.info("cdr files", extra={"files": len(done), "rows": sum(len(one.outcomes) for one in found)})
    return {"files": done}


def _keys(ctx: Context, event: dict[str, Any]) -> list[str]:
    """The files named by the event, or all that wait."""
    named = inbox.named(event)
    if named is None:
        return backfill.waiting(ctx.objects.keys("inbox", backfill.FOLDER))
    return [key for key in named if backfill.is_file(key)]
