"""Draws and mails the copies that were asked for, and reads what access points reported."""

from __future__ import annotations

from typing import Any

from roamclear.aws.compose import context as compose
from roamclear.aws.observe import logger
from roamclear.packages import courier


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """A schedule (every issuer), or {issuer_id} by hand; what was done once stays done."""
    done = courier.work(compose(), only=event.get("issuer_id"))
    logger.info("deliveries", extra=dict(done))
    return done
