"""Pages of lists: ``limit`` and ``cursor`` in the query, ``next`` in the answer (null at the end).

A cursor is the place of the last row that was looked at, so what is added or removed meanwhile moves nothing. It
belongs to its list and filter: another list refuses it by name. It opens nothing that its holder may not read.
"""

from __future__ import annotations

import base64
import binascii
from hashlib import sha256
from typing import Any

from functions.finance_api.http import Request
from roamclear.kernel.errors import InvalidInput
from roamclear.kernel.pages import Asked, Cut

#: The most items of an answer, and what is given where nobody says: an answer of Lambda ends at 6 MB.
MOST = 2000
_MOST_CURSOR = 1000
_MARK = 8


def asked(request: Request) -> Asked:
    """Which page a request asks for.

    Raises:
        InvalidInput: the limit is out of its bounds, or the cursor is none of this list.
    """
    text = request.query("limit", str(MOST)) or ""
    if not (text.isascii() and text.isdigit()) or len(text) > 6 or not 1 <= int(text) <= MOST:
        raise InvalidInput(f"limit is 1 to {MOST}", field="limit")
    return Asked(int(text), _after(request, request.query("cursor")))


def paged(request: Request, found: Cut[Any]) -> dict[str, Any]:
    """A page as it is answered."""
    return {"items": found.items, "next": cursor_of(request, found.next)}


def cursor_of(request: Request, place: str | None) -> str | None:
    """The opaque text of a place in the list that a request asks for; None at its end."""
    if place is None:
        return None
    return base64.urlsafe_b64encode(_mark(request) + place.encode()).decode().rstrip("=")


def _after(request: Request, text: str | None) -> str:
    """The place behind which the page begins; the empty text is the beginning."""
    if not text:
        return ""
    try:
        padded = text[:_MOST_CURSOR] + "=" * (-len(text[:_MOST_CURSOR]) % 4)
        whole = base64.b64decode(padded, altchars=b"-_", validate=True)
        place = whole[_MARK:].decode()
    except (ValueError, binascii.Error) as error:
        raise InvalidInput("this is no cursor of ours", field="cursor") from error
    if whole[:_MARK] != _mark(request) or not place:
        raise InvalidInput("this cursor belongs to another list or filter", field="cursor")
    return place


def _mark(request: Request) -> bytes:
    """What a cursor belongs to: issuer, path and filter."""
    return sha256(request.listing(without=("limit", "cursor")).encode()).digest()[:_MARK]
