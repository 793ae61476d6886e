"""The moments at which a tariff is asked: where a period begins and its last instant."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

DAY_S = 86_400
_MICROSECOND = timedelta(microseconds=1)


class Moment(NamedTuple):
    """All that a restriction can ask for. ``energy_kwh`` is what the session has drawn so far.

    ``since`` is counted from the session's start; ``flows`` are the volumes of the period, of which restrictions read
    the lowest and highest current (A) and power (kW). ``is_limit`` marks the last instant of a period in which energy
    flowed: what is reached exactly at its end was not reached within it, because periods are half-open.
    """

    local: datetime
    second_of_day: int
    weekday: int
    since: timedelta
    energy_kwh: Decimal
    flows: Mapping[str, Decimal]
    is_limit: bool = False


def moment_of(local: datetime, since: timedelta, energy_kwh: Decimal, flows: Mapping[str, Decimal]) -> Moment:
    """The moment a period begins; ``energy_kwh`` is what was drawn before it, ``flows`` are the period's volumes."""
    second = local.hour * 3600 + local.minute * 60 + local.second
    return Moment(local, second, local.weekday(), since, energy_kwh, flows)


def last_moment(start: Moment, length: timedelta, drawn_kwh: Decimal) -> Moment:
    """The last instant of a period of that length; ``drawn_kwh`` is the energy of the period."""
    # Never by adding to the local time: the clock may change within the period.
    local = (start.local.astimezone(UTC) + length - _MICROSECOND).astimezone(start.local.tzinfo)
    begun = moment_of(local, start.since + length - _MICROSECOND, start.energy_kwh + drawn_kwh, start.flows)
    return begun._replace(is_limit=drawn_kwh > 0)


def wall_end_s(start: Moment, length: timedelta) -> int:
    """The second of the local day of ``start`` by which a period has ended, beyond 86400 if on a later day.

    It counts on, so it holds only where the clock does not change meanwhile.
    """
    parts = (1 if length.microseconds else 0) + (1 if start.local.microsecond else 0)
    return start.second_of_day + length.days * DAY_S + length.seconds + parts
