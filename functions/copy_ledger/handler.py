"""Copies each ledger and audit entry to the Object-Lock bucket."""

from __future__ import annotations

from typing import Any

from roamclear.aws.compose import context as compose
from roamclear.aws.observe import logger
from roamclear.aws.stream import new_rows
from roamclear.retention.service import keep_entries


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """DynamoDB stream of ledger or audit; an entry's copy has a deterministic key and bytes."""
    kept = keep_entries(compose(), new_rows(event))
    logger.info("copied", extra={"entries": kept})
    return {"batchItemFailures": []}
