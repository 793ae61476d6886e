"""Writes the session list of a run's documents."""

from __future__ import annotations

from typing import Any

from roamclear.aws.compose import context as compose
from roamclear.aws.observe import logger
from roamclear.aws.tasks import named
from roamclear.packages import service as packages


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Task of the month close: {issuer_id, run_id}; sums equal the document to the cent or nothing is written."""
    issuer_id, run_id = named(event, "issuer_id", "run_id")
    return {"keys": packages.render_sessions(compose(), issuer_id, run_id)}
