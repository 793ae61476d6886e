"""TARGET business days: Monday to Friday without 1 January, Good Friday, Easter Monday, 1 May, 25 and 26 December."""

from __future__ import annotations

from datetime import date, timedelta


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


def is_business_day(day: date) -> bool:
    """Whether TARGET settles on a day.

    >>> is_business_day(date(2026, 4, 3)), is_business_day(date(2026, 4, 7))
    (False, True)
    """
    sunday = easter(day.year)
    closed = {sunday - timedelta(days=2), sunday + timedelta(days=1)}
    fixed = {(1, 1), (5, 1), (12, 25), (12, 26)}
    return day.weekday() < 5 and day not in closed and (day.month, day.day) not in fixed


def next_business_day(day: date) -> date:
    """The day itself or the first TARGET day after it.

    >>> next_business_day(date(2026, 12, 25)).isoformat()
    '2026-12-28'
    """
    while not is_business_day(day):
        day += timedelta(days=1)
    return day
