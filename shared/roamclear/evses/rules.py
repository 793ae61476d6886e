"""Pure decisions: who is paid for an EVSE at an instant, what needs a second person, what a Location says."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from roamclear.evses.model import Assignment, Evse, Filters, PayoutAccount, Policy, Source
from roamclear.kernel.errors import InvalidInput
from roamclear.kernel.ids import evse_id as evse_ids
from roamclear.kernel.money import Money
from roamclear.kernel.time import zone
from roamclear.rating import service as rating

COOLING_OFF = timedelta(hours=72)
MAX_EVSES = 1_000
_WATTS = Decimal(1000)


def timeline(history: Iterable[Assignment]) -> list[Assignment]:
    """What the history says now, in order of the effective instants.

    An entry replaces everything that earlier ones said from its instant on, so a back-dated assignment also
    overrules those that begin later.
    """
    line: list[Assignment] = []
    for entry in sorted(history, key=lambda each: each.number):
        while line and line[-1].from_utc >= entry.from_utc:
            line.pop()
        line.append(entry)
    return line


def payee(history: Iterable[Assignment], active: Collection[str], stop: datetime) -> str | None:
    """The account assigned at session stop; if none was, the first active one assigned afterwards (rules.md 6).

    An assignment to an inactive account reads as unassigned.
    """
    line = timeline(history)
    at_stop = [entry for entry in line if entry.from_utc <= stop]
    if at_stop and at_stop[-1].account_id in active:
        return at_stop[-1].account_id
    later = (entry for entry in line if entry.from_utc > stop)
    return next((entry.account_id for entry in later if entry.account_id in active), None)


def second_person(
    policy: Policy, account: PayoutAccount, evses: int, moved: Iterable[Money], now: datetime
) -> tuple[str, ...]:
    """Why an assignment needs a second person; empty when it does not (rules.md 10)."""
    reasons = []
    if now < account.created_at_utc + timedelta(days=policy.young_account_days):
        reasons.append("YOUNG_ACCOUNT")
    if evses > policy.max_evses:
        reasons.append("MANY_EVSES")
    if any(abs(amount).amount_minor > policy.max_moved_minor for amount in moved):
        reasons.append("AMOUNT")
    return tuple(reasons)


def fits(evse: Evse, filters: Filters) -> bool:
    """Whether an EVSE passes every filter that is given; texts are compared without case."""
    if filters.evse_id is not None and not evse.evse_id.startswith(evse_ids.compact(filters.evse_id)):
        return False
    output = evse.output_kw
    if filters.output_min_kw is not None and (output is None or output < filters.output_min_kw):
        return False
    if filters.output_max_kw is not None and (output is None or output > filters.output_max_kw):
        return False
    if filters.postal_code is not None and not evse.postal_code.upper().startswith(filters.postal_code.upper()):
        return False
    exact = ((filters.power_type, evse.power_type), (filters.country, evse.country))
    folded = ((filters.sub_cpo, evse.sub_cpo), (filters.city, evse.city))
    return all(want is None or want == have for want, have in exact) and all(
        want is None or want.casefold() == have.casefold() for want, have in folded
    )


# ---- from an OCPI Location -----------------------------------------------------------------------------------------
def of_location(issuer_id: str, party: str, location: dict[str, Any], now: datetime) -> list[Evse]:
    """The EVSEs of a Location of OCPI 2.1.1, 2.2.1 or 2.3.0 that carry a usable evse_id.

    A missing evse_id is legal there (mod_locations); such an EVSE cannot be found by a CDR and is left out. An unknown
    time zone is no reason to leave one out: its sessions wait until it is corrected.
    """
    place = _place(location)
    found = []
    for raw in location.get("evses") or []:
        if not isinstance(raw, dict) or not evse_ids.is_valid(_text(raw.get("evse_id"))):
            continue
        connectors = [c for c in raw.get("connectors") or [] if isinstance(c, dict)]
        found.append(
            Evse(
                issuer_id=issuer_id,
                party=party,
                evse_id=evse_ids.validate(_text(raw.get("evse_id"))),
                evse_uid=_text(raw.get("uid")) or None,
                output_kw=output_kw(connectors),
                power_type=power_type(_text(c.get("power_type")) for c in connectors),
                source=Source.OCPI,
                first_seen_utc=now,
                removed_at_utc=now if raw.get("status") == "REMOVED" else None,
                **place,
            )
        )
    return found


def _place(location: dict[str, Any]) -> dict[str, Any]:
    country = _text(location.get("country")).upper()
    sub_cpo = location.get("suboperator")
    return {
        "location_id": _text(location.get("id")),
        "location_name": _text(location.get("name")) or _text(location.get("address")),
        "country": country if len(country) == 2 else rating.alpha2(country) or "",
        "city": _text(location.get("city")),
        "postal_code": _text(location.get("postal_code")),
        "zone": known_zone(location.get("time_zone")),
        "sub_cpo": _text(sub_cpo.get("name")) if isinstance(sub_cpo, dict) else "",
    }


def known_zone(value: Any) -> str | None:
    """The IANA name if there is such a zone.

    >>> known_zone("Europe/Brussels"), known_zone("Middle-earth/Shire"), known_zone(None)
    ('Europe/Brussels', None, None)
    """
    try:
        return zone(value).key if isinstance(value, str) and value else None
    except InvalidInput:
        return None


def power_type(values: Iterable[str]) -> str | None:
    """``DC`` if any connector is, else ``AC`` if any is known.

    >>> power_type(["AC_3_PHASE", "DC"]), power_type(["AC_2_PHASE_SPLIT"]), power_type([""])
    ('DC', 'AC', None)
    """
    kinds = {value[:2].upper() for value in values if value}
    return "DC" if "DC" in kinds else "AC" if "AC" in kinds else None


def output_kw(connectors: Sequence[dict[str, Any]]) -> Decimal | None:
    """The strongest connector in kW: the stated electric power, else volts x amperes, thrice on three phases.

    The voltage of AC_3_PHASE is line to neutral (mod_locations, Connector).

    >>> output_kw([{"power_type": "AC_3_PHASE", "max_voltage": 230, "max_amperage": 32}])
    Decimal('22.1')
    >>> output_kw([{"power_type": "DC", "max_voltage": 400, "max_amperage": 500, "max_electric_power": 150000}])
    Decimal('150')
    """
    powers = [watts for watts in map(_watts, connectors) if watts is not None and watts > 0]
    if not powers:
        return None
    tenths = (max(powers) / _WATTS).quantize(Decimal("0.1"))
    whole = tenths.to_integral_value()
    return whole if whole == tenths else tenths


def _watts(connector: dict[str, Any]) -> Decimal | None:
    stated = _number(connector.get("max_electric_power"))
    if stated is not None:
        return stated
    volts = _number(connector.get("max_voltage", connector.get("voltage")))
    amperes = _number(connector.get("max_amperage", connector.get("amperage")))
    if volts is None or amperes is None:
        return None
    phases = {"AC_3_PHASE": 3, "AC_2_PHASE": 2}.get(_text(connector.get("power_type")), 1)
    return volts * amperes * phases


def _number(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        return None
    try:
        number = Decimal(value)
    except InvalidOperation:
        return None
    return number if number.is_finite() and 0 <= number < 10**9 else None


def _text(value: Any) -> str:
    return value.strip()[:255] if isinstance(value, str) else ""


def merged(known: Evse, told: Evse) -> Evse:
    """The known EVSE with what a source tells now; its history, group and first sight stay.

    What the source leaves empty stays as it was known. REMOVED keeps the row and its history (ocpi.md 7); only a
    Location, which states it, brings a removed EVSE back.
    """
    facts = ("evse_uid", "location_id", "location_name", "country", "city", "postal_code", "output_kw", "power_type")
    news = {name: getattr(told, name) or getattr(known, name) for name in (*facts, "zone", "sub_cpo")}
    removed = known.removed_at_utc
    if told.source is Source.OCPI:
        removed = (known.removed_at_utc or told.removed_at_utc) if told.removed_at_utc else None
    return known.model_copy(update={**news, "source": told.source, "removed_at_utc": removed})
