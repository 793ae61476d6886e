"""The charging network: locations with their EVSEs, as the CPO's back-end describes them over OCPI."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from infra.local.demo.people import PARTY
from infra.local.demo.when import stamp

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Evse:
    """One EVSE. ``account_id`` is who is paid from the month's start on, None while nobody is."""

    evse_id: str
    kind: str
    kw: int
    per_day: float
    account_id: str | None
    #: Taken into the payout later, within the control window.
    later: str | None = None

    @property
    def uid(self) -> str:
        """The id inside the back-end."""
        return self.evse_id.replace("*", "-")


@dataclass(frozen=True, slots=True)
class Location:
    """A place with EVSEs."""

    location_id: str
    name: str
    address: str
    postal_code: str
    city: str
    latitude: str
    longitude: str
    owner: str
    overnight: bool
    evses: tuple[Evse, ...] = field(default=())


LOCATIONS = (
    Location(
        "HAFEN", "Hafenpark Schnellladen", "Am Sandtorkai 41", "20457", "Hamburg", "53.543210", "9.987654",
        "Nordlicht Ladenetz GmbH", False,
        (
            Evse("DE*NLL*E1001", "DC", 150, 3.6, "OWN"),
            Evse("DE*NLL*E1002", "DC", 150, 3.1, "OWN"),
        ),
    ),
    Location(
        "ELBTAL", "Parkhaus Elbtal", "Terrassenufer 3", "01067", "Dresden", "51.053310", "13.741120",
        "Parkhaus Elbtal Betriebs GmbH", False,
        (
            Evse("DE*NLL*E2001", "DC", 300, 3.8, "ELBTAL"),
            Evse("DE*NLL*E2002", "AC", 22, 2.6, "ELBTAL"),
        ),
    ),
    Location(
        "SEEBLICK", "Hotel Seeblick", "Strandallee 9", "23683", "Scharbeutz", "54.025620", "10.752130",
        "Hotel Seeblick KG", True,
        (
            Evse("DE*NLL*E3001", "AC", 22, 2.2, "SEEBLICK"),
            Evse("DE*NLL*E3002", "AC", 11, 2.1, "SEEBLICK"),
            Evse("DE*NLL*E3003", "AC", 11, 1.2, None, later="SEEBLICK"),
        ),
    ),
    Location(
        "WERFT", "Alte Werft", "Werftstrasse 12", "24143", "Kiel", "54.320110", "10.156220",
        "Alte Werft Quartier eG", True,
        (Evse("DE*NLL*E4001", "AC", 22, 1.0, None),),
    ),
)  # fmt: skip
EVSES = tuple((place, evse) for place in LOCATIONS for evse in place.evses)


def ocpi_location(place: Location, at: datetime) -> Json:
    """The OCPI 2.2.1 Location."""
    return {
        "country_code": PARTY[:2],
        "party_id": PARTY[2:],
        "id": place.location_id,
        "publish": True,
        "name": place.name,
        "address": place.address,
        "city": place.city,
        "postal_code": place.postal_code,
        "country": "DEU",
        "coordinates": {"latitude": place.latitude, "longitude": place.longitude},
        "suboperator": {"name": place.owner},
        "time_zone": "Europe/Berlin",
        "evses": [_evse(evse, at) for evse in place.evses],
        "last_updated": stamp(at),
    }


def _evse(evse: Evse, at: datetime) -> Json:
    connector = {
        "id": "1",
        "standard": "IEC_62196_T2_COMBO" if evse.kind == "DC" else "IEC_62196_T2",
        "format": "CABLE" if evse.kind == "DC" else "SOCKET",
        "power_type": "DC" if evse.kind == "DC" else "AC_3_PHASE",
        "max_voltage": 920 if evse.kind == "DC" else 230,
        "max_amperage": 500 if evse.kind == "DC" else 32 if evse.kw == 22 else 16,
        "max_electric_power": evse.kw * 1000,
        "last_updated": stamp(at),
    }
    return {
        "uid": evse.uid,
        "evse_id": evse.evse_id,
        "status": "AVAILABLE",
        "capabilities": ["RFID_READER", "REMOTE_START_STOP_CAPABLE"],
        "connectors": [connector],
        "last_updated": stamp(at),
    }
