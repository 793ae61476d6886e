"""Small helpers of the XML writers: exact numbers and clean text."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal

from roamclear.kernel.money import Money

#: What XML 1.0 cannot carry at all (section 2.2).
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def clean(text: str) -> str:
    """The text without characters that XML 1.0 forbids and without outer blanks.

    >>> clean(" a\\x00b ")
    'ab'
    """
    if text.isalnum():
        return text
    return _FORBIDDEN.sub("", text).strip()


def number(value: Decimal) -> str:
    """A decimal without exponent and trailing zeros.

    >>> number(Decimal("1E+2")), number(Decimal("12.500")), number(Decimal("0.0"))
    ('100', '12.5', '0')
    """
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def amount(value: Money) -> str:
    """An amount in major units with all its places.

    >>> amount(Money(-5, "EUR"))
    '-0.05'
    """
    return format(value.to_decimal(), "f")


def day(value: date) -> str:
    """A calendar day as format 102 of UNTDID 2379.

    >>> day(date(2026, 10, 1))
    '20261001'
    """
    return value.strftime("%Y%m%d")
