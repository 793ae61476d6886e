"""The one clock. This is the only module that may ask the machine for the time."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Something that knows the present instant."""

    def now(self) -> datetime:
        """The present instant as aware UTC."""
        ...


@dataclass(frozen=True, slots=True)
class SystemClock:
    """The machine's clock, moved by ``shift`` (zero everywhere but in stage local, rules.md 1)."""

    shift: timedelta = timedelta(0)

    def now(self) -> datetime:
        """The present instant as aware UTC."""
        return datetime.now(UTC) + self.shift


@dataclass(slots=True)
class ManualClock:
    """A clock that tests move by hand.

    >>> clock = ManualClock(datetime(2026, 10, 1, tzinfo=UTC))
    >>> clock.advance(timedelta(hours=1))
    >>> clock.now().isoformat()
    '2026-10-01T01:00:00+00:00'
    """

    instant: datetime = field(default_factory=lambda: datetime(2026, 10, 1, tzinfo=UTC))

    def now(self) -> datetime:
        """The instant it was set to."""
        return self.instant

    def advance(self, by: timedelta) -> None:
        """Move forward (or back)."""
        self.instant = self.instant + by

    def set(self, to: datetime) -> None:
        """Jump to an instant."""
        self.instant = to.astimezone(UTC)
