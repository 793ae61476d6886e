"""How what is left of a body names itself, so that it is known offline too. Pure."""

from __future__ import annotations

from pydantic import ValidationError

from roamclear.kernel import numbers_json
from roamclear.kernel.errors import InvalidInput
from roamclear.kernel.record import Record

#: The field that says so; no OCPI object has one of this name.
MARK = "roamclear_detail"


class Expired(Record):
    """A session whose detail has expired: the hash of the bytes that came is kept, the bytes are not."""

    cdr_ref: str
    sha256: str
    expired_at: str


def expired(body: bytes) -> Expired | None:
    """What a body says of itself that was given up, or None where it is a body as it came.

    >>> expired(b'{"id": "CDR-1"}') is None
    True
    """
    if MARK.encode() not in body:
        return None
    try:
        value = numbers_json.loads(body)
        return Expired.load(value) if isinstance(value, dict) and value.get(MARK) == "EXPIRED" else None
    except (InvalidInput, ValidationError, ValueError):
        return None
