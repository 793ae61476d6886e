"""Checks the input of a close and creates its run once."""

from __future__ import annotations

from typing import Any

from roamclear.aws.compose import context as compose
from roamclear.aws.observe import logger
from roamclear.aws.tasks import named
from roamclear.billing import service as billing
from roamclear.billing.model import RunRequest


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """First task of the month close: {issuer_id, contract_id, period, kind}."""
    issuer_id, contract_id, period, kind = named(event, "issuer_id", "contract_id", "period", "kind")
    request = RunRequest(issuer_id=issuer_id, contract_id=contract_id, period=period, kind=kind)
    run = billing.prepare(compose(), request)
    outcome = "ALREADY_DONE" if run.state in ("SENT", "SETTLED", "CARRIED") else "READY"
    return {"outcome": outcome, "issuer_id": run.issuer_id, "run_id": run.run_id}
