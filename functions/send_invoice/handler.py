"""Mails a run's documents or signed links to them."""

from __future__ import annotations

from typing import Any

from roamclear.aws.compose import context as compose
from roamclear.aws.observe import logger
from roamclear.packages import service as packages


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Task of the month close: {issuer_id, run_id}; each document is mailed once."""
    return {"messages": packages.send(compose(), event["issuer_id"], event["run_id"])}
