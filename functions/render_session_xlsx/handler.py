"""Writes the session list of a run's documents."""

from __future__ import annotations

from typing import Any

from roamclear.aws.compose import context as compose
from roamclear.aws.observe import logger
from roamclear.aws.tasks import named
from roamclear.packages import service as packages

#: The next part of a list is begun while as much is left as one of 300,000 sessions takes.
RESERVE_MS = 600_000


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Task of the month close: {issuer_id, run_id}; sums equal the document to the cent or nothing is written.

    MORE calls again for the next part.
    """
    issuer_id, run_id = named(event, "issuer_id", "run_id")
    keys = packages.render_sessions(
        compose(), issuer_id, run_id, lambda: context.get_remaining_time_in_millis() > RESERVE_MS
    )
    return {"outcome": "MORE"} if keys is None else {"outcome": "DRAWN", "keys": keys}
