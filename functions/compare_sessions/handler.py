"""Compares partners' lists that arrived in the inbox, and every hour what an event lost."""

from __future__ import annotations

from functools import partial
from typing import Any

from roamclear.aws import inbox
from roamclear.aws.compose import context as compose
from roamclear.aws.observe import logger
from roamclear.compare import working
from roamclear.kernel.retry import each


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """An "Object Created" event of the inbox, an S3 notification, or a schedule, which lists the inbox."""
    ctx = compose()
    due = inbox.due(event, working.is_file, partial(working.waiting, ctx))
    found = each(due, partial(working.work, ctx))
    done = [{"comparison": one.comparison_id, "state": one.state.value, "rows": one.rows_there} for one in found]
    logger.info("comparisons", extra={"comparisons": len(done), "rows": sum(one.rows_there for one in found)})
    return {"comparisons": done}
