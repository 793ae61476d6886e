"""Pages of lists: ``limit`` and ``cursor`` in the query, ``next`` in the answer (null at the end).

A cursor is the place of the last item that was given, so what is added or removed meanwhile moves nothing.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from functions.finance_api.http import Request
from roamclear.kernel.errors import InvalidInput

T = TypeVar("T")
#: The most items of an answer, and what is given where nobody says: an answer of Lambda ends at 6 MB.
MOST = 2000
_MOST_CURSOR = 1000


def limit_of(request: Request) -> int:
    """How many items the caller wants at most."""
    text = request.query("limit", str(MOST)) or ""
    if not (text.isascii() and text.isdigit()) or len(text) > 6 or not 1 <= int(text) <= MOST:
        raise InvalidInput(f"limit is 1 to {MOST}", field="limit")
    return int(text)


def after_of(request: Request) -> str:
    """The place behind which the page begins; the empty text is the beginning."""
    text = request.query("cursor")
    if not text:
        return ""
    try:
        return base64.b64decode(text[:_MOST_CURSOR] + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode()
    except (ValueError, binascii.Error) as error:
        raise InvalidInput("this is no cursor of ours", field="cursor") from error


def cursor_of(place: str) -> str:
    """The opaque text of a place."""
    return base64.urlsafe_b64encode(place.encode()).decode().rstrip("=")


def page(request: Request, items: Iterable[T], place: Callable[[T], str]) -> dict[str, Any]:
    """The page that a request asks for, in the order of the items' places, which are different from each other."""
    limit, after = limit_of(request), after_of(request)
    rest = sorted((found for each in items if (found := (place(each), each))[0] > after), key=lambda one: one[0])
    return {"items": [each for _, each in rest[:limit]], "next": _next(rest, limit)}


def _next(rest: list[tuple[str, T]], limit: int) -> str | None:
    return cursor_of(rest[limit - 1][0]) if len(rest) > limit else None
