"""Rows out of DynamoDB stream events."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from roamclear.kernel.context import Row


def new_rows(event: dict[str, Any]) -> Iterator[Row]:
    """The new image of every inserted or changed row of a stream event, in order; removals carry none."""
    for record in event.get("Records", []):
        found = record.get("dynamodb", {}).get("NewImage")
        if record.get("eventName") in ("INSERT", "MODIFY") and found:
            yield image(found)


def image(typed: dict[str, Any]) -> Row:
    """A typed image of the wire as plain values."""
    return {name: _value(value) for name, value in typed.items()}


def _value(typed: dict[str, Any]) -> Any:
    kind, value = next(iter(typed.items()))
    if kind == "N":
        number = Decimal(value)
        return int(number) if number.as_tuple().exponent == 0 else number
    if kind == "B":
        return value if isinstance(value, bytes) else base64.b64decode(value)
    if kind == "M":
        return {k: _value(v) for k, v in value.items()}
    if kind == "L":
        return [_value(v) for v in value]
    return None if kind == "NULL" else value
