"""``Record``: the frozen base of every stored or passed fact."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Self

from pydantic import BaseModel, ConfigDict

from roamclear.kernel.money import Money
from roamclear.kernel.time import sort_instant


class Record(BaseModel):
    """A frozen, closed model that turns into the plain values a table keeps, and back, without loss.

    Decimals keep their digits, instants become fixed-width UTC texts, ``None`` is left out.
    """

    # Faults are logged; what they were found in (bank details, contract ids) is not.
    model_config = ConfigDict(
        frozen=True, extra="forbid", arbitrary_types_allowed=False, defer_build=True, hide_input_in_errors=True
    )

    def dump(self) -> dict[str, Any]:
        """Plain values for a table: str, int, Decimal, bool, bytes, list, dict."""
        return {name: plain(value) for name in type(self).model_fields if (value := getattr(self, name)) is not None}

    @classmethod
    def load(cls, item: dict[str, Any]) -> Self:
        """Read what ``dump`` wrote; attributes that are no fields (keys, index columns) are passed over."""
        return cls.model_validate({name: item[name] for name in cls.model_fields if name in item})


def plain(value: Any) -> Any:
    """One value as a table keeps it (see ``Record.dump``)."""
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, str | int | Decimal | bytes):
        return value
    if isinstance(value, datetime):
        return sort_instant(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Money):
        return {"amount_minor": value.amount_minor, "currency": value.currency}
    if isinstance(value, Record):
        return value.dump()
    if isinstance(value, dict):
        return {str(plain(k)): plain(v) for k, v in value.items() if v is not None}
    if isinstance(value, list | tuple | set | frozenset):
        parts = [plain(v) for v in value]
        return sorted(parts) if isinstance(value, set | frozenset) else parts
    raise TypeError(f"{type(value).__name__} is not a value a table keeps")
