"""Numbers and posts the documents of a locked run."""

from __future__ import annotations

from typing import Any

from roamclear.aws.compose import context as compose
from roamclear.aws.observe import logger
from roamclear.aws.tasks import named
from roamclear.billing import service as billing
from roamclear.packages.service import proof

#: What checks, one full render and the number need behind the last session that was read.
RESERVE_MS = 150_000


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Task of the month close: {issuer_id, run_id}; MORE calls again.

    All checks and one render come before the number is taken.
    """
    issuer_id, run_id = named(event, "issuer_id", "run_id")
    ctx = compose()
    run = billing.issue(ctx, issuer_id, run_id, proof(ctx), lambda: context.get_remaining_time_in_millis() > RESERVE_MS)
    if run.state == "FINALISING":
        return {"outcome": "MORE"}
    return {"outcome": "DONE", "state": run.state.value, "numbers": list(run.numbers)}
