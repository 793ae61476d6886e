"""Serves the pages of the console; it knows no table, no bucket and no person."""

from __future__ import annotations

from typing import Any

from roamclear.aws.settings import Settings
from roamclear.console.model import Place
from roamclear.console.service import serve


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """GET /console and below: a page or a file of it, 304 where the browser has it, 404 for anything else."""
    told = Settings.from_environment()
    place = Place(told.console_sign_in, told.console_client_id, told.console_uploads, told.console_paste_token)
    headers = event.get("headers") or {}
    answer = serve(place, str(event.get("rawPath", "")), headers.get("if-none-match"))
    return {"statusCode": answer.status, "headers": dict(answer.headers), "body": answer.body}
