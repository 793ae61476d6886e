"""Locks a run by one conditional write and flags its members."""

from __future__ import annotations

from typing import Any

from roamclear.aws.compose import context as compose
from roamclear.aws.observe import logger
from roamclear.aws.tasks import named
from roamclear.billing import service as billing

#: What the one pass over all members needs behind the last one that was flagged.
RESERVE_MS = 240_000


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Task of the month close: {issuer_id, run_id}; NOT_YET sends the run back to its gate, MORE calls again."""
    issuer_id, run_id = named(event, "issuer_id", "run_id")
    return billing.lock_outcome(
        compose(), issuer_id, run_id, lambda: context.get_remaining_time_in_millis() > RESERVE_MS
    )
