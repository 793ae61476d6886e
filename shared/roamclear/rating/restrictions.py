"""TariffRestrictions: what they ask for and how they read on a price list (OCPI mod_tariffs)."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

from roamclear.rating.model import Restrictions
from roamclear.rating.moments import DAY_S, Moment

_MICROSECOND = timedelta(microseconds=1)
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def window_of(r: Restrictions | None) -> tuple[int, int, bool]:
    """Start and end second of the local day, and whether that wraps midnight.

    Equal times are the whole day, an end of 00:00 is the end of the day, an earlier end wraps midnight.
    """
    if r is None:
        return 0, DAY_S, False
    start, end = (r.start_minute or 0) * 60, (r.end_minute or 0) * 60 or DAY_S
    return (0, DAY_S, False) if start == end else (start, end, end < start)


def beyond_clock(r: Restrictions | None) -> Restrictions | None:
    """The restrictions if there is more in them than a time of day and weekdays."""
    if r is None:
        return None
    others = (r.start_date, r.end_date, r.min_kwh, r.max_kwh, r.min_duration_s, r.max_duration_s)
    flows = (r.min_current, r.max_current, r.min_power, r.max_power)
    return None if all(value is None for value in (*others, *flows)) else r


def matches(r: Restrictions, m: Moment) -> bool:
    """Whether all that ``beyond_clock`` speaks of holds: minima are inclusive, maxima exclusive."""
    flow = m.flows.get
    return (
        _matches_duration(r.min_duration_s, r.max_duration_s, m)
        and _matches_dates(r.start_date, r.end_date, m)
        and _matches_energy(r.min_kwh, r.max_kwh, m)
        and _matches_range(r.min_current, r.max_current, flow("MIN_CURRENT"), flow("MAX_CURRENT"))
        and _matches_range(r.min_power, r.max_power, flow("MIN_POWER"), flow("MAX_POWER"))
    )


def _matches_duration(minimum: Decimal | None, maximum: Decimal | None, m: Moment) -> bool:
    if minimum is None and maximum is None:
        return True
    lasted = Decimal(m.since // _MICROSECOND).scaleb(-6)
    return (minimum is None or lasted >= minimum) and (maximum is None or lasted < maximum)


def _matches_dates(start: date | None, end: date | None, m: Moment) -> bool:
    if start is None and end is None:
        return True
    today = m.local.date()
    return (start is None or today >= start) and (end is None or today < end)


def _matches_energy(minimum: Decimal | None, maximum: Decimal | None, m: Moment) -> bool:
    drawn = m.energy_kwh
    if minimum is not None and (drawn < minimum or (m.is_limit and drawn == minimum)):
        return False
    return maximum is None or drawn < maximum or (m.is_limit and drawn == maximum)


def _matches_range(minimum: Decimal | None, maximum: Decimal | None, low: Decimal | None, high: Decimal | None) -> bool:
    """Minimum inclusive against the period's MIN_, maximum exclusive against its MAX_ dimension.

    Where the period lacks the one asked for, the other still decides what follows from it (a lowest current of 43 A
    cannot have stayed below 32 A); where it carries neither, the restriction is passed over.
    """
    lowest = low if low is not None else high
    highest = high if high is not None else low
    if minimum is not None and lowest is not None and lowest < minimum:
        return False
    return maximum is None or highest is None or highest < maximum


def describe(r: Restrictions | None) -> str:
    """A bracket in the words of a price list; empty where nothing restricts.

    >>> describe(Restrictions(start_minute=1320, end_minute=360, weekdays=(0, 1, 2, 3, 4)))
    'Mon-Fri 22:00-06:00'
    """
    if r is None:
        return ""
    parts = [_days(r.weekdays), _clock(r), _dates(r), *_ranges(r)]
    return " ".join(part for part in parts if part)


def _days(days: tuple[int, ...]) -> str:
    if not days:
        return ""
    if len(days) > 2 and days == tuple(range(days[0], days[-1] + 1)):
        return f"{_DAYS[days[0]]}-{_DAYS[days[-1]]}"
    return ",".join(_DAYS[day] for day in days)


def _clock(r: Restrictions) -> str:
    if r.start_minute is None and r.end_minute is None:
        return ""
    start, end = r.start_minute or 0, r.end_minute or 1440
    return f"{start // 60:02}:{start % 60:02}-{end // 60:02}:{end % 60:02}"


def _dates(r: Restrictions) -> str:
    first = f"from {r.start_date.isoformat()}" if r.start_date else ""
    last = f"before {r.end_date.isoformat()}" if r.end_date else ""
    return " ".join(part for part in (first, last) if part)


def _ranges(r: Restrictions) -> list[str]:
    found = []
    for name, unit, low, high in (
        ("energy", "kWh", r.min_kwh, r.max_kwh),
        ("current", "A", r.min_current, r.max_current),
        ("power", "kW", r.min_power, r.max_power),
        ("duration", "s", r.min_duration_s, r.max_duration_s),
    ):
        if low is not None:
            found.append(f"{name} from {low:f} {unit}")
        if high is not None:
            found.append(f"{name} below {high:f} {unit}")
    return found
