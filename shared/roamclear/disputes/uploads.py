"""What was posted to the inbox for disputes: evidence or a list; imported only by the function that reads files."""

from __future__ import annotations

from collections.abc import Iterable

from roamclear.disputes import evidence, list_file, lists, store
from roamclear.kernel.context import Context
from roamclear.kernel.errors import NotFound

#: Everything that people post for disputes lies below this in the inbox.
FOLDER = "disputes/"


def take(ctx: Context, object_key: str) -> str:
    """Look at one posted file; returns what it is now. What nobody announced stays where it is and reaches nobody."""
    try:
        if evidence.is_posted(object_key):
            return evidence.take(ctx, object_key).state
        return list_file.take(ctx, object_key).state
    except NotFound:
        return "UNKNOWN"


def waiting(ctx: Context, object_keys: Iterable[str]) -> list[str]:
    """The files of a listing that were announced and not looked at: what a lost event left behind (rules.md 10)."""
    return [key for key in object_keys if _waits(ctx, key)]


def _waits(ctx: Context, object_key: str) -> bool:
    if evidence.is_posted(object_key):
        _, issuer_id, _, number, place = object_key.split("/")
        file = store.evidence_file(ctx.db, issuer_id, number, int(place))
        return file is not None and file.state == "PENDING"
    found = lists.of_key(ctx, object_key)
    return found is not None and found.state == "PENDING"
