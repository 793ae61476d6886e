"""OCPI tariff JSON of 2.1.1, 2.2.1 and 2.3.0 -> ``Tariff`` (OCPI mod_tariffs)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from roamclear.kernel.errors import InvalidInput
from roamclear.rating import wire_values as wire
from roamclear.rating.model import PriceComponent, Restrictions, Tariff, TariffElement, TaxIncluded
from roamclear.rating.wire_values import Quirks

VERSIONS = ("2.1.1", "2.2.1", "2.3.0")
MAX_ELEMENTS = 1_000
_DAYS = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")
_RESERVATIONS = ("RESERVATION", "RESERVATION_EXPIRES")
_LIMITS = ("min_kwh", "max_kwh", "min_current", "max_current", "min_power", "max_power")


def check_version(version: str) -> str:
    """Return a version this room can read, else raise ``InvalidInput``."""
    if version not in VERSIONS:
        raise InvalidInput(f"version is none of {', '.join(VERSIONS)}", field="version")
    return version


def normalise_tariff(raw: Mapping[str, Any], version: str) -> Tariff:
    """Read a tariff object; ``InvalidInput`` names what cannot be priced with.

    Prices of 2.1.1 and 2.2.1 are net by definition, only 2.3.0 may say otherwise. A missing ``tax_included`` of 2.3.0
    reads as NO (the specification's own CDR example leaves it out).

    >>> normalise_tariff({"id": "16", "currency": "EUR", "elements": [{"price_components": [
    ...     {"type": "ENERGY", "price": "0.25", "vat": 10, "step_size": 1}]}]}, "2.2.1").elements[0].components[0].price
    Decimal('0.25')
    """
    check_version(version)
    quirks = Quirks()
    obj = wire.mapping(raw, "tariff")
    elements = wire.rows(obj.get("elements"), "elements", MAX_ELEMENTS)
    if not elements:
        raise InvalidInput("elements is missing", field="elements")
    return Tariff(
        id=wire.required_text(obj, "id", quirks, wire.MAX_TEXT),
        currency=read_currency(obj, quirks),
        elements=tuple(_element(e, f"elements[{i}]", quirks) for i, e in enumerate(elements)),
        country_code=wire.text(obj, "country_code", quirks),
        party_id=wire.text(obj, "party_id", quirks),
        type=wire.text(obj, "type", quirks),
        min_price=wire.price_limit(obj.get("min_price"), "min_price", version, quirks),
        max_price=wire.price_limit(obj.get("max_price"), "max_price", version, quirks),
        start=wire.optional_instant(obj, "start_date_time", quirks),
        end=wire.optional_instant(obj, "end_date_time", quirks),
        tax_included=_tax_included(obj.get("tax_included")) if version == "2.3.0" else TaxIncluded.NO,
        last_updated=wire.optional_instant(obj, "last_updated", quirks),
    )


def read_currency(obj: Mapping[str, Any], quirks: Quirks) -> str:
    """An ISO 4217 code; lower case is read and noted."""
    value = wire.required_text(obj, "currency", quirks, wire.MAX_TEXT)
    if len(value) != 3 or not value.isascii() or not value.isalpha():
        raise InvalidInput("currency is no ISO 4217 code", field="currency")
    if not value.isupper():
        quirks.note("CURRENCY_CASE")
    return value.upper()


def _tax_included(value: Any) -> TaxIncluded:
    if value is None:
        return TaxIncluded.NO
    try:
        return TaxIncluded(value)
    except ValueError as error:
        raise InvalidInput("tax_included is none of YES, NO, N/A", field="tax_included") from error


def _element(value: Any, field: str, quirks: Quirks) -> TariffElement:
    obj = wire.mapping(value, field)
    restrictions = obj.get("restrictions")
    components = wire.rows(obj.get("price_components"), f"{field}.price_components", 100)
    return TariffElement(
        components=tuple(_component(c, f"{field}.price_components[{i}]", quirks) for i, c in enumerate(components)),
        restrictions=None if not restrictions else _restrictions(restrictions, f"{field}.restrictions", quirks),
    )


def _component(value: Any, field: str, quirks: Quirks) -> PriceComponent:
    obj = wire.mapping(value, field)
    vat = obj.get("vat")
    return PriceComponent(
        type=wire.required_text(obj, "type", quirks, 36, field + ".").upper(),
        price=wire.number(obj.get("price"), f"{field}.price", quirks),
        vat=None if vat is None else _not_negative(wire.number(vat, f"{field}.vat", quirks), f"{field}.vat"),
        step_size=_step(obj.get("step_size"), f"{field}.step_size", quirks),
    )


def _step(value: Any, field: str, quirks: Quirks) -> int:
    if value is None:
        return 1
    size = wire.number(value, field, quirks)
    if size < 0 or size != size.to_integral_value() or size > 10**9:
        raise InvalidInput(f"{field} is no whole number from 0", field=field)
    return int(size)


def _not_negative(value: Decimal, field: str) -> Decimal:
    if value < 0:
        raise InvalidInput(f"{field} is negative", field=field)
    return value


def _restrictions(value: Any, field: str, quirks: Quirks) -> Restrictions:
    obj = wire.mapping(value, field)
    numbers = {key: wire.number(obj[key], f"{field}.{key}", quirks) for key in _LIMITS if obj.get(key) is not None}
    durations = {
        f"{key}_s": wire.number(obj[key], f"{field}.{key}", quirks)
        for key in ("min_duration", "max_duration")
        if obj.get(key) is not None
    }
    return Restrictions(
        start_minute=wire.minute_of_day(obj.get("start_time"), f"{field}.start_time"),
        end_minute=wire.minute_of_day(obj.get("end_time"), f"{field}.end_time"),
        start_date=wire.local_day(obj.get("start_date"), f"{field}.start_date"),
        end_date=wire.local_day(obj.get("end_date"), f"{field}.end_date"),
        weekdays=_weekdays(obj.get("day_of_week"), f"{field}.day_of_week"),
        reservation=_reservation(obj.get("reservation"), f"{field}.reservation"),
        **numbers,
        **durations,
    )


def _weekdays(value: Any, field: str) -> tuple[int, ...]:
    names = [str(name).upper() for name in wire.rows(value, field, 20)]
    if any(name not in _DAYS for name in names):
        raise InvalidInput(f"{field} holds a name that is no day", field=field)
    return tuple(sorted({_DAYS.index(name) for name in names}))


def _reservation(value: Any, field: str) -> str | None:
    if value is None:
        return None
    if value not in _RESERVATIONS:
        raise InvalidInput(f"{field} is none of {', '.join(_RESERVATIONS)}", field=field)
    return str(value)
