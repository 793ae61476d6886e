"""Keeps what changed in the tables beside them, for the way forward after a restore."""

from __future__ import annotations

from typing import Any

from roamclear.aws import changes
from roamclear.aws.compose import context as compose
from roamclear.aws.observe import logger


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """DynamoDB stream of intake or clearing; a batch has a deterministic key and bytes."""
    kept = changes.keep(compose().objects, event.get("Records", []))
    logger.info("kept", extra={"object": kept})
    return {"batchItemFailures": []}
