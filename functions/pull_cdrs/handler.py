"""Reads from CPOs what their push missed."""

from __future__ import annotations

from time import sleep
from typing import Any

from roamclear.aws.compose import context as compose
from roamclear.aws.observe import logger
from roamclear.ocpi import pull

#: What is left of the time-out when the last stretch is begun; the next night goes on from the marks.
RESERVE_MS = 180_000


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """A schedule, nightly; by hand at any time, as often as wanted."""
    found = pull.pull_all(
        compose(), time_left=lambda: context.get_remaining_time_in_millis() > RESERVE_MS, pause=sleep, tell=_failed
    )
    done = [one.model_dump(include={"partner_id", "complete", "pushed", "pulled_only", "mismatched"}) for one in found]
    logger.info("pulled", extra={"partners": done})
    return {"partners": done}


def _failed(credential_id: str, error: Exception) -> None:
    logger.error("a pull failed", extra={"credential_id": credential_id}, exc_info=error)
