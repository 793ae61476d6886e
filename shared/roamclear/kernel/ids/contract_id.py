"""Driver contract id (eMAID): ``DE-8AA-CA2B3C4D5-N``; separators and case do not count."""

from __future__ import annotations

import re

from roamclear.kernel.errors import InvalidInput

_FORM = re.compile(r"^[A-Z]{2}[A-Z0-9]{3}[A-Z0-9]{9}[A-Z0-9]?$", re.ASCII)


def compact(text: str) -> str:
    """Fold an id.

    >>> compact("DE-8AA-CA2B3C4D5-N")
    'DE8AACA2B3C4D5N'
    """
    return re.sub(r"[*\-\s]", "", text).upper()


def validate(text: str) -> str:
    """The folded id in the 14 or 15 character form, or ``InvalidInput``.

    >>> validate("DE8ACC12E46L89")
    'DE8ACC12E46L89'
    """
    folded = compact(text)
    if not _FORM.match(folded):
        raise InvalidInput("not an eMAID of 14 or 15 characters", field="contract_id")
    return folded


def is_valid(text: str) -> bool:
    """Whether ``validate`` takes it.

    >>> is_valid("C12345678")
    False
    """
    try:
        validate(text)
    except InvalidInput:
        return False
    return True


def provider(text: str) -> str | None:
    """The provider part of a well-formed id, else None.

    >>> provider("DE-8AA-CA2B3C4D5-N")
    'DE8AA'
    """
    return compact(text)[:5] if is_valid(text) else None


def format(text: str) -> str:
    """A masked spelling for documents and roles without need: provider and the last three characters stay.

    What is no eMAID (a card's uid, an id of another form) names no provider: of it the last three stay, and of a short
    one nothing.

    >>> format("DE-8AA-CA2B3C4D5-N"), format("04A2B3C4D5"), format("C1234567")
    ('DE8AA*******D5N', '*******4D5', '********')
    """
    folded = compact(text)
    if len(folded) <= 8:
        return "*" * len(folded)
    return (folded[:5] if is_valid(text) else "*****") + "*" * (len(folded) - 8) + folded[-3:]
