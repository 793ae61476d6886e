"""Closes a run."""

from __future__ import annotations

from typing import Any

from roamclear.aws.compose import context as compose
from roamclear.aws.observe import logger
from roamclear.aws.tasks import named
from roamclear.billing import service as billing


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Last task of the month close: {issuer_id, run_id}."""
    issuer_id, run_id = named(event, "issuer_id", "run_id")
    run = billing.finish(compose(), issuer_id, run_id)
    return {"state": run.state.value, "numbers": list(run.numbers)}
