"""Draws the conformance certificates of partners that have no paper yet."""

from __future__ import annotations

from typing import Any

from roamclear.aws.compose import context as compose
from roamclear.aws.observe import logger
from roamclear.ocpi import certificate_papers


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """A schedule (every issuer), or {issuer_id} by hand; what was drawn once stays."""
    drawn = certificate_papers.draw_due(compose(), only=event.get("issuer_id"))
    logger.info("certificates", extra={"drawn": len(drawn)})
    return {"drawn": drawn}
