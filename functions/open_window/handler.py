"""Decides the members of a run once and opens its control window."""

from __future__ import annotations

from typing import Any

from roamclear.aws.compose import context as compose
from roamclear.aws.observe import logger
from roamclear.aws.tasks import named
from roamclear.billing import service as billing

#: What the one pass over all members needs behind the last one that joined.
RESERVE_MS = 180_000


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Task of the month close: {issuer_id, run_id}; NOT_YET sends the run back to its gate, MORE calls again."""
    issuer_id, run_id = named(event, "issuer_id", "run_id")
    ctx = compose()
    if ctx.now() < billing.run(ctx, issuer_id, run_id).opens_at_utc:
        return {"outcome": "NOT_YET"}
    run = billing.open_window(ctx, issuer_id, run_id, lambda: context.get_remaining_time_in_millis() > RESERVE_MS)
    if run.state == "GRACE":
        return {"outcome": "MORE"}
    return {"outcome": "NOTHING_TO_BILL" if run.state == "SETTLED" else "OPEN", "members": run.members}
