"""Which price component applies to a dimension at a moment (OCPI mod_tariffs, Tariff object and TariffRestrictions).

Elements are walked in order; per dimension the first one wins that has a component for it and whose restrictions all
match. Dimensions are looked up independently. An element with ``reservation`` prices reserved time and nothing else;
an element without never prices reserved time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from roamclear.rating.model import Period, PriceComponent, Restrictions, Tariff

_MICROSECOND = timedelta(microseconds=1)
_DAY_S = 86_400
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
RESERVATION, EXPIRES = "RESERVATION", "RESERVATION_EXPIRES"


@dataclass(frozen=True, slots=True)
class Moment:
    """All that a restriction can ask for. ``energy_kwh`` is what the session has drawn so far.

    ``is_limit`` marks the last instant of a period in which energy flowed: what is reached exactly at its end was not
    reached within it, because periods are half-open.
    """

    local: datetime
    second_of_day: int
    weekday: int
    duration_us: int
    energy_kwh: Decimal
    is_limit: bool
    min_current: Decimal | None
    max_current: Decimal | None
    min_power: Decimal | None
    max_power: Decimal | None


class Rule:
    """One component with the restrictions of its element, laid out for fast matching."""

    __slots__ = ("bracket", "component", "days", "element", "key", "kwh", "price", "rest", "until_s", "window", "wraps")

    def __init__(self, tariff: Tariff, element: int, component: PriceComponent, restrictions: Restrictions | None):
        self.element = element
        self.component = component
        self.price = component.price
        self.key = (tariff.id, element, component.type)
        self.window: int | None = None
        self.until_s = 0
        self.wraps = False
        self.days: tuple[int, ...] = ()
        self.rest: Restrictions | None = None
        self.bracket = ""
        if restrictions is not None:
            self._take(restrictions)

    def _take(self, r: Restrictions) -> None:
        start, end = (r.start_minute or 0) * 60, (r.end_minute or 0) * 60 or _DAY_S
        if (start, end) != (0, _DAY_S) and start != end:
            self.window, self.until_s, self.wraps = start, end, end < start
        self.days = r.weekdays
        self.rest = r if _has_rest(r) else None

    def matches(self, m: Moment) -> bool:
        """Whether every restriction that is set holds at a moment."""
        window = self.window
        if window is not None:
            now = m.second_of_day
            if self.wraps:
                if self.until_s <= now < window:
                    return False
            elif now < window or now >= self.until_s:
                return False
        if self.days and m.weekday not in self.days:
            return False
        return self.rest is None or _matches_rest(self.rest, m)


def _has_rest(r: Restrictions) -> bool:
    return any(
        value is not None
        for value in (
            *(r.start_date, r.end_date, r.min_kwh, r.max_kwh, r.min_current, r.max_current),
            *(r.min_power, r.max_power, r.min_duration_s, r.max_duration_s),
        )
    )


def _matches_rest(r: Restrictions, m: Moment) -> bool:
    if r.min_duration_s is not None and m.duration_us < r.min_duration_s * 1_000_000:
        return False
    if r.max_duration_s is not None and m.duration_us >= r.max_duration_s * 1_000_000:
        return False
    return (
        _matches_dates(r.start_date, r.end_date, m)
        and _matches_energy(r.min_kwh, r.max_kwh, m)
        and _matches_range(r.min_current, r.max_current, m.min_current, m.max_current)
        and _matches_range(r.min_power, r.max_power, m.min_power, m.max_power)
    )


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


class TariffRules:
    """A tariff's components by what they price, in the order of its elements."""

    __slots__ = ("_by_dimension", "has_vat", "tariff")

    def __init__(self, tariff: Tariff) -> None:
        self.tariff = tariff
        self.has_vat = False
        self._by_dimension: dict[tuple[str | None, str], list[Rule]] = {}
        for index, element in enumerate(tariff.elements):
            restrictions = element.restrictions
            kind = restrictions.reservation if restrictions is not None else None
            for component in element.components:
                self.has_vat = self.has_vat or component.vat is not None
                rule = Rule(tariff, index, component, restrictions)
                self._by_dimension.setdefault((kind, component.type), []).append(rule)

    def choose(self, dimension: str, moment: Moment, reservation: str | None = None) -> Rule | None:
        """The component that prices a dimension (``FLAT``, ``ENERGY``, ``TIME``, ``PARKING_TIME``) at a moment."""
        for rule in self._by_dimension.get((reservation, dimension), ()):
            if rule.matches(moment):
                return rule
        return None

    def prices(self, dimension: str, reservation: str | None = None) -> bool:
        """Whether any element at all has a component for a dimension."""
        return (reservation, dimension) in self._by_dimension

    def choose_reserved_time(self, moment: Moment, *, expired: bool) -> Rule | None:
        """Reserved time: the expired reservation's own TIME replaces the ordinary one where both are there."""
        if expired:
            found = self.choose("TIME", moment, EXPIRES)
            if found is not None:
                return found
        return self.choose("TIME", moment, RESERVATION)


def moment_of(
    instant: datetime, zone: ZoneInfo, session_start: datetime, energy_kwh: Decimal, period: Period
) -> Moment:
    """The moment a period begins; ``energy_kwh`` is what was drawn before it."""
    local = instant.astimezone(zone)
    volumes: dict[str, Decimal] = {}
    for dimension in period.dimensions:
        if dimension.type[:4] in ("MIN_", "MAX_"):
            volumes[dimension.type] = dimension.volume
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
        start.min_current,
        start.max_current,
        start.min_power,
        start.max_power,
    )


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
