"""Holidays as dated stored values, and the deadlines that are counted by them (rules.md 6 and 10)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from roamclear.calendars import published, refresh, service, store
from roamclear.calendars.model import CalendarYear
from roamclear.contracts import service as contracts
from roamclear.disputes import service as disputes
from roamclear.disputes import talk
from roamclear.disputes.model import Claim, Dispute, Reason
from roamclear.identity.model import Role
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionType
from roamclear.kernel.errors import Forbidden, InvalidInput
from roamclear.kernel.workdays import target_closings
from roamclear.payouts import batches
from tests.integration import test_close as month
from tests.support import builders as b
from tests.support.api import Api, environment
from tests.support.handlers import call, on, sample
from tests.support.memory_stage import fresh
from tests.support.moto_stack import Stage

NOW = datetime(2026, 10, 1, 8, tzinfo=UTC)
ADMIN = b.actor(Role.ADMIN)


@pytest.fixture
def quick() -> Stage:
    made = fresh(NOW)
    month.start(made)
    return made


def latest(stage: Stage, code: str, year: int = 2026) -> CalendarYear:
    found = store.latest(stage.ctx.db, b.ISSUER, code, year)
    assert found is not None
    return found


def opened(stage: Stage, kind: ExceptionType) -> list[str]:
    return [row.subject for row in journal.open_of(stage.ctx, b.ISSUER, kind)]


def test_the_places_of_issuer_and_contracts_are_stored_for_two_years(quick: Stage) -> None:
    assert refresh.refresh(quick.ctx) == {"stored": 6, "kept": 0, "conflicts": 0, "missing": 0}
    german, target = latest(quick, "DE"), latest(quick, "TARGET", 2027)
    assert (german.source, german.number, german.version) == ("LIBRARY", 1, published.VERSION)
    assert date(2026, 10, 3) in german.days
    assert date(2026, 4, 27) in latest(quick, "NL").days, "King's Day"
    assert (target.source, set(target.days)) == ("RULE", set(target_closings(2027)))
    assert refresh.refresh(quick.ctx) == {"stored": 0, "kept": 6, "conflicts": 0, "missing": 0}
    quick.clock.set(datetime(2026, 12, 31, 23, 30, tzinfo=UTC))
    assert refresh.refresh(quick.ctx)["stored"] == 3, "in Berlin it is 2027: the next year is 2028"


def test_what_is_published_anew_is_a_further_state(quick: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    refresh.refresh(quick.ctx)
    plain = published.days
    more = {date(2026, 11, 2): "A day of mourning"}
    monkeypatch.setattr(published, "days", lambda c, y: (plain(c, y) or {}) | (more if (c, y) == ("DE", 2026) else {}))
    assert refresh.refresh(quick.ctx)["stored"] == 1
    assert (latest(quick, "DE").number, date(2026, 11, 2) in latest(quick, "DE").days) == (2, True)
    assert date(2026, 11, 2) not in store.states(quick.ctx.db, b.ISSUER, "DE", 2026)[0].days
    assert refresh.refresh(quick.ctx)["stored"] == 0


def test_a_person_stands_above_the_schedule_and_is_told_of_changes_once(
    quick: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    refresh.refresh(quick.ctx)
    days = dict(latest(quick, "DE").days) | {date(2026, 10, 31): "Reformation Day"}
    made = service.record(quick.ctx, ADMIN, b.ISSUER, "DE", 2026, days, "Hamburg")
    assert (made.number, made.source) == (2, "PERSON")
    assert service.record(quick.ctx, ADMIN, b.ISSUER, "DE", 2026, days, "Hamburg").number == 2
    assert refresh.refresh(quick.ctx)["conflicts"] == 0, "what was published before is known to who recorded"
    plain = published.days
    more = {date(2026, 11, 2): "A day of mourning"}
    monkeypatch.setattr(published, "days", lambda c, y: (plain(c, y) or {}) | (more if (c, y) == ("DE", 2026) else {}))
    for _ in range(2):
        assert refresh.refresh(quick.ctx)["conflicts"] == 1
        (subject,) = opened(quick, ExceptionType.CALENDAR_CONFLICT)
    assert latest(quick, "DE") == made
    service.record(quick.ctx, ADMIN, b.ISSUER, "DE", 2026, days | more, "Hamburg")
    assert opened(quick, ExceptionType.CALENDAR_CONFLICT) == []
    refresh.refresh(quick.ctx)
    assert opened(quick, ExceptionType.CALENDAR_CONFLICT) == [], f"{subject} was decided"


def test_a_place_nobody_publishes_is_told_until_somebody_records_it(quick: Stage) -> None:
    contracts.publish(
        quick.ctx, b.actor("FINANCE"), b.ISSUER, b.CONTRACT, name="C", valid_from=date(2026, 10, 2),
        terms=b.terms(holidays_of="NL-QQQ"),
    )  # fmt: skip
    assert refresh.refresh(quick.ctx)["missing"] == 2
    assert opened(quick, ExceptionType.CALENDAR_MISSING) == ["NL-QQQ.2026", "NL-QQQ.2027"]
    service.record(quick.ctx, ADMIN, b.ISSUER, "NL-QQQ", 2026, {date(2026, 10, 5): "Fair"}, "ours")
    assert opened(quick, ExceptionType.CALENDAR_MISSING) == ["NL-QQQ.2027"]
    quick.clock.advance(timedelta(days=2))
    contracts.publish(
        quick.ctx, b.actor("FINANCE"), b.ISSUER, b.CONTRACT, name="C", valid_from=date(2026, 10, 4), terms=b.terms()
    )
    quick.clock.advance(timedelta(days=2))
    refresh.refresh(quick.ctx)
    assert opened(quick, ExceptionType.CALENDAR_MISSING) == []


def test_what_a_person_may_not_record(quick: Stage) -> None:
    def record(code: str, year: int, days: dict[date, str], actor: Any = ADMIN) -> None:
        service.record(quick.ctx, actor, b.ISSUER, code, year, days, "x")

    with pytest.raises(InvalidInput, match="its rule"):
        record("TARGET", 2026, {date(2026, 1, 1): "New Year"})
    record("TARGET", 2026, target_closings(2026) | {date(2026, 12, 31): "Closed"})
    with pytest.raises(InvalidInput, match="a calendar is"):
        record("Germany", 2026, {})
    with pytest.raises(InvalidInput, match="in the year"):
        record("DE", 2026, {date(2027, 1, 1): "New Year"})
    with pytest.raises(InvalidInput, match="year"):
        record("DE", 1999, {})
    with pytest.raises(Forbidden):
        record("DE", 2026, {}, b.actor("VIEWER"))


def filed(stage: Stage, **contract: Any) -> Dispute:
    """A dispute of a session of October, in a window that closes on 8 November at midnight."""
    month.start(stage, **contract)
    ref = month.push(stage, b.cdr(1))
    month.open_run(stage)
    return disputes.file(stage.ctx, b.emsp_user(), b.ISSUER, Claim(cdr_ref=ref, reason=Reason.FRAUD))


def holidays(stage: Stage, code: str, year: int, *days: date) -> None:
    service.record(stage.ctx, ADMIN, b.ISSUER, code, year, dict.fromkeys(days, "Holiday"), "test")


def test_the_cpo_answers_on_working_days_of_its_own_country() -> None:
    stage = fresh(NOW)
    holidays(stage, "DE", 2026, date(2026, 11, 11))
    holidays(stage, "NL", 2026, date(2026, 11, 12), date(2026, 11, 13))
    made = filed(stage)
    assert made.closes_at_utc == datetime(2026, 11, 8, 23, tzinfo=UTC)
    assert made.answer_due_utc == datetime(2026, 11, 16, 23, tzinfo=UTC), "five days of 9 to 16 November less the 11th"
    assert made.counted_by == ("DE.2026.1",)
    holidays(stage, "DE", 2026)
    now = disputes.dispute(stage.ctx, b.emsp_user(), b.ISSUER, made.dispute_id)
    assert (now.answer_due_utc, now.counted_by) == (made.answer_due_utc, made.counted_by)


def test_the_emsp_informs_on_working_days_of_its_own_country() -> None:
    stage = fresh(NOW)
    holidays(stage, "DE", 2026, date(2026, 11, 5))
    holidays(stage, "NL", 2026, date(2026, 11, 6))
    made = filed(stage)
    stage.clock.set(datetime(2026, 11, 4, 9, tzinfo=UTC))
    asked = talk.request_info(stage.ctx, b.actor(Role.DISPUTE_AGENT), b.ISSUER, made.dispute_id, text="which card?")
    assert asked.info_due_utc == datetime(2026, 11, 12, 23, tzinfo=UTC)
    assert asked.counted_by == ("NL.2026.1",)
    answered = talk.give_info(stage.ctx, b.emsp_user(), b.ISSUER, made.dispute_id, text="this one")
    assert answered.answer_due_utc == made.answer_due_utc


def test_a_contract_may_name_one_place_for_both_sides() -> None:
    stage = fresh(NOW)
    holidays(stage, "DE", 2026, date(2026, 11, 11))
    holidays(stage, "DE-BY", 2026, date(2026, 11, 12), date(2026, 11, 13))
    made = filed(stage, holidays_of="DE-BY")
    assert made.answer_due_utc == datetime(2026, 11, 17, 23, tzinfo=UTC)
    assert made.counted_by == ("DE-BY.2026.1",)


def test_without_a_stored_calendar_monday_to_friday_count_and_the_dispute_says_so() -> None:
    made = filed(fresh(NOW))
    assert (made.answer_due_utc, made.counted_by) == (datetime(2026, 11, 13, 23, tzinfo=UTC), ())


def test_payments_are_executed_on_days_that_target_is_open(quick: Stage) -> None:
    refresh.refresh(quick.ctx)
    closed = target_closings(2026) | {date(2026, 11, 2): "Announced"}
    service.record(quick.ctx, ADMIN, b.ISSUER, "TARGET", 2026, closed, "announced by the ECB")
    for day in (date(2026, 11, 2), date(2026, 12, 25), date(2026, 11, 1)):
        with pytest.raises(InvalidInput, match="TARGET"):
            batches.make_batch(quick.ctx, b.actor("FINANCE"), b.ISSUER, day)


def test_the_function(quick: Stage) -> None:
    with on(quick.ctx):
        event = sample("refresh_calendars", "schedule")
        assert call("refresh_calendars", event)["stored"] == 6
        assert call("refresh_calendars", event) == {"stored": 0, "kept": 6, "conflicts": 0, "missing": 0}


@pytest.fixture
def api(stage: Stage) -> Iterator[Api]:
    stage.clock.set(NOW)
    month.start(stage)
    with environment(stage):
        yield Api(stage)


def test_calendars_by_api(api: Api) -> None:
    refresh.refresh(api.stage.ctx)
    body = {"days": {"2026-01-01": "New Year", "2026-12-24": "Bridge"}, "reason": "works holiday"}
    path = "/v1/calendars/DE/2026"
    assert api.call("PUT", path, "ADMIN", body).body["number"] == 2
    found = api.call("GET", path, "VIEWER").body["items"]
    assert [(state["number"], state["source"]) for state in found] == [(1, "LIBRARY"), (2, "PERSON")]
    assert found[1]["days"] == body["days"]
    assert api.call("PUT", path, "VIEWER", body).status == 403
    assert api.call("PUT", path, "ADMIN", body | {"days": {"2027-01-01": "x"}}).status == 422
    assert api.call("PUT", "/v1/calendars/de/2026", "ADMIN", body).status == 422
    assert api.call("GET", "/v1/calendars/DE/26", "VIEWER").status == 422
