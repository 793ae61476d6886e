"""Which objects of the inbox an event is about."""

from __future__ import annotations

from collections.abc import Callable
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


def due(event: dict[str, Any], mine: Callable[[str], object], waiting: Callable[[], list[str]]) -> list[str]:
    """The objects that an event names and a function works on, or all that wait for it.

    >>> due({"Records": [{"s3": {"object": {"key": k}}} for k in ("a", "b")]}, lambda key: key == "a", list)
    ['a']
    >>> due({"reason": "schedule"}, bool, lambda: ["c"])
    ['c']
    """
    keys = named(event)
    return waiting() if keys is None else [key for key in keys if mine(key)]
