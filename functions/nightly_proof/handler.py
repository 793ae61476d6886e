"""Recomputes the proof of rules.md 8 from stored data and retries what waits."""

from __future__ import annotations

from time import sleep
from typing import Any

from roamclear.aws.compose import context as compose
from roamclear.aws.observe import logger, parked
from roamclear.facts import proof
from roamclear.facts import service as facts
from roamclear.mode import service as mode


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """A schedule, nightly, or {"issuer_id": …} by hand; a broken equation is an exception and an alarm."""
    ctx = compose()
    found = proof.prove_all(ctx, only=event.get("issuer_id"), pause=sleep)
    freed = facts.nightly(ctx, parked) if event.get("retry", True) and not mode.recovering(ctx) else {}
    broken = [e.dump() for e in found if not e.holds]
    told = {"equations": len(found), "broken": broken}
    logger.error("proof failed", extra=told) if broken else logger.info("proof holds", extra=told)
    return {"holds": not broken, "equations": [e.dump() | {"holds": e.holds} for e in found], **freed}
