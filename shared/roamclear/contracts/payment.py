"""When a document is due: net n days, end of month plus n, or a fixed day of a month (product.md row 84)."""

from __future__ import annotations

from calendar import monthrange
from datetime import date, timedelta
from enum import StrEnum


class PaymentRule(StrEnum):
    """How a due date is counted from the issue date."""

    NET = "NET"
    END_OF_MONTH = "END_OF_MONTH"
    FIXED_DAY = "FIXED_DAY"


def month_day(year: int, month: int, day: int) -> date:
    """A day of a month counted from any year and month number; a short month gives its last day.

    >>> month_day(2027, 2, 31).isoformat(), month_day(2026, 14, 5).isoformat()
    ('2027-02-28', '2027-02-05')
    """
    year, month = year + (month - 1) // 12, (month - 1) % 12 + 1
    return date(year, month, min(day, monthrange(year, month)[1]))


def due(issue: date, rule: PaymentRule, *, days: int, day: int | None = None, months: int = 1) -> date:
    """The due date of a document; never before its issue date.

    NET counts ``days`` from the issue date. END_OF_MONTH counts ``days`` from the last day of the issue month.
    FIXED_DAY is the ``day`` of the month ``months`` after the issue month; where it has passed already, of the next.

    >>> due(date(2026, 11, 9), PaymentRule.NET, days=30).isoformat()
    '2026-12-09'
    >>> due(date(2026, 11, 9), PaymentRule.END_OF_MONTH, days=15).isoformat()
    '2026-12-15'
    >>> due(date(2027, 1, 9), PaymentRule.FIXED_DAY, days=0, day=31).isoformat()
    '2027-02-28'
    """
    if rule is PaymentRule.NET:
        return issue + timedelta(days=days)
    if rule is PaymentRule.END_OF_MONTH:
        return month_day(issue.year, issue.month, 31) + timedelta(days=days)
    wanted = month_day(issue.year, issue.month + months, day or 31)
    return wanted if wanted >= issue else month_day(issue.year, issue.month + months + 1, day or 31)
