"""The demo's calendar: the month before today, and the instants at which something happens in it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Europe/Berlin")


@dataclass(frozen=True, slots=True)
class Month:
    """A calendar month in the zone of issuer and contracts."""

    first: date

    @classmethod
    def before(cls, today: date) -> Month:
        """The month before the one of a day."""
        return cls((today.replace(day=1) - timedelta(days=1)).replace(day=1))

    @property
    def label(self) -> str:
        """``2026-10``."""
        return f"{self.first:%Y-%m}"

    @property
    def end(self) -> date:
        """The first day after it."""
        return (self.first + timedelta(days=32)).replace(day=1)

    @property
    def days(self) -> int:
        """How many days it has."""
        return (self.end - self.first).days

    def at(self, day: int, hour: int = 0, minute: int = 0, second: int = 0) -> datetime:
        """An instant of its 1st, 2nd, … day by the clock on the wall."""
        return local(self.first + timedelta(days=day - 1), hour, minute, second)

    def after(self, day: int, hour: int = 0, minute: int = 0, second: int = 0) -> datetime:
        """An instant of a day of the following month."""
        return local(self.end + timedelta(days=day - 1), hour, minute, second)


def local(day: date, hour: int = 0, minute: int = 0, second: int = 0) -> datetime:
    """The UTC instant of a time on the wall."""
    return datetime.combine(day, time(hour, minute, second), ZONE).astimezone(UTC)


def stamp(instant: datetime) -> str:
    """An instant as OCPI writes it."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def shown(instant: datetime) -> str:
    """An instant as a person of the issuer reads it."""
    return instant.astimezone(ZONE).strftime("%d %b %Y %H:%M")


def read(text: str) -> datetime:
    """An instant as the API writes it."""
    return datetime.fromisoformat(text)
