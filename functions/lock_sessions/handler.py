"""Locks a run by one conditional write and flags its members."""

from __future__ import annotations

from typing import Any

from roamclear.aws.compose import context as compose
from roamclear.aws.observe import logger
from roamclear.aws.tasks import named
from roamclear.billing import service as billing


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Task of the month close: {issuer_id, run_id}; NOT_YET sends the run back to its gate."""
    issuer_id, run_id = named(event, "issuer_id", "run_id")
    return billing.lock_outcome(compose(), issuer_id, run_id)
