"""The moments at which a tariff is asked: where a period begins and its last instant."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple
from zoneinfo import ZoneInfo

DAY_S = 86_400
_MICROSECOND = timedelta(microseconds=1)


class Moment(NamedTuple):
    """All that a restriction can ask for. ``energy_kwh`` is what the session has drawn so far.

    ``is_limit`` marks the last instant of a period in which energy flowed: what is reached exactly at its end was not
    reached within it, because periods are half-open.
    """

    local: datetime
    second_of_day: int
    weekday: int
    duration_us: int
    energy_kwh: Decimal
    is_limit: bool = False
    min_current: Decimal | None = None
    max_current: Decimal | None = None
    min_power: Decimal | None = None
    max_power: Decimal | None = None


def moment_of(
    instant: datetime, local: datetime, session_start: datetime, energy_kwh: Decimal, volumes: Mapping[str, Decimal]
) -> Moment:
    """The moment a period begins; ``energy_kwh`` is what was drawn before it, ``volumes`` are those of the period."""
    get = volumes.get
    return Moment(
        local,
        local.hour * 3600 + local.minute * 60 + local.second,
        local.weekday(),
        (instant - session_start) // _MICROSECOND,
        energy_kwh,
        False,
        get("MIN_CURRENT"),
        get("MAX_CURRENT"),
        get("MIN_POWER"),
        get("MAX_POWER"),
    )


def last_moment(start: Moment, end: datetime, zone: ZoneInfo, session_start: datetime, drawn_kwh: Decimal) -> Moment:
    """The last instant of a period; ``drawn_kwh`` is the energy of the period."""
    instant = end - _MICROSECOND
    local = instant.astimezone(zone)
    return Moment(
        local,
        local.hour * 3600 + local.minute * 60 + local.second,
        local.weekday(),
        (instant - session_start) // _MICROSECOND,
        start.energy_kwh + drawn_kwh,
        drawn_kwh > 0,
        *start[6:],
    )


def wall_end_s(start: Moment, begin: datetime, end: datetime, local_end: datetime) -> int:
    """The second of the local day of ``start`` by which a period has ended, beyond 86400 if on a later day.

    A change of the clocks in between gives a number beyond any bound: then nothing can be said by counting.
    """
    local = start.local
    if local.utcoffset() != local_end.utcoffset():
        return 2 * DAY_S
    span = end - begin
    parts = (1 if span.microseconds else 0) + (1 if local.microsecond else 0)
    return start.second_of_day + span.days * DAY_S + span.seconds + parts
