"""Working days. Which days are holidays is a stored value (calendars room); only TARGET's own rule stands here.

TARGET is closed on weekends, 1 January, Good Friday, Easter Monday, 1 May, 25 and 26 December.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, timedelta

_FIXED = {(1, 1): "New Year's Day", (5, 1): "Labour Day", (12, 25): "Christmas Day", (12, 26): "26 December"}


def easter(year: int) -> date:
    """Easter Sunday of the Gregorian calendar (Meeus, Jones, Butcher).

    >>> easter(2026).isoformat(), easter(2027).isoformat()
    ('2026-04-05', '2027-03-28')
    """
    a, (b, c) = year % 19, divmod(year, 100)
    d, e = divmod(b, 4)
    g = (8 * b + 13) // 25
    h = (19 * a + b - d - g + 15) % 30
    i, k = divmod(c, 4)
    m = (32 + 2 * e + 2 * i - h - k) % 7
    n = (a + 11 * h + 22 * m) // 451
    month, day = divmod(h + m - 7 * n + 114, 31)
    return date(year, month, day + 1)


def target_closings(year: int) -> dict[date, str]:
    """The days beside weekends on which TARGET is closed, by their rule.

    >>> [day.isoformat() for day in sorted(target_closings(2026))][:3]
    ['2026-01-01', '2026-04-03', '2026-04-06']
    """
    sunday = easter(year)
    found = {date(year, month, day): name for (month, day), name in _FIXED.items()}
    return found | {sunday - timedelta(days=2): "Good Friday", sunday + timedelta(days=1): "Easter Monday"}


def is_working_day(day: date, closed: Collection[date] = ()) -> bool:
    """Whether a day is Monday to Friday and none of the closed ones.

    >>> is_working_day(date(2026, 5, 1)), is_working_day(date(2026, 5, 1), {date(2026, 5, 1)})
    (True, False)
    """
    return day.weekday() < 5 and day not in closed


def add_working_days(day: date, count: int, closed: Collection[date] = ()) -> date:
    """The last of so many working days after a day.

    >>> add_working_days(date(2026, 11, 6), 5).isoformat()
    '2026-11-13'
    >>> add_working_days(date(2026, 12, 23), 2, {date(2026, 12, 25)}).isoformat()
    '2026-12-28'
    """
    while count > 0:
        day += timedelta(days=1)
        if is_working_day(day, closed):
            count -= 1
    return day


def is_business_day(day: date, closed: Collection[date] = ()) -> bool:
    """Whether TARGET settles on a day; ``closed`` are days that it announced beside its rule.

    >>> is_business_day(date(2026, 4, 3)), is_business_day(date(2026, 4, 7))
    (False, True)
    """
    return is_working_day(day, target_closings(day.year)) and day not in closed


def next_business_day(day: date) -> date:
    """The day itself or the first TARGET day after it.

    >>> next_business_day(date(2026, 12, 25)).isoformat()
    '2026-12-28'
    """
    while not is_business_day(day):
        day += timedelta(days=1)
    return day


def business_day_before(day: date) -> date:
    """The last TARGET day before a day.

    >>> business_day_before(date(2026, 4, 7)).isoformat()
    '2026-04-02'
    """
    day -= timedelta(days=1)
    while not is_business_day(day):
        day -= timedelta(days=1)
    return day
