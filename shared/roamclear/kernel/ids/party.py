"""OCPI party id: ISO 3166-1 alpha-2 country and three characters (ISO 15118), compared without case."""

from __future__ import annotations

import re

from roamclear.kernel.errors import InvalidInput

_FORM = re.compile(r"^[A-Z]{2}[A-Z0-9]{3}$", re.ASCII)


def compact(country_code: str, party_id: str) -> str:
    """The folded five characters.

    >>> compact("de", "abc")
    'DEABC'
    """
    return f"{country_code}{party_id}".upper()


def validate(text: str) -> str:
    """The folded party, or ``InvalidInput``.

    >>> validate("DE*abc")
    'DEABC'
    """
    folded = text.upper().replace("*", "").replace("-", "")
    if not _FORM.match(folded):
        raise InvalidInput(f"{text!r} is no party id (two letters and three characters)", field="party_id")
    return folded


def is_valid(text: str) -> bool:
    """Whether ``validate`` takes it.

    >>> is_valid("D1ABC")
    False
    """
    try:
        validate(text)
    except InvalidInput:
        return False
    return True


def format(party: str) -> str:
    """Country and party with a star.

    >>> format("DEABC")
    'DE*ABC'
    """
    return f"{party[:2]}*{party[2:]}"
