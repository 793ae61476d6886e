"""Keeps the task token of a gate until the clock, or a person, says go."""

from __future__ import annotations

from typing import Any

from roamclear.aws.compose import context as compose
from roamclear.aws.observe import logger
from roamclear.aws.tasks import named
from roamclear.billing import service as billing


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, str]:
    """Task with a token: {issuer_id, run_id, gate, task_token}."""
    issuer_id, run_id, gate, task_token = named(event, "issuer_id", "run_id", "gate", "task_token")
    billing.park(compose(), issuer_id, run_id, gate, task_token)
    return {"parked": gate}
