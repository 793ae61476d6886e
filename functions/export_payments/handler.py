"""Writes the payment files of approved batches."""

from __future__ import annotations

from typing import Any

from roamclear.aws.compose import context as compose
from roamclear.aws.observe import logger
from roamclear.payouts import export


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """A schedule (every issuer), or {issuer_id} by hand; the same batch gives the same bytes under the same key."""
    done = export.export_all(compose(), only=event.get("issuer_id"))
    logger.info("payment files", extra={"files": len(done)})
    return {"files": [each.dump() for each in done]}
