"""Reading single OCPI values as partners really send them: permissive where the meaning is plain, exact always.

Every function names the field it could not read (``InvalidInput.field``), so that an answer to a partner can.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from roamclear.kernel.errors import InvalidInput
from roamclear.kernel.time import parse_instant
from roamclear.rating.exact import OUTWARD
from roamclear.rating.model import Price, PriceLimit, Tax

MAX_TEXT = 255
MAX_DIGITS = 34
#: Beyond any volume, price or total of a session, and small enough that sums of it stay within ``Money``.
MAX_VALUE = 10**9
_YEARS = range(1970, 3000)
_NUMBER = re.compile(r"-?\d{1,34}(\.\d{1,34})?([eE][+-]?\d{1,2})?", re.ASCII)
_CLOCK = re.compile(r"(\d{2}):(\d{2})(?::00)?", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


class Quirks:
    """Collects what had to be bent to read an object, each once, in order of appearance."""

    def __init__(self) -> None:
        self._seen: dict[str, None] = {}

    def note(self, code: str, field: str = "") -> None:
        """Remember ``CODE`` or ``CODE:field``."""
        self._seen.setdefault(f"{code}:{field}" if field else code)

    def all(self) -> tuple[str, ...]:
        """Everything noted so far."""
        return tuple(self._seen)


def mapping(value: Any, field: str) -> Mapping[str, Any]:
    """A JSON object, else ``InvalidInput``."""
    # A dict first: the question after an abstract class costs more than reading the field.
    if not isinstance(value, dict) and not isinstance(value, Mapping):
        raise InvalidInput(f"{field} is no object", field=field)
    return value


def rows(value: Any, field: str, limit: int) -> list[Any]:
    """A JSON list of at most ``limit`` entries; null and absent are an empty one."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise InvalidInput(f"{field} is no list", field=field)
    if len(value) > limit:
        raise InvalidInput(f"{field} has more than {limit} entries", field=field)
    return value


def text(obj: Mapping[str, Any], key: str, quirks: Quirks, prefix: str = "") -> str | None:
    """An optional string; numbers become text, longer ones than 255 characters are cut (the raw body keeps them)."""
    value = obj.get(key)
    if value is None:
        return None
    if type(value) is not str:
        if type(value) not in (int, Decimal):
            quirks.note("UNREADABLE", prefix + key)
            return None
        quirks.note("NUMBER_FOR_TEXT", prefix + key)
        value = str(value)
    if len(value) > MAX_TEXT:
        quirks.note("TEXT_CUT", prefix + key)
        value = value[:MAX_TEXT]
    return value.strip() or None


def required_text(obj: Mapping[str, Any], key: str, quirks: Quirks, limit: int, prefix: str = "") -> str:
    """A mandatory string of at most ``limit`` characters."""
    value = text(obj, key, quirks, prefix)
    if value is None:
        raise InvalidInput(f"{prefix + key} is missing", field=prefix + key)
    if len(value) > limit:
        raise InvalidInput(f"{prefix + key} has more than {limit} characters", field=prefix + key)
    return value


def number(value: Any, field: str, quirks: Quirks) -> Decimal:
    """A JSON number or the same written as a string; blanks, underscores and NaN are no numbers.

    >>> number("2.00", "price", Quirks())
    Decimal('2.00')
    """
    if type(value) is str:
        if _NUMBER.fullmatch(value) is None:
            raise InvalidInput(f"{field} is no number", field=field)
        quirks.note("NUMBER_AS_TEXT", field)
        value = Decimal(value)
    elif type(value) is int:
        value = Decimal(value)
    if type(value) is not Decimal or not value.is_finite():
        raise InvalidInput(f"{field} is no number", field=field)
    fault = out_of_bounds(value)
    if fault is not None:
        raise InvalidInput(f"{field} {fault}", field=field)
    return value


def out_of_bounds(value: Decimal) -> str | None:
    """What is wrong with the size of a number, None where nothing is."""
    if not -MAX_VALUE <= value <= MAX_VALUE:
        return f"is beyond {MAX_VALUE}"
    if OUTWARD.plus(value) != value or value.adjusted() < -MAX_DIGITS:
        return f"has more than {MAX_DIGITS} digits"
    return None


def optional_number(obj: Mapping[str, Any], key: str, quirks: Quirks) -> Decimal | None:
    """An optional number; one that cannot be read is noted and passed over."""
    if obj.get(key) is None:
        return None
    try:
        return number(obj[key], key, quirks)
    except InvalidInput:
        quirks.note("UNREADABLE", key)
        return None


def instant(obj: Mapping[str, Any], key: str, prefix: str = "") -> datetime:
    """A mandatory DateTime (see ``kernel.time.parse_instant`` for what is survived)."""
    field = prefix + key
    if obj.get(key) is None:
        raise InvalidInput(f"{field} is missing", field=field)
    try:
        found = parse_instant(obj[key], field=field)
    except OverflowError as error:
        raise InvalidInput(f"{field} lies outside the calendar", field=field) from error
    if found.year not in _YEARS:
        raise InvalidInput(f"{field} lies outside the years {_YEARS.start} to {_YEARS.stop - 1}", field=field)
    return found


def optional_instant(obj: Mapping[str, Any], key: str, quirks: Quirks) -> datetime | None:
    """An optional DateTime; one that cannot be read is noted and passed over."""
    if obj.get(key) is None:
        return None
    try:
        return instant(obj, key)
    except InvalidInput:
        quirks.note("UNREADABLE", key)
        return None


def flag(obj: Mapping[str, Any], key: str, quirks: Quirks) -> bool:
    """An optional boolean; the texts true and false are understood."""
    value = obj.get(key)
    if isinstance(value, str) and value.lower() in ("true", "false"):
        quirks.note("BOOLEAN_AS_TEXT", key)
        return value.lower() == "true"
    if value not in (None, True, False) or (isinstance(value, int) and not isinstance(value, bool)):
        quirks.note("UNREADABLE", key)
        return False
    return bool(value)


def price(value: Any, field: str, version: str, quirks: Quirks) -> Price:
    """A Price in any shape ever sent: a number (2.1.1), ``excl_vat`` (2.2.1) or ``before_taxes`` (2.3.0)."""
    if not isinstance(value, Mapping):
        if version != "2.1.1":
            quirks.note("PRICE_AS_NUMBER", field)
        return Price(excl_vat=number(value, field, quirks))
    if value.get("before_taxes") is not None:
        if version != "2.3.0":
            quirks.note("PRICE_OF_OTHER_VERSION", field)
        return _price_with_taxes(value, field, quirks)
    if version == "2.3.0":
        quirks.note("PRICE_OF_OTHER_VERSION", field)
    if value.get("excl_vat") is None:
        raise InvalidInput(f"{field} carries no amount without tax", field=field)
    excl = number(value["excl_vat"], f"{field}.excl_vat", quirks)
    incl = value.get("incl_vat")
    return Price(excl_vat=excl, incl_vat=None if incl is None else number(incl, f"{field}.incl_vat", quirks))


def _price_with_taxes(value: Mapping[str, Any], field: str, quirks: Quirks) -> Price:
    excl = number(value["before_taxes"], f"{field}.before_taxes", quirks)
    if value.get("taxes") is None:
        return Price(excl_vat=excl)
    taxes = tuple(
        _tax(row, f"{field}.taxes[{index}]", quirks)
        for index, row in enumerate(rows(value["taxes"], f"{field}.taxes", 20))
    )
    return Price(excl_vat=excl, incl_vat=sum((t.amount for t in taxes), excl), taxes=taxes)


def _tax(row: Any, field: str, quirks: Quirks) -> Tax:
    obj = mapping(row, field)
    percentage = obj.get("percentage")
    return Tax(
        name=text(obj, "name", quirks, field + ".") or "",
        amount=number(obj.get("amount"), f"{field}.amount", quirks),
        percentage=None if percentage is None else number(percentage, f"{field}.percentage", quirks),
        account_number=text(obj, "account_number", quirks, field + "."),
    )


def optional_price(obj: Mapping[str, Any], key: str, version: str, quirks: Quirks) -> Price | None:
    """An optional Price; one that cannot be read is noted and passed over."""
    if obj.get(key) is None:
        return None
    try:
        return price(obj[key], key, version, quirks)
    except InvalidInput:
        quirks.note("UNREADABLE", key)
        return None


def price_limit(value: Any, field: str, version: str, quirks: Quirks) -> PriceLimit | None:
    """``min_price``/``max_price`` of a tariff; 2.3.0 writes ``before_taxes`` and ``after_taxes``."""
    if value is None:
        return None
    if not isinstance(value, Mapping):
        return PriceLimit(excl_vat=number(value, field, quirks))
    excl = value.get("before_taxes", value.get("excl_vat"))
    incl = value.get("after_taxes", value.get("incl_vat"))
    if excl is None and incl is None:
        raise InvalidInput(f"{field} carries no amount", field=field)
    return PriceLimit(
        excl_vat=None if excl is None else number(excl, f"{field}.excl_vat", quirks),
        incl_vat=None if incl is None else number(incl, f"{field}.incl_vat", quirks),
    )


def minute_of_day(value: Any, field: str) -> int | None:
    """``HH:MM`` as a minute of the local day; 24:00 is the end of the day.

    >>> minute_of_day("13:30", "start_time")
    810
    """
    if value is None:
        return None
    match = _CLOCK.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise InvalidInput(f"{field} is no time of day HH:MM", field=field)
    hour, minute = int(match[1]), int(match[2])
    if minute > 59 or hour * 60 + minute > 24 * 60:
        raise InvalidInput(f"{field} is no time of day HH:MM", field=field)
    return hour * 60 + minute


def local_day(value: Any, field: str) -> date | None:
    """``YYYY-MM-DD`` as a calendar day."""
    if value is None:
        return None
    if not isinstance(value, str) or _DATE.fullmatch(value) is None:
        raise InvalidInput(f"{field} is no date YYYY-MM-DD", field=field)
    try:
        return date.fromisoformat(value)
    except ValueError as error:
        raise InvalidInput(f"{field} is no date YYYY-MM-DD", field=field) from error
