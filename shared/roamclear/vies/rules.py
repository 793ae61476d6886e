"""What is asked of VIES and how its answers are read. Pure.

The service answers one number per POST at ``/check-vat-number``. Faults come with an HTTP status of their own or with
200, as ``errorWrappers`` or as ``userError``; none of them says anything about the number. Free of charge, without a
key, but with limits of concurrent requests per service and per member state: numbers are asked one after the other.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from roamclear.kernel import numbers_json
from roamclear.kernel.errors import InvalidInput
from roamclear.vies.model import Answer, Fault, Reach

HOSTS = frozenset({"ec.europa.eu"})
PATH = "/check-vat-number"
#: A proof is renewed after this time: four tries before it is too old for a document (30 days).
RENEW = timedelta(days=7)
#: The first pause after a fault; it doubles up to a day.
RETRY = timedelta(hours=1)
_MOST_DOUBLINGS = 5
_MOST_BYTES = 20_000
#: VIES writes Greece as EL.
_PREFIX = {"GR": "EL"}
_STATE = frozenset({"MS_UNAVAILABLE", "TIMEOUT", "MS_MAX_CONCURRENT_REQ", "MS_MAX_CONCURRENT_REQ_TIME"})
_NUMBER = frozenset({"INVALID_INPUT", "INVALID_REQUESTER_INFO", "VAT_BLOCKED"})
_SERVICE = frozenset({
    "SERVICE_UNAVAILABLE", "SERVER_BUSY", "GLOBAL_MAX_CONCURRENT_REQ", "GLOBAL_MAX_CONCURRENT_REQ_TIME", "IP_BLOCKED",
})  # fmt: skip
_REQUEST_ID = re.compile(r"[A-Za-z0-9_.:-]{1,64}", re.ASCII)
_CODE = re.compile(r"[A-Z][A-Z0-9_]{1,60}", re.ASCII)


def prefix(number: str) -> str:
    """The member state of a number as VIES writes it.

    >>> prefix("GR094259216"), prefix("DE136695976")
    ('EL', 'DE')
    """
    return _PREFIX.get(number[:2], number[:2])


def question(number: str, requester: str | None) -> bytes:
    """The body of a request; who asks is named, so that VIES gives a consultation number.

    >>> question("DE136695976", None)
    b'{"countryCode":"DE","vatNumber":"136695976"}'
    """
    body = {"countryCode": prefix(number), "vatNumber": number[2:]}
    if requester is not None:
        body |= {"requesterMemberStateCode": prefix(requester), "requesterNumber": requester[2:]}
    return numbers_json.dumps(body).encode()


def read(number: str, status: int, body: bytes) -> Answer | Fault:
    """An answer about exactly this number, or the fault that came instead.

    >>> read("DE136695976", 500, b'{"actionSucceed":false,"errorWrappers":[{"error":"MS_UNAVAILABLE"}]}').code
    'MS_UNAVAILABLE'
    """
    if len(body) > _MOST_BYTES:
        return Fault(code="ANSWER_TOO_LONG", reach=Reach.NUMBER)
    try:
        said = numbers_json.loads(body, limit_bytes=_MOST_BYTES)
        raw = body.decode()
    except (InvalidInput, UnicodeDecodeError):
        return _fault("SERVICE_UNAVAILABLE" if status != 200 else "ANSWER_UNREADABLE")
    if not isinstance(said, dict):
        return _fault("ANSWER_UNREADABLE")
    code = _code(said)
    if code is not None:
        return _fault(code)
    if status == 429:
        return _fault("GLOBAL_MAX_CONCURRENT_REQ")
    if status != 200:
        return _fault("SERVICE_UNAVAILABLE")
    if not isinstance(said.get("valid"), bool):
        return _fault("ANSWER_UNREADABLE")
    if said.get("countryCode") != prefix(number) or said.get("vatNumber") != number[2:]:
        return _fault("ANSWER_OF_ANOTHER_NUMBER")
    given = said.get("requestIdentifier")
    known = isinstance(given, str) and _REQUEST_ID.fullmatch(given) is not None
    return Answer(
        valid=said["valid"],
        request_id=str(given) if known else None,
        name=_text(said.get("name"), 200),
        address=_text(said.get("address"), 400),
        raw=raw,
    )


def no_answer() -> Fault:
    """The fault of a call that was not answered in time: some member states are slow, others answer."""
    return Fault(code="NO_ANSWER", reach=Reach.STATE)


def pause_after(failures: int) -> timedelta:
    """How long a number rests after so many faults in a row.

    >>> [pause_after(n).total_seconds() / 3600 for n in (1, 2, 3, 9)]
    [1.0, 2.0, 4.0, 24.0]
    """
    return min(RETRY * (1 << min(failures - 1, _MOST_DOUBLINGS)), timedelta(days=1))


def _code(said: dict[str, Any]) -> str | None:
    wrappers = said.get("errorWrappers")
    if isinstance(wrappers, list) and wrappers and isinstance(wrappers[0], dict):
        return str(wrappers[0].get("error") or "UNKNOWN")
    if said.get("actionSucceed") is False:
        return "UNKNOWN"
    told = said.get("userError")
    return str(told) if told in _STATE | _NUMBER | _SERVICE else None


def _fault(code: str) -> Fault:
    code = code if _CODE.fullmatch(code) else "UNKNOWN"
    reach = Reach.STATE if code in _STATE else Reach.SERVICE if code in _SERVICE else Reach.NUMBER
    return Fault(code=code, reach=reach)


def _text(value: Any, most: int) -> str | None:
    """A line of text; VIES writes three hyphens for what a state does not disclose.

    >>> _text("---", 10), _text("A\\nB ", 10)
    (None, 'A, B')
    """
    if not isinstance(value, str):
        return None
    lines = [" ".join(line.split()) for line in value.splitlines()]
    text = ", ".join(line for line in lines if line)
    text = "".join(c for c in text if c.isprintable())[:most].strip()
    return None if text in ("", "---") else text
