"""Which objects of the inbox an event names."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote_plus


def named(event: dict[str, Any]) -> list[str] | None:
    """The keys of an "Object Created" event or an S3 notification (which alone encodes them); None of a schedule.

    >>> named({"detail-type": "Object Created", "detail": {"object": {"key": "a b"}}})
    ['a b']
    >>> named({"Records": [{"s3": {"object": {"key": "a+b"}}}]}), named({"reason": "schedule"})
    (['a b'], None)
    """
    if "Records" in event:
        return [unquote_plus(record["s3"]["object"]["key"]) for record in event["Records"]]
    if event.get("detail-type") == "Object Created":
        return [event["detail"]["object"]["key"]]
    return None
