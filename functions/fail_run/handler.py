"""Notes which step of a run gave up; a person looks and starts it again."""

from __future__ import annotations

from typing import Any

from roamclear.aws.compose import context as compose
from roamclear.aws.observe import logger
from roamclear.aws.tasks import named
from roamclear.billing import service as billing


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Catch of every task: {issuer_id, run_id, step, error}; a run that was never created is told by its input."""
    logger.error("run failed", extra={"step": event.get("step"), "error": event.get("error")})
    if not event.get("run_id"):
        billing.not_prepared(compose(), event.get("input"))
        return {"state": "NOT_CREATED"}
    issuer_id, run_id, step = named(event, "issuer_id", "run_id", "step")
    run = billing.fail(compose(), issuer_id, run_id, step, str(event.get("error", "")))
    return {"state": run.state.value, "failed_step": run.failed_step}
