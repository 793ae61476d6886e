"""JSON whose numbers stay exact: read as ``Decimal``, written digit for digit (house.md 3)."""

from __future__ import annotations

import json
import re
from decimal import Decimal, DecimalException
from typing import Any

import simplejson

from roamclear.kernel.errors import InvalidInput

MAX_DEPTH = 32
MAX_DIGITS = 34
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]|[\ud800-\udfff]")


def _number(text: str) -> Decimal:
    try:
        value = Decimal(text)
    except DecimalException as error:
        raise InvalidInput("a number's exponent is out of every range", field="body") from error
    if len(text) <= MAX_DIGITS and "e" not in text and "E" not in text:
        return value
    if len(value.as_tuple().digits) > MAX_DIGITS or abs(value.adjusted()) > MAX_DIGITS:
        raise InvalidInput(f"a number has more than {MAX_DIGITS} digits", field="body")
    return value


def _integer(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise InvalidInput(f"a number has more than {MAX_DIGITS} digits", field="body")
    return int(text)


def _constant(text: str) -> Any:
    raise InvalidInput(f"{text} is no JSON number", field="body")


def loads(body: bytes | str, *, limit_bytes: int | None = None) -> Any:
    """Parse JSON with fractions as ``Decimal``; NaN, Infinity, deep nesting and endless digits are refused.

    >>> loads(b'{"a": 1.10, "b": 2}')
    {'a': Decimal('1.10'), 'b': 2}
    """
    if limit_bytes is not None and len(body) > limit_bytes:
        raise InvalidInput(f"the body has more than {limit_bytes} bytes", field="body")
    try:
        text = body.decode("utf-8-sig") if isinstance(body, bytes) else body
        if _SURROGATE.search(text):
            # Half of a character: it can be read, but never be written again.
            numbers = json.loads(text)
            json.dumps(numbers, ensure_ascii=False).encode()
        value = json.loads(text, parse_float=_number, parse_int=_integer, parse_constant=_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"the body is not JSON: {_short(error)}", field="body") from error
    _check_depth(value, MAX_DEPTH)
    return value


def dumps(value: Any, *, sort_keys: bool = False, indent: int | None = None) -> str:
    """Write JSON; Decimals keep their digits and never pass through a float.

    >>> dumps({"a": Decimal("1.10")})
    '{"a":1.10}'
    """
    return str(
        simplejson.dumps(
            value,
            use_decimal=True,
            allow_nan=False,
            ensure_ascii=False,
            sort_keys=sort_keys,
            indent=indent,
            separators=(",", ":") if indent is None else (",", ": "),
        )
    )


def _short(error: Exception) -> str:
    return str(error).splitlines()[0][:120] if str(error) else type(error).__name__


def _check_depth(value: Any, left: int) -> None:
    """Refuse what is nested too deeply, level by level."""
    level = [value]
    while level:
        if left < 0:
            raise InvalidInput(f"the body is nested deeper than {MAX_DEPTH}", field="body")
        left -= 1
        level = [
            part
            for node in level
            if type(node) is dict or type(node) is list
            for part in (node.values() if type(node) is dict else node)
            if type(part) is dict or type(part) is list
        ]
