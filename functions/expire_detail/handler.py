"""Gives up the detail of sessions whose term is over."""

from __future__ import annotations

from typing import Any

from roamclear.aws.compose import context as compose
from roamclear.aws.observe import logger
from roamclear.privacy import service as privacy

#: What is left of the time-out when the last session is begun.
RESERVE_MS = 30_000


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """A schedule (every issuer), or {issuer_id} by hand; the next call goes on where this one stopped."""
    made = privacy.expire_all(
        compose(),
        only=event.get("issuer_id"),
        time_left=lambda: context.get_remaining_time_in_millis() > RESERVE_MS,
    )
    told = {r.issuer_id: {"sessions": r.sessions, "bodies": r.bodies, "waiting": r.waiting} for r in made}
    logger.info("detail", extra={"issuers": told})
    return told
