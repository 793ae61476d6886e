"""Small builders for tariffs and sessions, in the words of OCPI."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from roamclear.rating.model import ChargeRecord, Dimension, Location, Period, Price, Rating, Tariff, Token
from roamclear.rating.service import normalise_tariff, rate

MONDAY = datetime(2026, 3, 2, 8, 30, tzinfo=UTC)
BERLIN = "Europe/Berlin"


def component(type_: str, price: str, vat: str | None = None, step: int = 1) -> dict[str, Any]:
    """A price component as JSON."""
    found: dict[str, Any] = {"type": type_, "price": Decimal(price), "step_size": step}
    return found if vat is None else {**found, "vat": Decimal(vat)}


def element(*components: dict[str, Any], **restrictions: Any) -> dict[str, Any]:
    """A tariff element as JSON."""
    found: dict[str, Any] = {"price_components": list(components)}
    return {**found, "restrictions": restrictions} if restrictions else found


def tariff(*elements: dict[str, Any], version: str = "2.2.1", **fields: Any) -> Tariff:
    """A tariff, read as it would be from the wire."""
    return normalise_tariff({"id": "T", "currency": "EUR", "elements": list(elements), **fields}, version)


def session(
    *periods: dict[str, Any],
    start: datetime = MONDAY,
    session_id: str | None = "S1",
    total: str = "1",
    **fields: Any,
) -> ChargeRecord:
    """A session of consecutive periods; each is ``minutes`` plus OCPI dimensions (``ENERGY="1.5"``)."""
    at, read = start, []
    for period in periods:
        told = dict(period)
        minutes = Decimal(told.pop("minutes", 60))
        dimensions = tuple(Dimension(type=k, volume=Decimal(v)) for k, v in told.items() if k != "tariff_id")
        read.append(Period(start=at, dimensions=dimensions, tariff_id=told.get("tariff_id")))
        at += timedelta(seconds=int(minutes * 60))
    energy = sum((p.volume("ENERGY") or Decimal(0) for p in read), Decimal(0))
    known: dict[str, Any] = {
        "version": "2.2.1",
        "id": "C1",
        "country_code": "DE",
        "party_id": "ABC",
        "start": start,
        "end": at,
        "currency": "EUR",
        "periods": tuple(read),
        "token": Token(country_code="NL", party_id="EMS", uid="1", type="RFID", contract_id="NLEMSC00000001"),
        "location": Location(country="DEU", evse_uid="1", evse_id="DE*ABC*E1", connector_power_type="AC_3_PHASE"),
        "session_id": session_id,
        "auth_method": "WHITELIST",
        "total_cost": Price(excl_vat=Decimal(total)),
        "total_energy_kwh": energy,
        "total_time_h": Decimal(int((at - start).total_seconds())) / 3600,
        "last_updated": at,
    }
    return ChargeRecord(**{**known, **fields})


def price(charge: ChargeRecord, with_: Tariff, zone: str = BERLIN, **options: Any) -> Rating:
    """Rate and check what must hold for every rating: the lines add up to the net total."""
    rating = rate(charge, with_, time_zone=zone, **options)
    if rating.total_excl_vat is not None:
        added = sum((line.amount for line in rating.lines), Decimal(0))
        assert abs(added - rating.total_excl_vat) < Decimal("1e-20")
    return rating


def hours(minutes: int | str) -> str:
    """Minutes as OCPI hours with four decimals, as senders write them."""
    return str((Decimal(minutes) / 60).quantize(Decimal("0.0001")))
