"""The holidays of a place in a year, as they were known when they were recorded."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from pydantic import Field, model_validator

from roamclear.kernel.record import Record

#: TARGET, a country (ISO 3166-1), or one of its regions (ISO 3166-2).
CODE = r"^(TARGET|[A-Z]{2}(-[A-Z0-9]{1,3})?)$"
MOST_DAYS = 60


class CalendarYear(Record):
    """One state of a year's holidays. States are numbered and never changed: the one with the highest number counts.

    ``source``: RULE (TARGET), LIBRARY (its name and version in ``version``) or PERSON. A deadline that was set by an
    earlier state stays as it was set.
    """

    issuer_id: str
    code: str = Field(pattern=CODE)
    year: int = Field(ge=2000, le=2100)
    number: int = Field(ge=1)
    days: dict[date, str] = Field(max_length=MOST_DAYS)
    source: str = Field(pattern=r"^(RULE|LIBRARY|PERSON)$")
    version: str | None = None
    reason: str | None = Field(None, max_length=200)
    recorded_by: str
    recorded_at_utc: datetime

    @model_validator(mode="after")
    def _of_the_year(self) -> CalendarYear:
        if any(day.year != self.year for day in self.days):
            raise ValueError("each holiday lies in the year")
        if any(not 1 <= len(name) <= 80 for name in self.days.values()):
            raise ValueError("each holiday has a name of at most 80 characters")
        return self

    @property
    def label(self) -> str:
        """Which state of which year this is, as a deadline names it."""
        return f"{self.code}.{self.year}.{self.number}"


@dataclass(frozen=True, slots=True)
class Closings:
    """The holidays a deadline is counted by, and the states they come from; none stored: Monday to Friday alone."""

    days: frozenset[date] = frozenset()
    labels: tuple[str, ...] = ()
