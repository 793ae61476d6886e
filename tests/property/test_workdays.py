"""Working days: what holds for any day, count and calendar."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from roamclear.kernel.time import local_date
from roamclear.kernel.workdays import (
    add_working_days,
    business_day_before,
    is_business_day,
    is_working_day,
    next_business_day,
    target_closings,
)
from roamclear.rates import rules

DAYS = st.dates(date(2000, 1, 1), date(2099, 11, 30))


@given(DAYS, st.integers(1, 30), st.frozensets(st.integers(1, 60), max_size=12))
def test_a_deadline_has_exactly_so_many_working_days_and_ends_on_one(
    day: date, count: int, off: frozenset[int]
) -> None:
    closed = {day + timedelta(days=n) for n in off}
    last = add_working_days(day, count, closed)
    between = [day + timedelta(days=n) for n in range(1, (last - day).days + 1)]
    assert sum(is_working_day(each, closed) for each in between) == count
    assert is_working_day(last, closed)
    assert last >= add_working_days(day, count), "a holiday never shortens a deadline"


@given(DAYS)
def test_target_days_before_and_after(day: date) -> None:
    after, before = next_business_day(day), business_day_before(day)
    assert is_business_day(after)
    assert is_business_day(before)
    assert before < day <= after
    assert next_business_day(before + timedelta(days=1)) == after, "none lies between them"
    assert (after - before).days <= 6


@given(st.integers(1999, 2100))
def test_target_is_closed_on_its_six_days(year: int) -> None:
    closed = target_closings(year)
    assert len(closed) == 6
    assert {(d.month, d.day) for d in closed} >= {(1, 1), (5, 1), (12, 25), (12, 26)}
    assert not any(is_business_day(each) for each in closed)


@given(st.integers(0, 80 * 366 * 24 * 3600))
def test_what_is_published_is_never_older_than_what_a_document_needs(seconds: int) -> None:
    now = datetime(2010, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    latest, local = rules.last_published(now), local_date(now, rules.PUBLISHED_IN)
    assert rules.earliest(local) <= latest <= local
    assert is_business_day(latest)
