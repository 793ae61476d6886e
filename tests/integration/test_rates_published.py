"""The reference rates of the ECB by schedule, and the correction of a stored one (Art. 91, 230; rules.md 10)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from roamclear.audit import service as audit
from roamclear.billing import service as billing
from roamclear.billing.rate_use import documents_by_rate
from roamclear.identity import service as identity
from roamclear.identity.model import Actor, Grant, Role
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionRow, ExceptionType
from roamclear.kernel.errors import Conflict, Forbidden, InvalidInput, NotFound, Unavailable
from roamclear.kernel.money import Money
from roamclear.kernel.workdays import is_business_day
from roamclear.packages import service as packages
from roamclear.rates import corrections, ecb, refresh, rules, store
from roamclear.rates import service as rates
from roamclear.rates.model import CorrectionState, Refreshed
from tests.integration import test_close as month
from tests.integration.test_rates import RUN
from tests.integration.test_rates import polish as polish  # the fixture
from tests.support import builders as b
from tests.support.api import Api, environment
from tests.support.crashing import Fuse, mortal, survives
from tests.support.handlers import call, on, sample
from tests.support.memory_stage import fresh
from tests.support.moto_stack import Stage
from tests.support.public_services import Services, services

#: Monday, an hour after the publication in Frankfurt.
NOW = datetime(2026, 11, 9, 16, tzinfo=UTC)
TODAY = NOW.date()
FILLED = ("AUD", "BRL", "CAD", "CHF", "CNY", "CZK", "DKK", "GBP", "HUF")
MAKER = b.actor(Role.FINANCE)
CHECKER = Actor(actor_id="finance-2", grants=(Grant(issuer_id=b.ISSUER, role=Role.FINANCE_APPROVER),))


def xml(days: Mapping[date, Mapping[str, str]]) -> bytes:
    """A file as the ECB publishes it."""
    cubes = "".join(
        f"<Cube time='{day.isoformat()}'>"
        + "".join(f"<Cube currency='{c}' rate='{r}'/>" for c, r in (dict.fromkeys(FILLED, "1.5") | dict(found)).items())
        + "</Cube>"
        for day, found in days.items()
    )
    return (
        "<?xml version='1.0' encoding='UTF-8'?>"
        "<gesmes:Envelope xmlns:gesmes='http://www.gesmes.org/xml/2002-08-01' "
        "xmlns='http://www.ecb.int/vocabulary/2002-08-01/eurofxref'>"
        "<gesmes:subject>Reference rates</gesmes:subject>"
        "<gesmes:Sender><gesmes:name>European Central Bank</gesmes:name></gesmes:Sender>"
        f"<Cube>{cubes}</Cube></gesmes:Envelope>"
    ).encode()


def history(last: date, count: int = 70, **rate: str) -> bytes:
    """The file of ninety days up to a day."""
    days = [last - timedelta(days=n) for n in range(count)]
    return xml({day: {"USD": "1.1", "PLN": "4.25"} | rate for day in days if is_business_day(day)})


@pytest.fixture
def said() -> Iterator[Services]:
    with services() as running:
        running.files["eurofxref-hist-90d.xml"] = history(TODAY)
        running.files["eurofxref-daily.xml"] = xml({TODAY: {"USD": "1.1", "PLN": "4.25"}})
        yield running


@pytest.fixture
def stage(said: Services) -> Stage:
    made = fresh(NOW)
    object.__setattr__(made.ctx, "ecb_url", said.ecb_url)
    identity.save_issuer(made.ctx, b.actor(Role.ADMIN), b.issuer())
    return made


def told(stage: Stage, kind: ExceptionType) -> list[ExceptionRow]:
    return journal.open_of(stage.ctx, b.ISSUER, kind)


def value(stage: Stage, currency: str, day: date) -> Decimal | None:
    found = rates.convert(stage.ctx, b.ISSUER, Money(100, "EUR"), currency, day)
    return found.rate if found else None


# ---- the schedule --------------------------------------------------------------------------------------------------
def test_the_first_call_fills_sixty_days_and_the_next_ones_a_day(stage: Stage, said: Services) -> None:
    first = refresh.refresh(stage.ctx)
    assert (first.days, first.stored, said.fetched) == (43, 43 * 11, ["eurofxref-hist-90d.xml"])
    assert refresh.refresh(stage.ctx) == Refreshed()
    assert len(said.fetched) == 1, "nothing is missing: nothing is asked"
    kept = rates.listed(stage.ctx, MAKER, b.ISSUER, "PLN", TODAY, TODAY)
    assert [(r.rate, r.recorded_by, r.source) for r in kept] == [(Decimal("4.25"), "system:ecb", "ECB")]
    entry = audit.history(stage.ctx, b.ISSUER, "RATES", TODAY.isoformat())[0]
    assert (entry.action, entry.actor_id, len(str(entry.details["sha256"]))) == ("STORED", "system:ecb", 64)
    stage.clock.set(NOW + timedelta(days=1))
    said.files["eurofxref-daily.xml"] = xml({date(2026, 11, 10): {"USD": "1.1", "PLN": "4.30"}})
    assert refresh.refresh(stage.ctx) == Refreshed(days=1, stored=11)
    assert said.fetched[-1] == "eurofxref-daily.xml"
    assert value(stage, "PLN", date(2026, 11, 10)) == Decimal("4.30")


def test_an_outage_is_caught_up_from_the_ninety_days(stage: Stage, said: Services) -> None:
    refresh.refresh(stage.ctx)
    stage.clock.set(NOW + timedelta(days=9))
    said.files["eurofxref-hist-90d.xml"] = (503, b"")
    assert refresh.refresh(stage.ctx) == Refreshed(waiting=7, fault="HTTP 503")
    assert [row.subject for row in told(stage, ExceptionType.RATE_MISSING)][:2] == ["ECB.2026-11-10", "ECB.2026-11-11"]
    assert len(told(stage, ExceptionType.RATE_MISSING)) == 6, "the day itself may still be on its way"
    said.files["eurofxref-hist-90d.xml"] = history(date(2026, 11, 18))
    assert refresh.refresh(stage.ctx).days == 7
    assert told(stage, ExceptionType.RATE_MISSING) == []


def test_a_day_is_awaited_from_four_in_the_afternoon_and_told_when_the_next_begins(
    stage: Stage, said: Services
) -> None:
    refresh.refresh(stage.ctx)
    stage.clock.set(datetime(2026, 11, 10, 14, 59, tzinfo=UTC))
    assert refresh.refresh(stage.ctx) == Refreshed(), "it is not published yet"
    stage.clock.set(datetime(2026, 11, 10, 15, 0, tzinfo=UTC))
    assert refresh.refresh(stage.ctx) == Refreshed(waiting=1)
    assert told(stage, ExceptionType.RATE_MISSING) == []
    stage.clock.set(datetime(2026, 11, 10, 23, 30, tzinfo=UTC))
    assert refresh.refresh(stage.ctx) == Refreshed(waiting=1)
    (row,) = told(stage, ExceptionType.RATE_MISSING)
    assert (row.subject, row.severity) == ("ECB.2026-11-10", "HIGH")
    assert value(stage, "PLN", date(2026, 11, 10)) == Decimal("4.25"), "Monday's rate is the latest on Tuesday"
    assert value(stage, "PLN", date(2026, 11, 11)) is None, "on Wednesday Tuesday's would be: HOLD"
    said.files["eurofxref-daily.xml"] = xml({date(2026, 11, 10): {"USD": "1.1", "PLN": "4.30"}})
    refresh.refresh(stage.ctx)
    assert told(stage, ExceptionType.RATE_MISSING) == []
    assert value(stage, "PLN", date(2026, 11, 11)) == Decimal("4.30")


@pytest.mark.parametrize("first", ["asks", "stores"])
def test_a_day_that_another_worker_stores_at_the_moment_leaves_no_alarm(
    stage: Stage, said: Services, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    """One worker's question fails while the other's is answered: in whatever order, nothing stays open."""
    refresh.refresh(stage.ctx)
    stage.clock.set(datetime(2026, 11, 10, 23, 30, tzinfo=UTC))
    daily = xml({date(2026, 11, 10): {"USD": "1.1", "PLN": "4.30"}})
    said.files["eurofxref-daily.xml"] = (503, b"") if first == "asks" else daily
    name = "_fetched" if first == "asks" else "_stored"
    real = getattr(refresh, name)

    def then_another(*args: Any) -> Any:
        monkeypatch.setattr(refresh, name, real)
        found = real(*args)
        said.files["eurofxref-daily.xml"] = daily if first == "asks" else (503, b"")
        refresh.refresh(stage.ctx)
        return found

    monkeypatch.setattr(refresh, name, then_another)
    refresh.refresh(stage.ctx)
    assert told(stage, ExceptionType.RATE_MISSING) == []
    assert value(stage, "PLN", date(2026, 11, 10)) == Decimal("4.30")


def test_weekends_and_target_holidays_take_the_last_rate_before(stage: Stage, said: Services) -> None:
    stage.clock.set(datetime(2026, 4, 8, 16, tzinfo=UTC))
    days = {date(2026, 4, 2): "4.20", date(2026, 4, 7): "4.30"}
    body = {day: {"USD": "1.1", "PLN": days.get(day, "4.10")} for day in
            rules.published_between(date(2026, 2, 1), date(2026, 4, 8))}  # fmt: skip
    said.files["eurofxref-hist-90d.xml"] = xml(body)
    refresh.refresh(stage.ctx)
    for day in (3, 4, 5, 6):
        assert value(stage, "PLN", date(2026, 4, day)) == Decimal("4.20"), "Good Friday to Easter Monday"
    assert value(stage, "PLN", date(2026, 4, 7)) == Decimal("4.30")


def test_what_a_person_recorded_is_never_overwritten(stage: Stage, said: Services) -> None:
    rates.record(stage.ctx, MAKER, b.ISSUER, TODAY, {"PLN": Decimal("4.26"), "USD": Decimal("1.1")})
    done = refresh.refresh(stage.ctx)
    assert (done.days, done.conflicts, done.stored) == (43, 1, 43 * 11 - 2)
    (row,) = told(stage, ExceptionType.RATE_CONFLICT)
    assert (row.subject, row.details) == ("PLN.2026-11-09#4.25", {"published": "4.25", "stored": "4.26"})
    assert value(stage, "PLN", TODAY) == Decimal("4.26")
    assert refresh.refresh(stage.ctx) == Refreshed()
    made = corrections.propose(stage.ctx, MAKER, b.ISSUER, "PLN", TODAY, Decimal("4.25"), "as published")
    corrections.approve(stage.ctx, CHECKER, b.ISSUER, made.correction_id)
    assert told(stage, ExceptionType.RATE_CONFLICT) == []
    assert value(stage, "PLN", TODAY) == Decimal("4.25")


def test_a_rate_of_a_stored_day_is_changed_by_correction_only(stage: Stage) -> None:
    refresh.refresh(stage.ctx)
    with pytest.raises(Conflict, match="corrected by two persons"):
        rates.record(stage.ctx, MAKER, b.ISSUER, TODAY, {"PLN": Decimal("4.26")})
    (same,) = rates.record(stage.ctx, MAKER, b.ISSUER, TODAY, {"PLN": Decimal("4.25")})
    assert same.recorded_by == "system:ecb"


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("left", [0, 41, 42, 43])
def test_a_crash_anywhere_ends_in_the_same_rates(stage: Stage, left: int, after: bool) -> None:
    rates.record(stage.ctx, MAKER, b.ISSUER, TODAY, {"PLN": Decimal("4.26")})
    with survives() as died:
        refresh.refresh(mortal(stage.ctx, Fuse(left, after)))
    assert died == [True]
    refresh.refresh(stage.ctx)
    assert [row.subject for row in told(stage, ExceptionType.RATE_CONFLICT)] == ["PLN.2026-11-09#4.25"]
    kept = store.between(stage.ctx.db, b.ISSUER, "PLN", TODAY - timedelta(days=60), TODAY)
    assert ([r.rate for r in kept], len(kept)) == ([Decimal("4.26")] + [Decimal("4.25")] * 42, 43)
    assert {r.number for r in kept} == {0}


@pytest.mark.parametrize(
    "body",
    [
        b"", b"<html></html>", b"not xml", history(TODAY)[:-40],
        b"<!DOCTYPE x [<!ENTITY a 'b'>]>" + history(TODAY),
        history(TODAY, USD="0"), history(TODAY, USD="1,1"), history(TODAY, USD="NaN"), history(TODAY, USD="-1"),
        history(TODAY, USD="1.1234567"), history(TODAY, USD="12345678"), history(TODAY, usd="1.1"),
        history(TODAY).replace(b"time='2026-11-09'", b"time='2026-13-09'"),
        history(TODAY).replace(b"time='2026-11-06'", b"time='2026-11-09'"),
        history(TODAY).replace(b"currency='USD'", b"currency='PLN'"),
        history(TODAY).replace(b"currency='USD'", b"currency='XXX'"),
        history(TODAY, 200),
    ],
)  # fmt: skip
def test_of_a_file_that_is_not_whole_nothing_is_taken(stage: Stage, said: Services, body: bytes) -> None:
    with pytest.raises(Unavailable):
        ecb.read(body)
    said.files["eurofxref-hist-90d.xml"] = body
    done = refresh.refresh(stage.ctx)
    assert (done.days, done.waiting) == (0, 43)
    assert done.fault is not None
    assert rates.listed(stage.ctx, MAKER, b.ISSUER, "USD", date(2026, 1, 1), TODAY) == []


def test_only_the_ecb_is_asked(stage: Stage) -> None:
    object.__setattr__(stage.ctx, "stage", "prod")
    with pytest.raises(InvalidInput):
        refresh.refresh(stage.ctx)
    object.__setattr__(stage.ctx, "ecb_url", "")
    assert refresh.refresh(stage.ctx).fault == "no service is set"


def test_the_function(stage: Stage) -> None:
    with on(stage.ctx):
        assert call("refresh_rates", sample("refresh_rates", "schedule"))["days"] == 43
        assert call("refresh_rates", sample("refresh_rates", "schedule"))["days"] == 0


# ---- corrections ---------------------------------------------------------------------------------------------------
def test_a_correction_is_a_further_record_by_two_persons(stage: Stage) -> None:
    refresh.refresh(stage.ctx)
    ctx, day = stage.ctx, TODAY
    third = MAKER.model_copy(update={"actor_id": "finance-3"})
    with pytest.raises(InvalidInput, match="in force"):
        corrections.propose(ctx, MAKER, b.ISSUER, "PLN", day, Decimal("4.250"), "typo")
    with pytest.raises(NotFound):
        corrections.propose(ctx, MAKER, b.ISSUER, "SEK", day, Decimal("11"), "typo")
    with pytest.raises(Forbidden):
        corrections.propose(ctx, b.actor("VIEWER"), b.ISSUER, "PLN", day, Decimal("4.2"), "typo")
    made = corrections.propose(ctx, MAKER, b.ISSUER, "PLN", day, Decimal("4.2"), "typo")
    assert corrections.propose(ctx, MAKER, b.ISSUER, "PLN", day, Decimal("4.2"), "typo") == made
    with pytest.raises(Conflict, match="waits"):
        corrections.propose(ctx, third, b.ISSUER, "PLN", day, Decimal("4.3"), "another")
    with pytest.raises(Forbidden):
        corrections.refuse(ctx, third, b.ISSUER, made.correction_id)
    assert value(stage, "PLN", day) == Decimal("4.25")
    with pytest.raises(Forbidden):
        corrections.approve(ctx, both(MAKER), b.ISSUER, made.correction_id)
    approved = corrections.approve(ctx, CHECKER, b.ISSUER, made.correction_id)
    assert corrections.approve(ctx, CHECKER, b.ISSUER, made.correction_id).state is CorrectionState.APPROVED
    assert (approved.old, approved.new, approved.decided_by) == (Decimal("4.25"), Decimal("4.2"), "finance-2")
    assert value(stage, "PLN", day) == Decimal("4.2")
    kept = rates.listed(ctx, MAKER, b.ISSUER, "PLN", day, day)
    assert [(r.number, r.rate, r.recorded_by, r.approved_by) for r in kept] == [
        (1, Decimal("4.2"), "finance", "finance-2"),
        (0, Decimal("4.25"), "system:ecb", None),
    ]
    with pytest.raises(Conflict, match="decided"):
        corrections.refuse(ctx, MAKER, b.ISSUER, made.correction_id)
    again = corrections.propose(ctx, MAKER, b.ISSUER, "PLN", day, Decimal("4.25"), "it was right")
    assert (again.number, again.correction_id) == (2, "PLN-2026-11-09-002")
    assert corrections.refuse(ctx, CHECKER, b.ISSUER, again.correction_id).state is CorrectionState.REFUSED
    assert corrections.refuse(ctx, CHECKER, b.ISSUER, again.correction_id).state is CorrectionState.REFUSED
    with pytest.raises(Conflict, match="decided"):
        corrections.approve(ctx, CHECKER, b.ISSUER, again.correction_id)
    assert value(stage, "PLN", day) == Decimal("4.2")


def both(actor: Actor) -> Actor:
    """The same person with the right to approve."""
    return actor.model_copy(update={"grants": (*actor.grants, *CHECKER.grants)})


def test_issued_documents_keep_their_rate_and_are_listed(polish: Stage) -> None:
    ctx = polish.ctx
    rates.record(ctx, MAKER, b.ISSUER, date(2026, 11, 6), {"PLN": Decimal("4.9")})
    (number,) = billing.issue(ctx, b.ISSUER, RUN, packages.proof(ctx)).numbers
    before = billing.document_model(ctx, billing.document(ctx, b.ISSUER, number))
    made = corrections.propose(ctx, MAKER, b.ISSUER, "PLN", date(2026, 11, 6), Decimal("4.2512"), "typo")
    uses = documents_by_rate(ctx, MAKER, b.ISSUER, "PLN", date(2026, 11, 6))
    assert [(u.number, u.rate, u.national_tax) for u in uses.documents] == [(number, Decimal("4.9"), Money(936, "PLN"))]
    assert uses.complete
    assert documents_by_rate(ctx, MAKER, b.ISSUER, "CZK", date(2026, 11, 6)).documents == ()
    assert documents_by_rate(ctx, MAKER, b.ISSUER, "PLN", date(2026, 11, 5)).documents == ()
    corrections.approve(ctx, CHECKER, b.ISSUER, made.correction_id)
    assert billing.document_model(ctx, billing.document(ctx, b.ISSUER, number)) == before
    assert value(polish, "PLN", date(2026, 11, 9)) == Decimal("4.2512")


@pytest.fixture
def api(stage_on_moto: Stage) -> Iterator[Api]:
    stage_on_moto.clock.set(NOW)
    month.start(stage_on_moto)
    with environment(stage_on_moto):
        yield Api(stage_on_moto)


@pytest.fixture
def stage_on_moto() -> Iterator[Stage]:
    from tests.support.moto_stack import stage as fresh_stage

    with fresh_stage() as made:
        yield made


def test_corrections_by_api(api: Api) -> None:
    api.call("POST", "/v1/rates", "FINANCE", {"day": "2026-11-06", "rates": {"PLN": "4.2512"}})
    body = {"currency": "PLN", "day": "2026-11-06", "rate": "4.25", "reason": "typo"}
    made = api.call("POST", "/v1/rate-corrections", "FINANCE", body)
    assert (made.status, made.body["state"]) == (201, "PROPOSED")
    path = f"/v1/rate-corrections/{made.body['correction_id']}"
    shown = api.call("GET", path, "FINANCE").body
    assert (shown["correction"]["old"], shown["uses"]) == (Decimal("4.2512"), {"documents": [], "complete": True})
    assert api.call("POST", f"{path}/approve", "FINANCE").status == 403
    assert api.call("POST", f"{path}/approve", "FINANCE_APPROVER").body["state"] == "APPROVED"
    assert api.call("POST", f"{path}/refuse", "FINANCE").status == 409
    assert [c["state"] for c in api.call("GET", "/v1/rate-corrections", "VIEWER").body["items"]] == ["APPROVED"]
    assert api.call("GET", "/v1/rate-corrections/PLN-2026-11-06-009", "FINANCE").status == 404
    assert api.call("POST", "/v1/rate-corrections", "FINANCE", body | {"rate": "-1"}).status == 422
    found = api.call("GET", "/v1/rates", "VIEWER", currency="PLN", until="2026-11-06").body["items"]
    assert [(r["number"], r["rate"]) for r in found] == [(1, Decimal("4.25")), (0, Decimal("4.2512"))]
