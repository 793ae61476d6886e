"""VAT identification number of an EU member state, by python-stdnum."""

from __future__ import annotations

from stdnum.eu import vat as _vat

from roamclear.kernel.errors import InvalidInput


def compact(text: str) -> str:
    """Upper case without separators.

    >>> compact("de 136 695 976")
    'DE136695976'
    """
    return "".join(c for c in text.upper() if c.isalnum())


def validate(text: str) -> str:
    """The compact number, or ``InvalidInput``.

    >>> validate("DE 136695976")
    'DE136695976'
    """
    plain = compact(text)
    if not _vat.is_valid(plain):
        raise InvalidInput("not a VAT id of a member state", field="vat_id")
    return plain


def is_valid(text: str) -> bool:
    """Whether ``validate`` takes it.

    >>> is_valid("DE136695970")
    False
    """
    return bool(_vat.is_valid(compact(text)))


def format(text: str) -> str:
    """The compact spelling, as it is printed.

    >>> format("de136695976")
    'DE136695976'
    """
    return compact(text)
