"""The month's sessions: who charged where and when, and the CDR the CPO's back-end makes of it."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from itertools import accumulate
from random import Random
from typing import Any

from infra.local.demo.curves import Curve, draw
from infra.local.demo.network import EVSES, Evse, Location
from infra.local.demo.people import HERZ, PARTY, RONDE, Emsp, tariff
from infra.local.demo.when import ZONE, Month, local, stamp

Json = dict[str, Any]
_SEED = 20_260_401
#: How busy each hour of a day is.
_DAY_DC = (1, 1, 0, 0, 1, 2, 5, 8, 8, 7, 7, 8, 9, 8, 8, 9, 11, 12, 11, 8, 6, 4, 3, 2)
_DAY_AC = (0, 0, 0, 0, 0, 1, 4, 9, 10, 8, 6, 5, 6, 5, 5, 6, 8, 10, 11, 9, 7, 4, 2, 1)
_WEEKEND = 0.78


@dataclass(frozen=True, slots=True)
class Planned:
    """One session and the instant its CDR is sent."""

    number: int
    place: Location
    evse: Evse
    emsp: Emsp
    curve: Curve
    sent_at: datetime
    card: int

    @property
    def cdr_id(self) -> str:
        """The CDR's id."""
        return f"NLL-{self.curve.start:%y%m%d}-{self.number:04d}"


def plan(month: Month, count: int) -> list[Planned]:
    """Sessions of the month in the order in which their CDRs are sent; the same for the same month and count."""
    random = Random(f"{_SEED}-{month.label}")
    drawn = [made for place, evse in EVSES for made in _of_evse(random, month, place, evse)]
    if count > len(drawn):
        raise ValueError(f"the network has {len(drawn)} sessions in {month.label}, not {count}")
    kept = sorted(random.sample(drawn, count), key=lambda each: (each[2].end, each[1].evse_id))
    made = []
    for number, (place, evse, curve) in enumerate(kept, 1):
        emsp = RONDE if random.random() < 0.46 else HERZ
        sent = curve.end + timedelta(seconds=random.randint(20, 240))
        made.append(Planned(number, place, evse, emsp, curve, sent, random.randint(1, 60)))
    return sorted(made, key=lambda each: each.sent_at)


def _of_evse(random: Random, month: Month, place: Location, evse: Evse) -> Iterator[tuple[Location, Evse, Curve]]:
    """The sessions of one EVSE, one after the other, all ending within the month."""
    free, last = month.at(1, 0, 5), local(month.end) - timedelta(minutes=3)
    for number in range(month.days):
        day = month.first + timedelta(days=number)
        busy = evse.per_day * (_WEEKEND if day.weekday() >= 5 and evse.kind == "AC" else 1.0)
        for arrival in sorted(_arrival(random, day, evse.kind) for _ in range(_poisson(random, busy))):
            if arrival < free:
                continue
            curve = draw(random, evse.kind, evse.kw, arrival, _stay(random, evse, place, arrival))
            if curve.end >= last or curve.energy_kwh < 2:
                continue
            free = curve.end + timedelta(minutes=random.randint(4, 25))
            yield place, evse, curve


def _arrival(random: Random, day: date, kind: str) -> datetime:
    weights = list(accumulate(_DAY_DC if kind == "DC" else _DAY_AC))
    hour = bisect(weights, random.random() * weights[-1])
    return local(day, min(hour, 23), random.randint(0, 59), random.randint(0, 59))


def _poisson(random: Random, mean: float) -> int:
    """Arrivals of a day."""
    limit, product, found = 2.718281828 ** (-mean), random.random(), 0
    while product > limit:
        product *= random.random()
        found += 1
    return found


def _stay(random: Random, evse: Evse, place: Location, arrival: datetime) -> timedelta:
    if evse.kind == "DC":
        return timedelta(minutes=random.randint(14, 58))
    hour = arrival.astimezone(ZONE).hour
    if place.overnight and hour >= 18:
        return timedelta(minutes=random.randint(560, 800))
    return timedelta(minutes=random.randint(50, 260))


# ---- the CDR -------------------------------------------------------------------------------------------------------
def price(emsp: Emsp, kind: str, curve: Curve) -> dict[str, Decimal]:
    """What the back-end charges by the agreed tariff: energy, fixed and parking cost without VAT."""
    prices = emsp.prices
    energy = sum((s.energy_kwh * prices.kwh(kind, s.start.astimezone(ZONE).hour) for s in curve.stretches), Decimal(0))
    return {"energy": energy, "fixed": prices.session, "parking": curve.parked_h * prices.parking_hour}


def cdr(made: Planned) -> Json:
    """The OCPI 2.2.1 CDR of a session, about 3.7 KB."""
    curve, emsp, kind = made.curve, made.emsp, made.evse.kind
    hours = Decimal((curve.end - curve.start).total_seconds()) / 3600
    costs = price(emsp, kind, curve)
    body: Json = {
        "country_code": PARTY[:2],
        "party_id": PARTY[2:],
        "id": made.cdr_id,
        "start_date_time": stamp(curve.start),
        "end_date_time": stamp(curve.end),
        "session_id": f"S-{made.cdr_id}",
        "cdr_token": {
            "country_code": emsp.party[:2],
            "party_id": emsp.party[2:],
            "uid": f"04{made.card:04X}A2B35C80",
            "type": "RFID",
            "contract_id": f"{emsp.party}C{made.card:08d}",
        },
        "auth_method": "WHITELIST",
        "cdr_location": location(made.place, made.evse),
        "meter_id": f"1EBZ01{made.evse.evse_id[-4:]}",
        "currency": "EUR",
        "tariffs": [tariff(emsp, kind)],
        "charging_periods": [_period(each, tariff(emsp, kind)["id"]) for each in curve.stretches],
        "total_cost": {"excl_vat": _four(sum(costs.values(), Decimal(0)))},
        "total_energy": curve.energy_kwh,
        "total_energy_cost": {"excl_vat": _four(costs["energy"])},
        "total_time": hours.quantize(Decimal("0.0001")),
        "last_updated": stamp(curve.end + timedelta(seconds=5)),
    }
    if costs["fixed"]:
        body["total_fixed_cost"] = {"excl_vat": _four(costs["fixed"])}
    if curve.parked_h:
        body["total_parking_time"] = curve.parked_h
        body["total_parking_cost"] = {"excl_vat": _four(costs["parking"])}
    return body


def location(place: Location, evse: Evse) -> Json:
    """The CdrLocation."""
    return {
        "id": place.location_id,
        "name": place.name,
        "address": place.address,
        "city": place.city,
        "postal_code": place.postal_code,
        "country": "DEU",
        "coordinates": {"latitude": place.latitude, "longitude": place.longitude},
        "evse_uid": evse.uid,
        "evse_id": evse.evse_id,
        "connector_id": "1",
        "connector_standard": "IEC_62196_T2_COMBO" if evse.kind == "DC" else "IEC_62196_T2",
        "connector_format": "CABLE" if evse.kind == "DC" else "SOCKET",
        "connector_power_type": "DC" if evse.kind == "DC" else "AC_3_PHASE",
    }


def _period(stretch: Any, tariff_id: str) -> Json:
    kind = "PARKING_TIME" if stretch.parked else "TIME"
    dimensions = [{"type": kind, "volume": stretch.hours}]
    if not stretch.parked:
        dimensions.insert(0, {"type": "ENERGY", "volume": stretch.energy_kwh})
    return {"start_date_time": stamp(stretch.start), "dimensions": dimensions, "tariff_id": tariff_id}


def _four(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.0001"), rounding=ROUND_HALF_UP)
