"""After a restore: compares the tables with the archive, and with {"apply": true} brings them forward."""

from __future__ import annotations

from typing import Any

from roamclear.aws.compose import context as compose
from roamclear.aws.observe import logger
from roamclear.kernel.time import parse_instant
from roamclear.recovery import service as recovery


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """{apply?, since?} by an operator of the account; it may run again, and goes on where it was stopped."""
    since = parse_instant(event["since"], field="since") if event.get("since") else None
    report = recovery.recover(compose(), apply=bool(event.get("apply")), since=since)
    told = report.dump() | {"clean": report.clean}
    logger.info("recovery", extra={"clean": report.clean, "replayed": report.replayed})
    return told
