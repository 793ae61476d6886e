"""How many CDRs an eMSP may read between two instants, without counting them again for every page.

What became visible on a finished hour or day never changes, so its count is kept once. A request then reads a few
stored counts and counts only the young end live.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from roamclear.kernel.context import Context
from roamclear.kernel.time import sort_instant
from roamclear.ocpi import store

#: No use case takes longer from fixing ``available_at`` to its write (the longest function time-out is 5 minutes).
SETTLES_AFTER = timedelta(minutes=15)
_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Segment:
    """A half-open stretch of time with how much became visible in it."""

    start: datetime
    end: datetime
    count: int
    is_day: bool = False


def settled(ctx: Context) -> datetime:
    """Everything before this full hour is final."""
    return _hour(ctx.now() - SETTLES_AFTER)


def segments(ctx: Context, issuer_id: str, parties: Sequence[str], start: datetime, end: datetime) -> list[Segment]:
    """The stretches between two instants, in order: edges by the hour, finished days as a whole."""
    found: list[Segment] = []
    if start >= end:
        return found
    limit = settled(ctx)
    first_day, last_day = _day(start + _DAY - timedelta(microseconds=1)), min(_day(end), _day(limit))
    if first_day >= last_day:
        return _by_hour(ctx, issuer_id, parties, start, end, limit)
    found += _by_hour(ctx, issuer_id, parties, start, first_day, limit)
    days = [first_day + _DAY * n for n in range((last_day - first_day).days)]
    sums = _sums(ctx, issuer_id, parties, days, _DAY, _day_name, lambda party, day: party)
    found += [Segment(day, day + _DAY, count, is_day=True) for day, count in zip(days, sums, strict=True)]
    return found + _by_hour(ctx, issuer_id, parties, last_day, end, limit)


def hours_of(ctx: Context, issuer_id: str, parties: Sequence[str], day: Segment) -> list[Segment]:
    """A finished day hour by hour."""
    return _by_hour(ctx, issuer_id, parties, day.start, day.end, settled(ctx))


def _by_hour(
    ctx: Context, issuer_id: str, parties: Sequence[str], start: datetime, end: datetime, limit: datetime
) -> list[Segment]:
    """Stretches of at most an hour, and one for everything after ``limit``; only whole finished hours are kept."""
    found: list[Segment] = []
    at = start
    whole: list[datetime] = []
    while at < min(end, limit):
        following = min(_hour(at) + _HOUR, end)
        if following - at == _HOUR:
            whole.append(at)
        else:
            found.append(Segment(at, following, _live(ctx, issuer_id, parties, at, following)))
        at = following
    if at < end:
        found.append(Segment(at, end, _live(ctx, issuer_id, parties, at, end)))
    by_day: dict[datetime, list[datetime]] = {}
    for hour in whole:
        by_day.setdefault(_day(hour), []).append(hour)
    for hours in by_day.values():
        sums = _sums(ctx, issuer_id, parties, hours, _HOUR, _hour_name, lambda party, at: f"{party}#{_day_name(at)}")
        found += [Segment(hour, hour + _HOUR, count) for hour, count in zip(hours, sums, strict=True)]
    return sorted(found, key=lambda s: s.start)


def _sums(
    ctx: Context,
    issuer_id: str,
    parties: Sequence[str],
    starts: Sequence[datetime],
    length: timedelta,
    name: Callable[[datetime], str],
    partition: Callable[[str, datetime], str],
) -> list[int]:
    """Counts of finished stretches over all parties: the kept ones, and the missing ones counted once and kept."""
    sums = [0] * len(starts)
    for party in parties:
        place = partition(party, starts[0])
        known = store.counts(ctx.db, issuer_id, place, first=name(starts[0]), last=name(starts[-1]))
        for index, start in enumerate(starts):
            count = known.get(name(start))
            if count is None:
                count = _live(ctx, issuer_id, [party], start, start + length)
                store.save_count(ctx.db, issuer_id, place, name(start), count)
            sums[index] += count
    return sums


def _live(ctx: Context, issuer_id: str, parties: Sequence[str], start: datetime, end: datetime) -> int:
    after, before = sort_instant(start), sort_instant(end)
    return sum(store.count_visible(ctx.db, issuer_id, party, after=after, before=before) for party in parties)


def _day(instant: datetime) -> datetime:
    return instant.replace(hour=0, minute=0, second=0, microsecond=0)


def _hour(instant: datetime) -> datetime:
    return instant.replace(minute=0, second=0, microsecond=0)


def _day_name(instant: datetime) -> str:
    return sort_instant(instant)[:10]


def _hour_name(instant: datetime) -> str:
    return sort_instant(instant)[:13]
