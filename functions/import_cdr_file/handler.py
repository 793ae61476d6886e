"""Takes in CDRs from a file that arrived in the inbox, and every hour what an event lost."""

from __future__ import annotations

from typing import Any

from functions.import_cdr_file.sheet import read_sheet
from roamclear.aws import inbox
from roamclear.aws.compose import context as compose
from roamclear.aws.observe import logger
from roamclear.kernel.retry import each
from roamclear.ocpi import backfill


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """An "Object Created" event of the inbox, an S3 notification, or a schedule, which lists the inbox."""
    ctx = compose()
    due = inbox.due(event, backfill.is_file, lambda: backfill.waiting(ctx.objects.keys("inbox", backfill.FOLDER)))
    found = each(due, lambda key: backfill.import_file(ctx, key, read_sheet))
    done = [{"result": one.result_key, "rows": len(one.outcomes)} for one in found]
    logger.info("cdr files", extra={"files": len(done), "rows": sum(len(one.outcomes) for one in found)})
    return {"files": done}
