"""Instants are aware UTC; a zone is used only to find wall-clock bounds (house.md 3)."""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import TypeVar
from zoneinfo import ZoneInfo

from roamclear.kernel.errors import InvalidInput

D = TypeVar("D", bound=date)
_OCPI = re.compile(
    r"^(\d{4})-(\d{1,2})-(\d{1,2})[T ](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?(Z|z|[+-]\d{2}:?\d{2})?$",
    re.ASCII,
)


@lru_cache(maxsize=256)
def zone(name: str) -> ZoneInfo:
    """The IANA zone of a name, or ``InvalidInput``.

    >>> zone("Europe/Berlin").key
    'Europe/Berlin'
    """
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise InvalidInput(f"{name!r} is no IANA time zone", field="time_zone") from error


def parse_instant(text: str, *, field: str = "datetime") -> datetime:
    """Read a DateTime as OCPI partners really send it: Z optional, 1-9 fraction digits, offsets, a blank for T.

    Absence of an offset means UTC (OCPI types, DateTime). Digits beyond microseconds are cut.

    >>> parse_instant("2026-10-25T00:59:26.0000000+00:00").isoformat()
    '2026-10-25T00:59:26+00:00'
    >>> parse_instant("1970-1-1T00:00:00Z").isoformat()
    '1970-01-01T00:00:00+00:00'
    """
    match = _OCPI.match(text) if isinstance(text, str) else None
    if match is None:
        raise InvalidInput(f"{field} is no RFC 3339 date-time", field=field)
    year, month, day, hour, minute, second, fraction, offset = match.groups()
    micro = int((fraction or "0")[:6].ljust(6, "0"))
    try:
        value = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second), micro, UTC)
    except ValueError as error:
        raise InvalidInput(f"{field} is no RFC 3339 date-time: {error}", field=field) from error
    if offset and offset not in "Zz":
        sign = -1 if offset[0] == "-" else 1
        digits = offset[1:].replace(":", "")
        value -= sign * timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return value


def format_instant(value: datetime) -> str:
    """RFC 3339 in UTC with Z; microseconds only where there are any.

    >>> format_instant(datetime(2026, 10, 25, 1, 0, tzinfo=UTC))
    '2026-10-25T01:00:00Z'
    """
    if value.tzinfo is None:
        raise TypeError("an aware datetime is required")
    text = value.astimezone(UTC).isoformat()
    return text.replace("+00:00", "Z")


def sort_instant(value: datetime) -> str:
    """A fixed-width text of an instant that sorts like the instant (for keys).

    >>> sort_instant(datetime(2026, 10, 25, 1, 0, tzinfo=UTC))
    '2026-10-25T01:00:00.000000Z'
    """
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def local_midnight(day: date, zone_name: str) -> datetime:
    """The instant at which a local day begins; where midnight does not exist, the first instant after the gap.

    >>> local_midnight(date(2026, 10, 25), "Europe/Berlin").isoformat()
    '2026-10-24T22:00:00+00:00'
    """
    wall = datetime.combine(day, time(0), tzinfo=zone(zone_name))
    return wall.astimezone(UTC)


def local_date(instant: datetime, zone_name: str) -> date:
    """The calendar day of an instant in a zone.

    >>> local_date(datetime(2026, 10, 31, 23, 30, tzinfo=UTC), "Europe/Berlin").isoformat()
    '2026-11-01'
    """
    return instant.astimezone(zone(zone_name)).date()


def next_month(day: D) -> D:
    """The first day of the month after that of a day; of an instant at the same time of day.

    >>> next_month(date(2026, 12, 31)).isoformat()
    '2027-01-01'
    """
    return day.replace(day=1) + timedelta(days=monthrange(day.year, day.month)[1])


def last_of_month(day: date) -> date:
    """The last day of the month of a day.

    >>> last_of_month(date(2028, 2, 1)).isoformat()
    '2028-02-29'
    """
    return day.replace(day=monthrange(day.year, day.month)[1])


def first_midnight_from(instant: datetime, zone_name: str) -> datetime:
    """The first local midnight at or after an instant.

    >>> first_midnight_from(datetime(2026, 11, 1, 23, 0, tzinfo=UTC), "Europe/Berlin").isoformat()
    '2026-11-01T23:00:00+00:00'
    """
    day = local_date(instant, zone_name)
    start = local_midnight(day, zone_name)
    return start if start >= instant else local_midnight(day + timedelta(days=1), zone_name)


def add_wall_hours(instant: datetime, hours: int, zone_name: str) -> datetime:
    """Move an instant by wall-clock hours: 24 h is one calendar day, also across a clock change (rules.md 6).

    >>> add_wall_hours(datetime(2026, 10, 24, 22, 0, tzinfo=UTC), 24, "Europe/Berlin").isoformat()
    '2026-10-25T23:00:00+00:00'
    """
    local = instant.astimezone(zone(zone_name)).replace(tzinfo=None, fold=0) + timedelta(hours=hours)
    return local.replace(tzinfo=zone(zone_name)).astimezone(UTC)
