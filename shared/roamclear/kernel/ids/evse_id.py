"""EVSE id (ISO 15118 / eMI3): ``DE*ABC*E123``; stars are optional and case does not count."""

from __future__ import annotations

import re

from roamclear.kernel.errors import InvalidInput

_FORM = re.compile(r"^[A-Z]{2}[A-Z0-9]{3}E[A-Z0-9]{1,42}$", re.ASCII)


def compact(text: str) -> str:
    """Fold an id so that two spellings of one EVSE are equal.

    >>> compact("fr*a23*e45b*78c") == compact("FRA23E45B78C")
    True
    """
    return re.sub(r"[*\-\s]", "", text).upper()


def alike(text: str) -> str:
    """What two spellings of one EVSE have in common in lists typed by people: O is read as 0.

    >>> alike("de*abc*eO1") == alike("DEABCE01")
    True
    """
    return compact(text).replace("O", "0")


def validate(text: str) -> str:
    """The folded id, or ``InvalidInput``.

    >>> validate("BE-BEC-E041503003")
    'BEBECE041503003'
    """
    folded = compact(text)
    if not _FORM.match(folded):
        raise InvalidInput(f"{text!r} is no EVSE id", field="evse_id")
    return folded


def is_valid(text: str) -> bool:
    """Whether ``validate`` takes it.

    >>> is_valid("#NA")
    False
    """
    try:
        validate(text)
    except InvalidInput:
        return False
    return True


def operator(text: str) -> str:
    """The operator's party part (first five characters of the folded id).

    >>> operator("DE*ABC*E1")
    'DEABC'
    """
    return compact(text)[:5]


def format(text: str) -> str:
    """The spelling with stars.

    >>> format("DEABCE123")
    'DE*ABC*E123'
    """
    folded = compact(text)
    return f"{folded[:2]}*{folded[2:5]}*{folded[5:]}"
