"""Takes what the mail service reports of a mail: bounces, complaints, refusals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from roamclear.aws.compose import context as compose
from roamclear.aws.observe import logger
from roamclear.deliveries import service as deliveries
from roamclear.kernel import numbers_json
from roamclear.kernel.errors import InvalidInput


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """An SES event of the default bus, or the same by SNS; taken again it changes nothing."""
    told = [failure for one in _events(event) if (failure := deliveries.read_failure(one)) is not None]
    ctx = compose()
    done = [deliveries.take(ctx, failure) for failure in told]
    logger.info("mail events", extra={"done": done})
    return {"done": done}


def _events(event: Mapping[str, Any]) -> list[dict[str, Any]]:
    if "Records" in event:
        found = [numbers_json.loads(record["Sns"]["Message"]) for record in event["Records"]]
    else:
        found = [event.get("detail")]
    if not all(isinstance(one, dict) for one in found):
        raise InvalidInput("this is no event of the mail service", field="detail")
    return found
