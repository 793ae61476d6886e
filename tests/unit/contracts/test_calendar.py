"""Periods, openings and closes in three zones, through both changes of the clock."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roamclear.contracts.model import Contract, ContractVersion, Frequency, Status
from roamclear.contracts.preview import next_periods
from roamclear.contracts.rules import closing, covers, in_force, match, opening, period_of, periods_between, status
from tests.support import builders as b

ZONES = ("Europe/Berlin", "Europe/Lisbon", "Europe/Helsinki")
INSTANTS = st.integers(1_704_067_200, 1_893_456_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "month", "opens", "closes"),
    [
        ("Europe/Berlin", 10, "2026-11-01T23:00", "2026-11-08T23:00"),
        ("Europe/Lisbon", 10, "2026-11-02T00:00", "2026-11-09T00:00"),
        ("Europe/Helsinki", 10, "2026-11-01T22:00", "2026-11-08T22:00"),
        ("Europe/Berlin", 3, "2026-04-01T22:00", "2026-04-08T22:00"),
        ("Europe/Lisbon", 3, "2026-04-01T23:00", "2026-04-08T23:00"),
        ("Europe/Helsinki", 3, "2026-04-01T21:00", "2026-04-08T21:00"),
        ("Europe/Berlin", 7, "2026-08-01T22:00", "2026-08-08T22:00"),
    ],
)
def test_windows_of_months(zone: str, month: int, opens: str, closes: str) -> None:
    period = period_of(datetime(2026, month, 15, tzinfo=UTC), Frequency.MONTHLY, zone)
    assert opening(period, 24) == utc(opens)
    assert closing(opening(period, 24), 7, zone) == utc(closes)


@pytest.mark.parametrize("zone", ZONES)
def test_a_window_across_the_autumn_change_has_its_seven_days_and_an_hour(zone: str) -> None:
    period = period_of(utc("2026-10-18T12:00"), Frequency.WEEKLY, zone)
    opens = opening(period, 24)
    assert closing(opens, 7, zone) - opens == timedelta(days=7, hours=1)
    period = period_of(utc("2026-03-22T12:00"), Frequency.WEEKLY, zone)
    opens = opening(period, 24)
    assert closing(opens, 7, zone) - opens == timedelta(days=6, hours=23)


def test_opened_late_the_close_moves_to_whole_days_from_the_next_midnight() -> None:
    assert closing(utc("2026-11-03T10:00"), 7, "Europe/Berlin") == utc("2026-11-10T23:00")


def test_the_repeated_hour_belongs_to_its_day() -> None:
    for instant in ("2026-10-25T00:30", "2026-10-25T01:30"):
        period = period_of(utc(instant), Frequency.WEEKLY, "Europe/Berlin")
        assert (period.first, period.end) == (date(2026, 10, 19), date(2026, 10, 26))


@given(INSTANTS, st.sampled_from(list(Frequency)), st.sampled_from(ZONES))
def test_each_instant_is_in_exactly_one_period_and_the_next_one_follows(
    instant: datetime, frequency: Frequency, zone: str
) -> None:
    period = period_of(instant, frequency, zone)
    assert period.start_utc <= instant < period.end_utc
    following = period_of(period.end_utc, frequency, zone)
    assert following.start_utc == period.end_utc
    assert following.label != period.label
    assert period_of(period.end_utc - timedelta(microseconds=1), frequency, zone) == period
    for edge in (period.start_utc, period.end_utc):
        assert edge.astimezone(ZoneInfo(zone)).strftime("%H:%M") == "00:00"


@given(INSTANTS, st.integers(0, 400), st.sampled_from(list(Frequency)), st.sampled_from(ZONES))
def test_what_ended_is_listed_once_without_a_gap(since: datetime, days: int, frequency: Frequency, zone: str) -> None:
    until = since + timedelta(days=days)
    found = periods_between(since, until, frequency, zone)
    assert all(a.end_utc == c.start_utc for a, c in pairwise(found))
    assert all(since < p.end_utc <= until for p in found)
    assert len({p.label for p in found}) == len(found)
    last = found[-1].end_utc if found else since
    assert period_of(last, frequency, zone).end_utc > until


ANCHORS = st.dates(date(2023, 1, 1), date(2031, 12, 31))


@pytest.mark.parametrize(
    ("frequency", "anchor", "instant", "first", "end"),
    [
        (Frequency.MONTHLY, "2026-01-15", "2026-11-14T12:00", "2026-10-15", "2026-11-15"),
        (Frequency.MONTHLY, "2026-01-15", "2026-11-14T23:00", "2026-11-15", "2026-12-15"),
        (Frequency.MONTHLY, "2026-01-31", "2027-02-28T12:00", "2027-02-28", "2027-03-31"),
        (Frequency.MONTHLY, "2026-01-31", "2028-02-28T12:00", "2028-01-31", "2028-02-29"),
        (Frequency.MONTHLY, "2026-01-31", "2026-11-29T12:00", "2026-10-31", "2026-11-30"),
        (Frequency.QUARTERLY, "2026-02-10", "2026-02-09T12:00", "2025-11-10", "2026-02-10"),
        (Frequency.QUARTERLY, "2026-11-30", "2027-02-28T12:00", "2027-02-28", "2027-05-30"),
        (Frequency.SEMI_MONTHLY, "2026-01-20", "2026-02-03T12:00", "2026-01-20", "2026-02-04"),
        (Frequency.SEMI_MONTHLY, "2026-01-20", "2026-02-04T12:00", "2026-02-04", "2026-02-20"),
        (Frequency.WEEKLY, "2026-01-07", "2026-10-25T12:00", "2026-10-21", "2026-10-28"),
        (Frequency.BI_WEEKLY, "2026-01-07", "2026-01-06T12:00", "2025-12-24", "2026-01-07"),
    ],
)
def test_anniversary_periods_begin_on_the_day_of_their_anchor(
    frequency: Frequency, anchor: str, instant: str, first: str, end: str
) -> None:
    period = period_of(utc(instant), frequency, "Europe/Berlin", date.fromisoformat(anchor))
    assert (period.first.isoformat(), period.end.isoformat(), period.label) == (first, end, first)


@given(INSTANTS, st.sampled_from(list(Frequency)), st.sampled_from(ZONES), ANCHORS)
def test_anniversary_periods_follow_each_other_without_a_gap(
    instant: datetime, frequency: Frequency, zone: str, anchor: date
) -> None:
    period = period_of(instant, frequency, zone, anchor)
    assert period.start_utc <= instant < period.end_utc
    following = period_of(period.end_utc, frequency, zone, anchor)
    assert following.first == period.end
    assert following.label != period.label
    assert period_of(period.end_utc - timedelta(microseconds=1), frequency, zone, anchor) == period


def test_a_contract_is_seen_by_its_dates_and_its_suspension() -> None:
    contract = head(valid_from=date(2026, 10, 1), valid_to=date(2026, 11, 1))
    assert status(contract, utc("2026-09-30T21:59")) is Status.UPCOMING
    assert status(contract, utc("2026-09-30T22:00")) is Status.ACTIVE
    assert status(contract, utc("2026-10-31T23:00")) is Status.ENDED
    halted = contract.model_copy(update={"suspended_at_utc": utc("2026-10-10T00:00")})
    assert status(halted, utc("2026-10-09T23:59")) is Status.ACTIVE
    assert status(halted, utc("2026-10-10T00:00")) is Status.SUSPENDED
    assert covers(halted, utc("2026-10-09T23:59"))
    assert not covers(halted, utc("2026-10-10T00:00"))
    assert status(head(status="DRAFT"), utc("2026-10-10T00:00")) is Status.DRAFT


def test_the_preview_tells_every_instant_in_both_clocks() -> None:
    contract = head(valid_to=date(2027, 2, 15))
    first, *rest = next_periods(contract, [version(1, date(2026, 1, 1))], utc("2026-10-05T10:00"))
    assert (first.label, first.first, first.end) == ("2026-10", date(2026, 10, 1), date(2026, 11, 1))
    assert first.starts.local == "2026-10-01T00:00:00+02:00"
    assert (first.opens.utc, first.opens.local) == (utc("2026-11-01T23:00"), "2026-11-02T00:00:00+01:00")
    assert first.closes.utc == utc("2026-11-08T23:00")
    assert first.locks.local == "2026-11-09T00:01:00+01:00"
    assert first.issues == first.locks
    assert first.due_on == date(2026, 12, 9)
    assert [p.label for p in rest] == ["2026-11", "2026-12", "2027-01", "2027-02"]


def test_the_preview_has_twelve_periods_and_knows_versions_to_come() -> None:
    versions = [version(1, date(2026, 1, 1)), version(2, date(2027, 1, 1), window_days=3, auto_issue=False)]
    found = next_periods(head(valid_from=date(2026, 12, 1)), versions, utc("2026-10-05T10:00"))
    assert len(found) == 12
    assert [(p.label, p.contract_version) for p in found[:2]] == [("2026-12", 1), ("2027-01", 2)]
    assert found[1].closes.utc - found[1].opens.utc == timedelta(days=3)
    assert (found[1].issues, found[1].due_on) == (None, None)


def head(**changes: object) -> Contract:
    base = {
        "issuer_id": b.ISSUER, "contract_id": "C-1", "name": "C-1", "valid_from": date(2026, 1, 1), "version": 1,
        "zone": "Europe/Berlin", "frequency": Frequency.MONTHLY, "party_ids": (b.EMSP,),
    }  # fmt: skip
    return Contract.model_validate(base | changes)


def version(number: int, valid_from: date, **changes: object) -> ContractVersion:
    return ContractVersion(
        issuer_id=b.ISSUER, contract_id="C-1", version=number, valid_from=valid_from, terms=b.terms(**changes),
        author="ada", recorded_at_utc=utc("2026-01-01T00:00"),
    )  # fmt: skip


def test_a_contract_holds_from_local_midnight_to_local_midnight() -> None:
    contract = head(valid_to=date(2026, 11, 1))
    assert covers(contract, utc("2025-12-31T23:00"))
    assert not covers(contract, utc("2025-12-31T22:59"))
    assert covers(contract, utc("2026-10-31T22:59"))
    assert not covers(contract, utc("2026-10-31T23:00"))


def test_of_two_versions_for_one_day_the_later_holds() -> None:
    first, second, third = version(1, date(2026, 1, 1)), version(2, date(2026, 5, 1)), version(3, date(2026, 5, 1))
    assert in_force([first, second, third], date(2026, 4, 30)) is first
    assert in_force([third, second, first], date(2026, 5, 1)) is third
    assert in_force([second], date(2026, 4, 1)) is None


def test_exactly_one_contract_or_the_reason_why_not() -> None:
    start, versions = utc("2026-10-05T10:00"), [version(1, date(2026, 1, 1))]
    assert match([(head(), versions)], b.EMSP, start).contract == head()
    assert match([], b.EMSP, start).reason == "NO_CONTRACT"
    assert match([(head(), versions)], "FRXXX", start).reason == "NO_CONTRACT"
    both = [(head(), versions), (head(contract_id="C-2"), versions)]
    assert match(both, b.EMSP, start).reason == "AMBIGUOUS_CONTRACT"
    assert match([(head(status="DRAFT"), versions)], b.EMSP, start).reason == "NO_CONTRACT"
