"""Draws the statements and self-billed documents of payouts that have none yet."""

from __future__ import annotations

from typing import Any

from roamclear.aws.compose import context as compose
from roamclear.aws.observe import logger
from roamclear.mode import service as mode
from roamclear.payouts import rendering


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """A schedule (every issuer), or {issuer_id} by hand; what was drawn once stays."""
    ctx = compose()
    mode.require_normal(ctx)
    drawn = rendering.render_all(ctx, only=event.get("issuer_id"))
    logger.info("payout statements", extra={"drawn": len(drawn)})
    return {"drawn": drawn}
