"""Reading a page of a partner's Sender interface, as partners really send it (OCPI transport, pagination).

Pure: where the page begins and ends, which bytes are which object, and where the next page is.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

from roamclear.kernel.errors import InvalidInput
from roamclear.kernel.time import format_instant

#: Addresses in ``Link`` carry filters and opaque positions.
MAX_LINK = 2_000
# Numbers stay texts here: limits on digits are the intake's, so that one bad object does not spoil its page.
_DECODER = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=str, strict=False)
_BLANK = re.compile(r"[ \t\r\n]*")
_LINK = re.compile(r"<([^<>]*)>([^<]*)")
_REL = re.compile(r";\s*rel\s*=\s*\"?\s*([^\";,]*)", re.IGNORECASE)
_NATURAL = re.compile(r"\s*(\d{1,9})\s*", re.ASCII)


@dataclass(frozen=True, slots=True)
class SenderPage:
    """The objects of a page as the bytes they came in, the next address, and how many the sender says there are."""

    items: list[bytes]
    following: str | None
    total: int | None


def first_url(base: str, date_from: datetime, date_to: datetime, limit: int) -> str:
    """The first page of a stretch of time; the partner's own parameters stay.

    >>> from datetime import UTC
    >>> first_url("https://x.example/cdrs?k=1", datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 10, 2, tzinfo=UTC), 9)
    'https://x.example/cdrs?k=1&date_from=2026-10-01T00%3A00%3A00Z&date_to=2026-10-02T00%3A00%3A00Z&limit=9'
    """
    bounds = {"date_from": format_instant(date_from), "date_to": format_instant(date_to)}
    return _with(base, {**bounds, "limit": str(limit)})


def offset_url(url: str, offset: int) -> str:
    """The same list from an offset on, for senders that count but send no ``Link``.

    >>> offset_url("https://x.example/cdrs?limit=9&offset=9", 18)
    'https://x.example/cdrs?limit=9&offset=18'
    """
    return _with(url, {"offset": str(offset)})


def read_page(body: bytes, headers: dict[str, str], url: str) -> SenderPage:
    """A page by its body and lower-case headers; ``InvalidInput`` where it is none or tells no success."""
    total = _NATURAL.fullmatch(headers.get("x-total-count", ""))
    return SenderPage(objects_of(body), next_url(headers.get("link"), url), int(total[1]) if total else None)


def next_url(header: str | None, url: str) -> str | None:
    """The address of the next page; an empty header means there is none, as its absence does.

    >>> next_url('</cdrs?offset=9>; rel="next", </cdrs>; rel="first"', "https://x.example/cdrs")
    'https://x.example/cdrs?offset=9'
    >>> next_url("", "https://x.example/cdrs"), next_url("<>; rel=next", "https://x.example/cdrs")
    (None, None)
    """
    for match in _LINK.finditer(header or ""):
        address, rel = str(match[1]).strip(), _REL.search(match[2])
        if address and (rel is None or rel[1].strip().lower() == "next"):
            try:
                return urljoin(url, address)
            except ValueError:
                return address  # of no origin, so it is not followed
    return None


def same_origin(left: str, right: str) -> bool:
    """Whether two addresses have the same scheme, host and port (rules.md 4).

    >>> same_origin("https://x.example/a", "https://X.example:443/b"), same_origin("https://x.example", "https://y")
    (True, False)
    """
    try:
        return _origin(left) == _origin(right)
    except ValueError:
        return False


def objects_of(body: bytes) -> list[bytes]:
    """The objects of a list, each as its own bytes; a bare list and a single object are taken too.

    >>> objects_of(b'{"data":[{"a": 1.10} , 2],"status_code":1000}')
    [b'{"a": 1.10}', b'2']
    >>> objects_of(b'{"status_code":2001,"data":[]}')
    Traceback (most recent call last):
    roamclear.kernel.errors.InvalidInput: status_code 2001 is no success
    """
    try:
        text = body.decode("utf-8-sig")
        at = _skip(text, 0)
        if text[at : at + 1] == "[":
            found, at = _elements(text, at)
        else:
            found, at = _envelope(text, at)
        if _skip(text, at) != len(text):
            raise ValueError
    except (ValueError, IndexError, RecursionError) as error:
        if isinstance(error, InvalidInput):
            raise
        raise InvalidInput("the page is no JSON of a list", field="body") from error
    return found


def _envelope(text: str, at: int) -> tuple[list[bytes], int]:
    found: list[bytes] = []
    code = ""
    if text[at] != "{":
        raise ValueError
    at = _skip(text, at + 1)
    while text[at] != "}":
        key, at = _DECODER.raw_decode(text, at)
        at = _skip(text, at)
        if not isinstance(key, str) or text[at] != ":":
            raise ValueError
        at = _skip(text, at + 1)
        if key == "data" and text[at] == "[":
            found, at = _elements(text, at)
        else:
            start = at
            value, at = _DECODER.raw_decode(text, at)
            if key == "data" and isinstance(value, dict):
                found = [text[start:at].encode()]
            elif key == "status_code":
                code = str(value)
        at = _skip(text, at)
        if text[at] == ",":
            at = _skip(text, at + 1)
        elif text[at] != "}":
            raise ValueError
    if not re.fullmatch(r"1\d{3}", code, re.ASCII):
        raise InvalidInput(f"status_code {code[:20] or 'none'} is no success", field="status_code")
    return found, at + 1


def _elements(text: str, at: int) -> tuple[list[bytes], int]:
    found: list[bytes] = []
    at = _skip(text, at + 1)
    while text[at] != "]":
        start = at
        _, at = _DECODER.raw_decode(text, at)
        found.append(text[start:at].encode())
        at = _skip(text, at)
        if text[at] == ",":
            at = _skip(text, at + 1)
        elif text[at] != "]":
            raise ValueError
    return found, at + 1


def _skip(text: str, at: int) -> int:
    match = _BLANK.match(text, at)
    return match.end() if match else at


def _with(url: str, parameters: dict[str, str]) -> str:
    parts = urlsplit(url)
    kept = [(k, v) for k, v in parse_qsl(parts.query, keep_blank_values=True) if k not in parameters]
    return urlunsplit(parts._replace(query=urlencode([*kept, *parameters.items()]), fragment=""))


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"https": 443, "http": 80}.get(parts.scheme)
