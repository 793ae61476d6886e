"""IBAN (ISO 13616): mod 97, length and national structure, by python-stdnum."""

from __future__ import annotations

from stdnum import iban as _iban
from stdnum.exceptions import ValidationError

from roamclear.kernel.errors import InvalidInput


def compact(text: str) -> str:
    """Upper case without blanks.

    >>> compact("de89 3704 0044 0532 0130 00")
    'DE89370400440532013000'
    """
    return str(_iban.compact(text)).upper()


def validate(text: str) -> str:
    """The compact IBAN, or ``InvalidInput``.

    >>> validate("DE89 3704 0044 0532 0130 00")
    'DE89370400440532013000'
    """
    try:
        return str(_iban.validate(text))
    except ValidationError as error:
        raise InvalidInput("the IBAN is not valid (ISO 13616)", field="iban") from error


def is_valid(text: str) -> bool:
    """Whether ``validate`` takes it.

    >>> is_valid("DE00370400440532013000")
    False
    """
    return bool(_iban.is_valid(text))


def format(text: str) -> str:
    """Groups of four.

    >>> format("DE89370400440532013000")
    'DE89 3704 0044 0532 0130 00'
    """
    plain = compact(text)
    return " ".join(plain[i : i + 4] for i in range(0, len(plain), 4))


def mask(text: str) -> str:
    """Country and last four, for lists and logs.

    >>> mask("DE89370400440532013000")
    'DE** 3000'
    """
    plain = compact(text)
    return f"{plain[:2]}** {plain[-4:]}"
