"""Structured creditor reference (ISO 11649): ``RF``, two check digits, up to 21 characters."""

from __future__ import annotations

import re

from stdnum import iso11649

from roamclear.kernel.errors import InvalidInput


def compact(text: str) -> str:
    """Upper case, letters and digits only.

    >>> compact("rf18 5390 0754 7034")
    'RF18539007547034'
    """
    return re.sub(r"[^A-Z0-9]", "", text.upper())


def validate(text: str) -> str:
    """The compact reference, or ``InvalidInput``.

    >>> validate("RF18 5390 0754 7034")
    'RF18539007547034'
    """
    plain = compact(text)
    if not plain.startswith("RF") or not 5 <= len(plain) <= 25 or not iso11649.is_valid(plain):
        raise InvalidInput("not a creditor reference of ISO 11649", field="reference")
    return plain


def is_valid(text: str) -> bool:
    """Whether ``validate`` takes it.

    >>> is_valid("RF19539007547034")
    False
    """
    try:
        validate(text)
    except InvalidInput:
        return False
    return True


def make(body: str) -> str:
    """The reference for a body of at most 21 letters and digits (anything else in it is dropped).

    >>> make("539007547034")
    'RF18539007547034'
    """
    plain = compact(body)
    if not 1 <= len(plain) <= 21:
        raise InvalidInput("the body has 1 to 21 letters and digits", field="reference")
    digits = "".join(str(int(c, 36)) for c in plain + "RF00")
    return f"RF{98 - int(digits) % 97:02d}{plain}"


def body(reference: str) -> str:
    """What stands behind the check digits.

    >>> body("RF18539007547034")
    '539007547034'
    """
    return validate(reference)[4:]


def format(text: str) -> str:
    """Groups of four.

    >>> format("RF18539007547034")
    'RF18 5390 0754 7034'
    """
    plain = compact(text)
    return " ".join(plain[i : i + 4] for i in range(0, len(plain), 4))
