"""When two bodies say the same (rules.md 4): one canonical text per content, and its hash.

Keys sorted, null is absent, numbers by value, DateTimes by instant, CiStrings folded, ``last_updated`` ignored.
"""

from __future__ import annotations

import hashlib
import re
from decimal import Decimal
from json.encoder import encode_basestring_ascii
from typing import Any

from roamclear.kernel.errors import InvalidInput
from roamclear.kernel.time import format_instant, parse_instant

#: Fields of type CiString in CDRs of any version (OCPI types, CiString), with ``auth_id``, 2.1.1's contract id.
_FOLDED = frozenset(
    {
        "auth_id", "authorization_reference", "connector_id", "contract_id", "country_code", "credit_reference_id",
        "encoding_method", "evse_id", "evse_uid", "id", "invoice_reference_id", "nature", "party_id", "session_id",
        "tariff_id", "uid",
    }
)  # fmt: skip
_INSTANTS = frozenset({"start_date_time", "end_date_time", "stop_date_time"})
_IGNORED = "last_updated"
_PLAIN_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)


def content_hash(value: Any) -> str:
    """SHA-256 of the canonical text, hexadecimal; equal for two bodies exactly if they have the same content.

    >>> content_hash({"id": "a", "n": Decimal("1.50"), "x": None}) == content_hash({"n": Decimal("1.5"), "id": "A"})
    True
    """
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def canonical(value: Any) -> str:
    """The canonical JSON text of a parsed value (numbers as ``int`` or ``Decimal``).

    >>> canonical({"b": Decimal("2.0"), "a": [None, True], "last_updated": "x", "party_id": "abc"})
    '{"a":[null,true],"b":2,"party_id":"ABC"}'
    """
    if isinstance(value, dict):
        return _object(value)
    if isinstance(value, list):
        return "[" + ",".join([canonical(part) for part in value]) + "]"
    if isinstance(value, str):
        return encode_basestring_ascii(value)
    if isinstance(value, Decimal):
        return number(value)
    if value is None or value is True or value is False:
        return "null" if value is None else "true" if value else "false"
    return str(value)


def _object(value: dict[str, Any]) -> str:
    # Every CDR passes here inside its POST: texts are the many, so they are written without a further call.
    parts: list[str] = []
    for key in sorted(value):
        part = value[key]
        if part is None or key == _IGNORED:
            continue
        if type(part) is not str:
            text = canonical(part)
        elif key in _FOLDED:
            text = encode_basestring_ascii(part.upper())
        elif key in _INSTANTS:
            text = encode_basestring_ascii(_instant(part))
        else:
            text = encode_basestring_ascii(part)
        parts.append(encode_basestring_ascii(key) + ":" + text)
    return "{" + ",".join(parts) + "}"


def _instant(value: str) -> str:
    if _PLAIN_INSTANT.fullmatch(value):
        return value
    try:
        return format_instant(parse_instant(value))
    except (InvalidInput, OverflowError):
        return value


def number(value: Decimal) -> str:
    """A number by its value, whatever digits were sent.

    >>> number(Decimal("1.500")), number(Decimal("-0.0")), number(Decimal("1E+2"))
    ('1.5', '0', '100')
    """
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
