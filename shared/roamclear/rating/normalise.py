"""OCPI CDR JSON of 2.1.1, 2.2.1 and 2.3.0 -> ``ChargeRecord`` (OCPI mod_cdrs; the quirks of real partners survive).

``InvalidInput`` is raised for what is refused at the wire and for nothing else: not an object, a mandatory field that
is missing or cannot be read, an id beyond 39 characters, a credit without its reference. All other oddities are kept
as ``quirks`` and judged by ``cdrs.rules``: a CDR is held, never lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from roamclear.kernel.errors import InvalidInput
from roamclear.rating import wire_values as wire
from roamclear.rating.countries import alpha3
from roamclear.rating.model import ChargeRecord, Dimension, Location, Period, Price, Tariff, Token
from roamclear.rating.normalise_tariff import check_version, normalise_tariff, read_currency
from roamclear.rating.wire_values import Quirks

__all__ = ["detect_version", "normalise_cdr", "normalise_for_rating", "normalise_tariff"]

MAX_ID = 39
MAX_PERIODS = 5_000
MAX_DIMENSIONS = 50
MAX_TARIFFS = 50
_DIMENSIONS = ("ENERGY", "TIME", "PARKING_TIME", "MAX_POWER", "MIN_POWER", "MAX_CURRENT", "MIN_CURRENT")


def normalise_cdr(raw: Mapping[str, Any], version: str) -> ChargeRecord:
    """Read a CDR that came over the wire; numbers must have been read as ``Decimal``.

    Raises:
        InvalidInput: what OCPI intake refuses with 2001; ``field`` names the place.
    """
    check_version(version)
    return _read(wire.mapping(raw, "cdr"), version, strict=True)


def normalise_for_rating(raw: Mapping[str, Any], version: str) -> ChargeRecord:
    """Read only what a price needs: start, end and periods are mandatory, everything else is taken if it is there."""
    check_version(version)
    return _read(wire.mapping(raw, "cdr"), version, strict=False)


def detect_version(raw: Any) -> str:
    """The OCPI version an object looks like: 2.1.1 by its own field names, 2.3.0 by its taxes, else 2.2.1.

    >>> detect_version({"stop_date_time": "2015-06-29T23:37:32Z"})
    '2.1.1'
    """
    if not isinstance(raw, Mapping):
        return "2.2.1"
    if "cdr_token" not in raw and any(k in raw for k in ("stop_date_time", "auth_id", "location")):
        return "2.1.1"
    tariffs = raw.get("tariffs")
    has_tax = (
        any(isinstance(t, Mapping) and "tax_included" in t for t in tariffs) if isinstance(tariffs, list) else False
    )
    total = raw.get("total_cost")
    if has_tax or "tax_included" in raw or (isinstance(total, Mapping) and "before_taxes" in total):
        return "2.3.0"
    return "2.2.1"


def _read(obj: Mapping[str, Any], version: str, *, strict: bool) -> ChargeRecord:
    quirks = Quirks()
    old = version == "2.1.1"
    credit, reference = _credit(obj, quirks)
    periods = _periods(obj.get("charging_periods"), quirks)
    start = wire.instant(obj, "start_date_time")
    end = _end(obj, version)
    return ChargeRecord(
        version=version,
        id=_id(obj, quirks, strict=strict),
        start=start,
        end=end,
        currency=_currency(obj, quirks, strict=strict),
        periods=periods,
        token=_token_of_211(obj, quirks, strict=strict) if old else _token(obj, quirks, strict=strict),
        location=_location_of_211(obj, quirks, strict=strict) if old else _location(obj, quirks, strict=strict),
        country_code=_party(obj, "country_code", 2, quirks, strict=strict and not old),
        party_id=_party(obj, "party_id", 3, quirks, strict=strict and not old),
        session_id=wire.text(obj, "session_id", quirks),
        auth_method=_mandatory_text(obj, "auth_method", quirks, strict=strict),
        authorization_reference=wire.text(obj, "authorization_reference", quirks),
        meter_id=wire.text(obj, "meter_id", quirks),
        tariffs=_tariffs(obj.get("tariffs"), version, quirks),
        total_energy_kwh=_total(obj, "total_energy", quirks, strict=strict),
        total_time_h=_total(obj, "total_time", quirks, strict=strict),
        total_parking_time_h=wire.optional_number(obj, "total_parking_time", quirks),
        **_prices(obj, version, quirks, strict=strict),
        remark=wire.text(obj, "remark", quirks),
        invoice_reference_id=wire.text(obj, "invoice_reference_id", quirks),
        credit=credit,
        credit_reference_id=reference,
        home_charging_compensation=wire.flag(obj, "home_charging_compensation", quirks),
        has_signed_data=isinstance(obj.get("signed_data"), Mapping),
        last_updated=_last_updated(obj, quirks, strict=strict),
        quirks=quirks.all(),
    )


def _id(obj: Mapping[str, Any], quirks: Quirks, *, strict: bool) -> str:
    if strict:
        return wire.required_text(obj, "id", quirks, MAX_ID)
    return wire.text(obj, "id", quirks) or ""


def _end(obj: Mapping[str, Any], version: str) -> datetime:
    first, second = ("stop_date_time", "end_date_time") if version == "2.1.1" else ("end_date_time", "stop_date_time")
    if obj.get(first) is None and obj.get(second) is not None:
        return wire.instant(obj, second)
    return wire.instant(obj, first)


def _currency(obj: Mapping[str, Any], quirks: Quirks, *, strict: bool) -> str:
    if not strict and obj.get("currency") is None:
        return ""
    return read_currency(obj, quirks)


def _party(obj: Mapping[str, Any], key: str, length: int, quirks: Quirks, *, strict: bool) -> str | None:
    value = wire.text(obj, key, quirks)
    if not strict:
        return value
    if value is None:
        raise InvalidInput(f"{key} is missing", field=key)
    if len(value) != length or not value.isascii() or not value.isalnum():
        raise InvalidInput(f"{key} has not {length} letters or digits", field=key)
    return value


def _mandatory_text(obj: Mapping[str, Any], key: str, quirks: Quirks, *, strict: bool) -> str | None:
    return wire.required_text(obj, key, quirks, wire.MAX_TEXT) if strict else wire.text(obj, key, quirks)


def _total(obj: Mapping[str, Any], key: str, quirks: Quirks, *, strict: bool) -> Decimal:
    if obj.get(key) is None:
        if strict:
            raise InvalidInput(f"{key} is missing", field=key)
        return Decimal(0)
    return wire.number(obj[key], key, quirks)


def _last_updated(obj: Mapping[str, Any], quirks: Quirks, *, strict: bool) -> datetime | None:
    return wire.instant(obj, "last_updated") if strict else wire.optional_instant(obj, "last_updated", quirks)


def _credit(obj: Mapping[str, Any], quirks: Quirks) -> tuple[bool, str | None]:
    credit = wire.flag(obj, "credit", quirks)
    reference = wire.text(obj, "credit_reference_id", quirks)
    if credit and reference is None:
        raise InvalidInput("a credit CDR names the CDR it credits", field="credit_reference_id")
    return credit, reference


def _prices(obj: Mapping[str, Any], version: str, quirks: Quirks, *, strict: bool) -> dict[str, Price | None]:
    parts = ("fixed", "energy", "time", "parking", "reservation")
    found = {f"total_{p}_cost": wire.optional_price(obj, f"total_{p}_cost", version, quirks) for p in parts}
    if obj.get("total_cost") is None and strict:
        raise InvalidInput("total_cost is missing", field="total_cost")
    total = None if obj.get("total_cost") is None else wire.price(obj["total_cost"], "total_cost", version, quirks)
    return {"total_cost": total, **found}


def _periods(value: Any, quirks: Quirks) -> tuple[Period, ...]:
    """All periods in order of time; equal starts keep the order they were sent in."""
    listed = wire.rows(value, "charging_periods", MAX_PERIODS)
    if not listed:
        raise InvalidInput("charging_periods is missing or empty", field="charging_periods")
    read = [_period(row, f"charging_periods[{i}]", quirks) for i, row in enumerate(listed)]
    ordered = sorted(read, key=lambda p: p.start)
    if ordered != read:
        quirks.note("PERIODS_UNORDERED")
    return tuple(ordered)


def _period(row: Any, field: str, quirks: Quirks) -> Period:
    obj = wire.mapping(row, field)
    dimensions = wire.rows(obj.get("dimensions"), f"{field}.dimensions", MAX_DIMENSIONS)
    return Period(
        start=wire.instant(obj, "start_date_time", field + "."),
        dimensions=tuple(_plain_dimension(d) or _dimension(d, field, i, quirks) for i, d in enumerate(dimensions)),
        tariff_id=wire.text(obj, "tariff_id", quirks, field + "."),
    )


def _plain_dimension(row: Any) -> Dimension | None:
    """A dimension as it nearly always comes; None sends it the long way, which names what is odd.

    A CDR has dozens of them, and intake answers partners while it reads.
    """
    if type(row) is not dict:
        return None
    name, volume = row.get("type"), row.get("volume")
    if type(volume) is int:
        volume = Decimal(volume)
    if name not in _DIMENSIONS or type(volume) is not Decimal or wire.out_of_bounds(volume) is not None:
        return None
    return Dimension(type=name, volume=volume)


def _dimension(row: Any, field: str, index: int, quirks: Quirks) -> Dimension:
    place = f"{field}.dimensions[{index}]"
    obj = wire.mapping(row, place)
    return Dimension(
        type=wire.required_text(obj, "type", quirks, wire.MAX_TEXT, place + ".").upper(),
        volume=wire.number(obj.get("volume"), f"{place}.volume", quirks),
    )


def _tariffs(value: Any, version: str, quirks: Quirks) -> tuple[Tariff, ...]:
    """The tariffs inside the CDR; one that cannot be read is noted: it must not cost us the CDR."""
    if not isinstance(value, list):
        if value is not None:
            quirks.note("UNREADABLE", "tariffs")
        return ()
    read: list[Tariff] = []
    for index, row in enumerate(value[:MAX_TARIFFS]):
        try:
            read.append(normalise_tariff(row, version))
        except InvalidInput as error:
            quirks.note("TARIFF_UNREADABLE", f"tariffs[{index}].{error.field}")
    if len(value) > MAX_TARIFFS:
        quirks.note("TOO_MANY_TARIFFS")
    return tuple(read)


def _token(obj: Mapping[str, Any], quirks: Quirks, *, strict: bool) -> Token:
    raw = obj.get("cdr_token")
    if raw is None and not strict:
        return Token()
    token = wire.mapping(raw, "cdr_token")
    return Token(**{k: wire.text(token, k, quirks, "cdr_token.") for k in Token.model_fields})


def _token_of_211(obj: Mapping[str, Any], quirks: Quirks, *, strict: bool) -> Token:
    return Token(contract_id=_mandatory_text(obj, "auth_id", quirks, strict=strict))


def _location(obj: Mapping[str, Any], quirks: Quirks, *, strict: bool) -> Location:
    raw = obj.get("cdr_location")
    if raw is None and not strict:
        return Location()
    place = wire.mapping(raw, "cdr_location")
    texts = {
        k: wire.text(place, k, quirks, "cdr_location.")
        for k in Location.model_fields
        if k not in ("country", "latitude", "longitude")
    }
    return Location(**texts, **_country_and_coordinates(place, "cdr_location.", quirks))


def _country_and_coordinates(place: Mapping[str, Any], prefix: str, quirks: Quirks) -> dict[str, str | None]:
    country = wire.text(place, "country", quirks, prefix)
    if country is not None and len(country) == 2:
        quirks.note("COUNTRY_ALPHA2", prefix + "country")
        country = alpha3(country) or country
    point = place.get("coordinates")
    found: dict[str, str | None] = {"country": country.upper() if country else None}
    for key in ("latitude", "longitude"):
        found[key] = wire.text(point, key, quirks, prefix) if isinstance(point, Mapping) else None
    return found


def _location_of_211(obj: Mapping[str, Any], quirks: Quirks, *, strict: bool) -> Location:
    """2.1.1 carries the whole Location with the one EVSE and connector that were used (mod_cdrs 2.1.1)."""
    raw = obj.get("location")
    if raw is None and not strict:
        return Location()
    place = wire.mapping(raw, "location")
    evse = _only(place.get("evses"), "location.evses", quirks)
    connector = _only(evse.get("connectors"), "location.evses.connectors", quirks)
    return Location(
        **{k: wire.text(place, k, quirks, "location.") for k in ("id", "name", "address", "city", "postal_code")},
        **_country_and_coordinates(place, "location.", quirks),
        evse_uid=wire.text(evse, "uid", quirks, "location.evses."),
        evse_id=wire.text(evse, "evse_id", quirks, "location.evses."),
        connector_id=wire.text(connector, "id", quirks, "location.evses.connectors."),
        connector_standard=wire.text(connector, "standard", quirks, "location.evses.connectors."),
        connector_format=wire.text(connector, "format", quirks, "location.evses.connectors."),
        connector_power_type=wire.text(connector, "power_type", quirks, "location.evses.connectors."),
    )


def _only(value: Any, field: str, quirks: Quirks) -> Mapping[str, Any]:
    """The one entry of a list; with none or several it is not known which was used."""
    if not isinstance(value, list) or not value or not isinstance(value[0], Mapping):
        quirks.note("MISSING", field)
        return {}
    if len(value) > 1:
        quirks.note("SEVERAL", field)
        return {}
    return value[0]
