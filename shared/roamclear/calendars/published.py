"""The holidays that are published for a place and year, by rule (TARGET) or by the ``holidays`` package.

Only the schedule comes here: the package is large, and a decision is taken on what is stored.
"""

from __future__ import annotations

from datetime import date

import holidays
from holidays.version import __version__

from roamclear.kernel.workdays import target_closings

#: What stands in a calendar made by the package.
VERSION = f"holidays {__version__}"


def days(code: str, year: int) -> dict[date, str] | None:
    """Every public holiday of a place in a year; None for a place that is not known.

    >>> date(2026, 10, 3) in (days("DE", 2026) or {}), date(2026, 1, 6) in (days("DE", 2026) or {})
    (True, False)
    >>> date(2026, 1, 6) in (days("DE-BY", 2026) or {}), days("DE-XX", 2026)
    (True, None)
    """
    if code == "TARGET":
        return target_closings(year)
    country, _, region = code.partition("-")
    try:
        found = holidays.country_holidays(country, subdiv=region or None, years=year, expand=False)
    except NotImplementedError:
        return None
    return {day: name[:80] for day, name in sorted(found.items()) if day.year == year}
