"""Redirects a mailed link to a freshly signed address."""

from __future__ import annotations

from typing import Any

from roamclear.aws.compose import context as compose
from roamclear.aws.observe import logger
from roamclear.links.service import follow


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """GET /links/{token}: 302 to the object, 403 when the link is over or revoked, 404 when it never was one."""
    token = (event.get("pathParameters") or {}).get("token") or ""
    caller = event.get("requestContext", {}).get("http", {})
    source, program = str(caller.get("sourceIp", "")), str(caller.get("userAgent", ""))
    answer = follow(compose(), token, source=source, program=program)
    logger.info("link", extra={"status": answer.status})
    headers = {"content-type": "text/plain; charset=utf-8", "cache-control": "no-store"}
    if answer.location:
        headers["location"] = answer.location
    return {"statusCode": answer.status, "headers": headers, "body": answer.text}
