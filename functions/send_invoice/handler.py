"""Mails a run's documents or signed links to them."""

from __future__ import annotations

from typing import Any

from roamclear.aws.compose import context as compose
from roamclear.aws.observe import logger
from roamclear.aws.tasks import named
from roamclear.packages import service as packages


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Task of the month close: {issuer_id, run_id}; each document is mailed once."""
    issuer_id, run_id = named(event, "issuer_id", "run_id")
    return {"messages": packages.send(compose(), issuer_id, run_id)}
