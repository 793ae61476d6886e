"""A CDR in the OCPI version its reader speaks; numbers keep their digits, unknown fields stay (OCPI mod_cdrs).

2.2.1 is the middle: 2.1.1 and 2.3.0 are turned into it and out of it. What a version has no place for is left out.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

Json = dict[str, Any]
_COSTS = (
    "total_cost",
    "total_fixed_cost",
    "total_energy_cost",
    "total_time_cost",
    "total_parking_cost",
    "total_reservation_cost",
)
_NOT_IN_211 = (
    "country_code", "party_id", "session_id", "cdr_token", "cdr_location", "authorization_reference", "end_date_time",
    "signed_data", "total_fixed_cost", "total_energy_cost", "total_time_cost", "total_parking_cost",
    "total_reservation_cost", "invoice_reference_id", "credit", "credit_reference_id", "home_charging_compensation",
)  # fmt: skip
_DIMENSIONS_OF_211 = ("ENERGY", "FLAT", "MAX_CURRENT", "MIN_CURRENT", "PARKING_TIME", "TIME")


def convert(cdr: Json, source: str, target: str, *, party: str, emsp_party: str) -> Json:
    """The CDR as ``target`` writes it. ``party`` and ``emsp_party`` (folded) name what 2.1.1 leaves to the connection.

    >>> convert({"total_cost": Decimal("4.00")}, "2.1.1", "2.2.1", party="DEABC", emsp_party="NLXYZ")["total_cost"]
    {'excl_vat': Decimal('4.00')}
    """
    if source == target:
        return cdr
    middle = _up_from_211(cdr, party, emsp_party) if source == "2.1.1" else cdr
    middle = _down_from_230(middle) if source == "2.3.0" else middle
    if target == "2.1.1":
        return _down_to_211(middle)
    return _up_to_230(middle) if target == "2.3.0" else middle


def _up_from_211(cdr: Json, party: str, emsp_party: str) -> Json:
    owner = {"country_code": party[:2], "party_id": party[2:]}
    made = {**owner, **{k: v for k, v in cdr.items() if k not in ("stop_date_time", "auth_id", "location")}}
    made["end_date_time"] = cdr.get("stop_date_time", cdr.get("end_date_time"))
    contract = cdr.get("auth_id")
    made["cdr_token"] = {
        "country_code": emsp_party[:2],
        "party_id": emsp_party[2:],
        "uid": "#NA",
        "type": "OTHER",
        "contract_id": contract,
    }
    made["cdr_location"] = _flat_location(cdr.get("location"))
    made["charging_periods"] = [_without_flat(p) for p in _objects(cdr.get("charging_periods"))]
    if "tariffs" in cdr:
        made["tariffs"] = [{**owner, **t} for t in _objects(cdr["tariffs"])]
    for name in _COSTS:
        if cdr.get(name) is not None and not isinstance(cdr[name], dict):
            made[name] = {"excl_vat": cdr[name]}
    return made


def _flat_location(location: Any) -> Json:
    """The place with its one EVSE and connector on one level."""
    place = location if isinstance(location, dict) else {}
    evse = next(iter(_objects(place.get("evses"))), {})
    connector = next(iter(_objects(evse.get("connectors"))), {})
    kept = ("id", "name", "address", "city", "postal_code", "country", "coordinates")
    made = {name: place[name] for name in kept if name in place}
    made["evse_uid"] = evse.get("uid", "#NA")
    made["evse_id"] = evse.get("evse_id", "#NA")
    made["connector_id"] = connector.get("id", "#NA")
    for name in ("standard", "format", "power_type"):
        if name in connector:
            made[f"connector_{name}"] = connector[name]
    return made


def _without_flat(period: Json) -> Json:
    """FLAT is no dimension from 2.2 on; a period keeps at least one."""
    listed = _objects(period.get("dimensions"))
    kept = [d for d in listed if d.get("type") != "FLAT"]
    return {**period, "dimensions": kept or [{"type": "TIME", "volume": 0}]}


def _down_from_230(cdr: Json) -> Json:
    made = {**cdr}
    for name in _COSTS:
        if name in made:
            made[name] = _price_of_221(made[name])
    token = made.get("cdr_token")
    if isinstance(token, dict) and token.get("type") == "EMAID":
        made["cdr_token"] = {**token, "type": "OTHER"}
    tariffs = _objects(made.get("tariffs"))
    if any(t.get("tax_included") == "YES" for t in tariffs):
        # Gross prices cannot be written as the net ones of 2.2.1 without losing digits; the field is optional.
        made.pop("tariffs")
    elif "tariffs" in made:
        made["tariffs"] = [_tariff_of_221(t) for t in tariffs]
    return made


def _price_of_221(price: Any) -> Any:
    if not isinstance(price, dict) or "before_taxes" not in price:
        return price
    made = {"excl_vat": price["before_taxes"]}
    if isinstance(price.get("taxes"), list):
        amounts: list[Any] = [t.get("amount") for t in _objects(price["taxes"])]
        if all(_is_number(a) for a in [price["before_taxes"], *amounts]):
            made["incl_vat"] = sum(amounts, price["before_taxes"])
    return made


def _tariff_of_221(tariff: Json) -> Json:
    made = {k: v for k, v in tariff.items() if k != "tax_included"}
    for name in ("min_price", "max_price"):
        limit = made.get(name)
        if isinstance(limit, dict) and "before_taxes" in limit:
            made[name] = {"excl_vat": limit["before_taxes"]}
            if limit.get("after_taxes") is not None:
                made[name]["incl_vat"] = limit["after_taxes"]
    return made


def _up_to_230(cdr: Json) -> Json:
    made = {**cdr}
    for name in _COSTS:
        if name in made:
            made[name] = _price_of_230(made[name])
    if "tariffs" in made:
        made["tariffs"] = [_tariff_of_230(t) for t in _objects(made["tariffs"])]
    return made


def _price_of_230(price: Any) -> Any:
    if _is_number(price):
        return {"before_taxes": price}
    if not isinstance(price, dict) or "excl_vat" not in price:
        return price
    net, gross = price["excl_vat"], price.get("incl_vat")
    made: Json = {"before_taxes": net}
    if _is_number(net) and _is_number(gross):
        made["taxes"] = [{"name": "VAT", "amount": gross - net}]
    return made


def _tariff_of_230(tariff: Json) -> Json:
    made = {"tax_included": "NO", **tariff}
    for name in ("min_price", "max_price"):
        limit = made.get(name)
        if isinstance(limit, dict) and "excl_vat" in limit:
            made[name] = {"before_taxes": limit["excl_vat"]}
            if limit.get("incl_vat") is not None:
                made[name]["after_taxes"] = limit["incl_vat"]
    return made


def _down_to_211(cdr: Json) -> Json:
    made = {k: v for k, v in cdr.items() if k not in _NOT_IN_211}
    made["stop_date_time"] = cdr.get("end_date_time")
    token = cdr.get("cdr_token")
    made["auth_id"] = token.get("contract_id") if isinstance(token, dict) else None
    made["location"] = _deep_location(cdr.get("cdr_location"), cdr)
    total = cdr.get("total_cost")
    made["total_cost"] = total.get("excl_vat") if isinstance(total, dict) else total
    made["charging_periods"] = [_period_of_211(p) for p in _objects(cdr.get("charging_periods"))]
    if "tariffs" in cdr:
        made["tariffs"] = [_tariff_of_211(t) for t in _objects(cdr["tariffs"])]
    return made


def _deep_location(location: Any, cdr: Json) -> Json:
    place = location if isinstance(location, dict) else {}
    stamp = cdr.get("last_updated")
    connector = {name: place.get(f"connector_{name}") for name in ("standard", "format", "power_type")}
    evse = {
        "uid": place.get("evse_uid"),
        "evse_id": place.get("evse_id"),
        "status": "UNKNOWN",
        "connectors": [{"id": place.get("connector_id"), **connector, "last_updated": stamp}],
        "last_updated": stamp,
    }
    kept = ("id", "name", "address", "city", "postal_code", "country", "coordinates")
    return {
        **{name: place[name] for name in kept if name in place},
        "type": "UNKNOWN",
        "evses": [evse],
        "last_updated": stamp,
    }


def _period_of_211(period: Json) -> Json:
    kept = [d for d in _objects(period.get("dimensions")) if d.get("type") in _DIMENSIONS_OF_211]
    return {**{k: v for k, v in period.items() if k != "tariff_id"}, "dimensions": kept}


def _tariff_of_211(tariff: Json) -> Json:
    gone = ("country_code", "party_id", "type", "min_price", "max_price", "start_date_time", "end_date_time")
    return {k: v for k, v in tariff.items() if k not in gone}


def _objects(value: Any) -> list[Json]:
    return [part for part in value if isinstance(part, dict)] if isinstance(value, list) else []


def _is_number(value: Any) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)
