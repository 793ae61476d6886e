"""The accrual pack of a month: accrual + invoiced = Σ verified CDRs, as of a day (product.md, B13)."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.draw_accruals import handler as function
from roamclear.accounting import service as accounting
from roamclear.accounting.rules import bounds
from roamclear.billing import service as billing
from roamclear.billing.model import RunRequest, RunState
from roamclear.cdrs import service as cdrs
from roamclear.cdrs.model import Billing, Session
from roamclear.disputes import service as disputes
from roamclear.disputes.model import Claim, Reason
from roamclear.documents.checks import missing
from roamclear.evses import service as evses
from roamclear.identity.model import Role
from roamclear.kernel import numbers_json
from roamclear.kernel.context import Context
from roamclear.kernel.errors import Conflict, Forbidden, InvalidInput, NotFound
from roamclear.kernel.money import Money
from roamclear.kernel.writes import Table
from roamclear.payouts import service as payouts
from roamclear.status import drawing, packs, postings
from roamclear.status.accrual import count
from roamclear.status.pack_model import AccrualPack, ContractAccrual
from tests.integration import test_close as month
from tests.integration.test_payouts_chain import PARTNER, assign, external
from tests.support import builders as b
from tests.support import memory_stage
from tests.support.api import Api, environment
from tests.support.handlers import Invocation
from tests.support.moto_stack import Stage

ZONE = "Europe/Berlin"
FINANCE = b.actor(Role.FINANCE)
MONTHS = ("2026-09", "2026-10", "2026-11")


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


@pytest.fixture
def stage() -> Iterator[Stage]:
    with memory_stage.stage(datetime(2026, 9, 1, tzinfo=UTC)) as made:
        yield made


def pack(stage: Stage, period: str, day: date) -> AccrualPack:
    meant = packs.Wanted(b.ISSUER, period, day.isoformat())
    return count(stage.ctx, b.ISSUER, period, packs.until(stage.ctx, meant), meant.as_of)


def row_of(made: AccrualPack, contract_id: str | None = b.CONTRACT) -> ContractAccrual:
    (row,) = [each for each in made.contracts if each.contract_id == contract_id]
    return row


def every_session(ctx: Context) -> list[Session]:
    """All CDRs that came by day, straight from the tables."""
    refs = [key for rows in ctx.db.tables[Table.INTAKE].values() for sk, row in rows.items() if sk == "ORIGINAL"
            for key in [row["cdr_ref"]]]  # type: ignore[attr-defined]  # fmt: skip
    return list(cdrs.sessions(ctx, b.ISSUER, refs).values())


def verified(ctx: Context, period: str, before: datetime) -> int:
    begin, end = bounds(period, ZONE)
    earned = (Billing.VERIFIED, Billing.IN_WINDOW, Billing.LOCKED, Billing.INVOICED)
    return sum(
        s.net.amount_minor
        for s in every_session(ctx)
        if s.net and s.billing in earned and begin <= s.stop_utc < end
        and s.received_at_utc < before and s.verified_at_utc and s.verified_at_utc < before
    )  # fmt: skip


def close(stage: Stage, period: str, steps: int) -> None:
    """Take the run of a month as many steps as asked for: opened, locked, issued."""
    request = RunRequest(issuer_id=b.ISSUER, contract_id=b.CONTRACT, period=period)
    _, end = bounds(period, ZONE)
    stage.clock.set(max(end + timedelta(minutes=5), stage.clock.now()))
    run = billing.prepare(stage.ctx, request)
    stage.clock.set(max(run.opens_at_utc, stage.clock.now()))
    run = billing.open_window(stage.ctx, b.ISSUER, run.run_id)
    if steps < 1 or run.state is not RunState.WINDOW or run.closes_at_utc is None:
        return
    stage.clock.set(run.closes_at_utc + timedelta(seconds=61))
    billing.lock(stage.ctx, b.ISSUER, run.run_id)
    if steps > 1:
        billing.issue(stage.ctx, b.ISSUER, run.run_id, missing)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.tuples(st.integers(0, 85), st.integers(1, 60), st.booleans(), st.integers(0, 25)), min_size=1, max_size=12
    ),
    st.tuples(st.integers(0, 2), st.integers(0, 2)),
    st.integers(0, 60),
)
def test_accrual_and_invoiced_are_the_verified_cdrs_of_the_month(
    sessions: list[tuple[int, int, bool, int]], steps: tuple[int, int], days: int
) -> None:
    stage = memory_stage.fresh(datetime(2026, 9, 1, tzinfo=UTC))
    month.start(stage)
    first = datetime(2026, 9, 1, 6, tzinfo=UTC)
    pushes = []
    for number, (day, kwh, good, late) in enumerate(sessions, start=1):
        start = first + timedelta(days=day, hours=number % 12)
        total = Decimal(kwh) * Decimal("0.39") + Decimal("0.50") if good else Decimal(999)
        pushes.append((start + timedelta(hours=1, days=late), b.cdr(number, start=start, kwh=kwh, total=total)))
    waiting = sorted(pushes, key=lambda each: each[0])
    for at, period in ((1, "2026-09"), (2, "2026-10")):
        _, end = bounds(period, ZONE)
        while waiting and waiting[0][0] < end + timedelta(days=1):
            came, raw = waiting.pop(0)
            month.push(stage, raw, at=max(came, stage.clock.now()))
        close(stage, period, steps[at - 1])
    for came, raw in waiting:
        month.push(stage, raw, at=max(came, stage.clock.now()))
    stage.clock.set(max(stage.clock.now(), datetime(2026, 12, 20, tzinfo=UTC)))
    for period in MONTHS:
        _, end = bounds(period, ZONE)
        day = (end + timedelta(days=min(days, 19))).date()
        made = pack(stage, period, day)
        assert made.holds
        for row in made.contracts:
            if row.contract_id is None:
                continue
            earned = row.verified.net + row.in_window.net + row.locked.net + row.invoiced.net
            assert earned == row.verified_cdrs.net
            assert earned.amount_minor == verified(stage.ctx, period, made.as_of_utc)
            assert row.accrued == earned - row.invoiced.net
            assert sum(line.amount.amount_minor for line in row.postings) == 0
        if not made.contracts:
            assert verified(stage.ctx, period, made.as_of_utc) == 0


def test_the_days_of_a_month_end(stage: Stage) -> None:
    month.start(stage)
    refs = [month.push(stage, b.cdr(number)) for number in (1, 2, 3)]
    month.push(stage, b.cdr(4, kwh="900", hours="1", total=Decimal("351.50")))
    late = b.cdr(5, start=datetime(2026, 10, 30, 10, tzinfo=UTC))
    run = month.open_run(stage)
    claim = Claim(cdr_ref=refs[0], reason=Reason.ENERGY_TOO_HIGH, claimed=eur(200))
    made = disputes.file(stage.ctx, b.emsp_user(), b.ISSUER, claim)
    month.push(stage, late, at=stage.clock.now() + timedelta(days=1))
    disputes.reject(stage.ctx, b.actor(Role.DISPUTE_AGENT), b.ISSUER, made.dispute_id, answer="measured")
    month.close_run(stage, run)
    stage.clock.set(datetime(2026, 11, 20, tzinfo=UTC))
    row = row_of(pack(stage, "2026-10", date(2026, 10, 31)))
    assert (row.verified.net, row.in_window.sessions, row.invoiced.sessions) == (eur(2490), 0, 0)
    assert (row.disputed.claimed, row.unpaid, row.accrued) == (eur(0), eur(0), eur(2490))
    row = row_of(pack(stage, "2026-10", date(2026, 11, 2)))
    assert (row.in_window.sessions, row.verified.sessions, row.disputed.claimed) == (3, 0, eur(200))
    held = row.on_hold if row.on_hold.sessions else row.not_rated
    assert held.sessions == 1
    row = row_of(pack(stage, "2026-10", date(2026, 11, 9)))
    assert (row.invoiced.net, row.verified.net, row.accrued) == (eur(2490), eur(830), eur(830))
    assert row.unpaid == billing.documents(stage.ctx, FINANCE, b.ISSUER)[0].gross
    entries = {line.entry.split(" C-RON")[0] for line in row.postings}
    assert entries <= {"ACCRUED REVENUE", "DISPUTED", "DEFERRED SHARES"}
    assert {(line.account, line.amount.amount_minor) for line in row.postings if "REVENUE" in line.entry} >= {
        ("1300", 830), ("4200", -830),
    }  # fmt: skip


def test_asked_for_once_drawn_once_and_given_to_finance_alone(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    month.start(stage)
    month.push(stage, b.cdr(1))
    with pytest.raises(Conflict, match="not over"):
        packs.ask(stage.ctx, FINANCE, b.ISSUER, "2026-10", None)
    stage.clock.set(datetime(2026, 11, 1, 6, tzinfo=UTC))
    for period, day in (("2026-13", None), ("2026-10", date(2026, 9, 30))):
        with pytest.raises(InvalidInput):
            packs.ask(stage.ctx, FINANCE, b.ISSUER, period, day)
    with pytest.raises(Forbidden):
        packs.ask(stage.ctx, b.emsp_user(), b.ISSUER, "2026-10", None)
    assert packs.ask(stage.ctx, FINANCE, b.ISSUER, "2026-10", None)["state"] == "DRAWING"
    (key,) = drawing.waiting(stage.ctx)
    monkeypatch.setattr(function, "compose", lambda: stage.ctx)
    event = {"detail-type": "Object Created", "detail": {"bucket": {"name": "i"}, "object": {"key": key}}}
    made = function.handler(event, Invocation("draw_accruals"))["keys"]
    before = [stage.ctx.objects.get("exports", each) for each in made]
    month.push(stage, b.cdr(2, start=datetime(2026, 10, 20, tzinfo=UTC)), at=stage.clock.now())
    assert function.handler({"reason": "schedule"}, Invocation("draw_accruals")) == {"keys": []}
    assert drawing.draw(stage.ctx, key) == made
    assert [stage.ctx.objects.get("exports", each) for each in made] == before
    assert [f["name"] for f in packs.ask(stage.ctx, FINANCE, b.ISSUER, "2026-10", None)["files"]] == [
        "accruals_2026-10_2026-10-31.json", "accruals_2026-10_2026-10-31.xlsx",
    ]  # fmt: skip
    body = numbers_json.loads(before[0] or b"")
    assert (body["holds"], body["contracts"][0]["accrued"]) == (True, {"amount_minor": 830, "currency": "EUR"})
    for strange in ("accruals/x", "accruals/voltwerk/../2026-10-31.json", "windows/voltwerk/2026-10/2026-10-31.json"):
        with pytest.raises(NotFound):
            drawing.draw(stage.ctx, strange)


def test_the_workbook_has_numbers_and_runs_no_formula(stage: Stage) -> None:
    b.found_issuer(stage.ctx)
    b.found_own_account(stage.ctx)
    b.found_contract(stage.ctx)
    month.push(stage, b.cdr(1))
    stage.clock.set(datetime(2026, 11, 1, 6, tzinfo=UTC))
    made = pack(stage, "2026-10", date(2026, 10, 31))
    (row,) = made.contracts
    evil = made.model_copy(update={"contracts": (row.model_copy(update={"partner": "=1+1"}),)})
    book = openpyxl.load_workbook(io.BytesIO(drawing.workbook(evil)))
    titles, cells = list(book["Accruals"].iter_rows(values_only=True))
    found = dict(zip(titles, cells, strict=True))
    assert (found["contract"], found["partner"], found["accrued"], found["holds"]) == (b.CONTRACT, "=1+1", 8.3, True)
    assert book["Accruals"]["B2"].data_type == "s"
    rows = list(book["Journal"].iter_rows(min_row=2, values_only=True))
    assert sum(r[5] or 0 for r in rows) == sum(r[6] or 0 for r in rows) > 0


def test_a_chart_without_the_accounts_is_refused_by_its_field(stage: Stage) -> None:
    month.start(stage)
    known = accounting.chart(stage.ctx, FINANCE, b.ISSUER)
    lacking = {name: number for name, number in known.classes.items() if name != "accrued_cost"}
    accounting.save_chart(stage.ctx, FINANCE, known.model_copy(update={"classes": lacking}))
    stage.clock.set(datetime(2026, 11, 1, 6, tzinfo=UTC))
    with pytest.raises(InvalidInput) as refused:
        packs.ask(stage.ctx, FINANCE, b.ISSUER, "2026-10", None)
    assert refused.value.details["field"] == "classes.accrued_cost"


def test_shares_are_deferred_until_a_payout_has_them(stage: Stage) -> None:
    month.start(stage)
    external(stage.ctx)
    evses.register_location(stage.ctx, b.ISSUER, b.PARTY, b.location(PARTNER, number=7))
    assign(stage.ctx, PARTNER)
    month.push(stage, b.cdr(1))
    for number in (2, 3):
        month.push(stage, b.cdr(number, evse=PARTNER))
    share = 2 * 664  # 80 % of 8.30, rounded per session
    run = month.close_run(stage, month.open_run(stage))
    payouts.accrue_run(stage.ctx, b.ISSUER, run.run_id)
    stage.clock.set(datetime(2026, 11, 12, 9, tzinfo=UTC))
    payouts.close_cycle(stage.ctx, FINANCE, b.ISSUER, stage.clock.now())
    stage.clock.set(datetime(2026, 11, 20, tzinfo=UTC))
    for day, deferred in ((date(2026, 10, 31), share), (date(2026, 11, 11), share), (date(2026, 11, 12), 0)):
        row = row_of(pack(stage, "2026-10", day))
        assert (row.deferred, row.parked) == (eur(deferred), eur(0))
        cost = [line.amount.amount_minor for line in row.postings if "SHARES" in line.entry]
        assert cost == ([share, -share] if deferred else [])


def test_over_the_api(stage: Stage) -> None:
    month.start(stage)
    month.push(stage, b.cdr(1))
    stage.clock.set(datetime(2026, 11, 1, 6, tzinfo=UTC))
    with environment(stage):
        api = Api(stage)
        asked = api.call("POST", "/v1/accounting/accruals", "FINANCE", {"period": "2026-10"})
        assert (asked.status, asked.body["state"]) == (202, "DRAWING")
        assert api.call("POST", "/v1/accounting/accruals", "OPS", {"period": "2026-10"}).status == 403
        assert api.call("GET", "/v1/accounting/accruals", "FINANCE").body == {"items": []}
        for key in drawing.waiting(stage.ctx):
            drawing.draw(stage.ctx, key)
        again = api.call("POST", "/v1/accounting/accruals", "FINANCE", {"period": "2026-10", "as_of": "2026-10-31"})
        assert (again.status, again.body["state"], len(again.body["files"])) == (200, "DRAWN", 2)
        assert api.call("GET", "/v1/accounting/accruals", "VIEWER").body["items"] == [again.body]


def test_what_the_house_buys_is_accrued_as_cost(stage: Stage) -> None:
    month.start(stage)
    month.push(stage, b.cdr(1))
    stage.clock.set(datetime(2026, 11, 1, 6, tzinfo=UTC))
    made = pack(stage, "2026-10", date(2026, 10, 31))
    chart = accounting.chart_now(stage.ctx, b.ISSUER)
    bought = row_of(made).model_copy(update={"bought": True})
    found = postings.postings(chart, b.ISSUER, "2026-10", made.as_of_utc, bought)
    assert [(line.name, line.amount.amount_minor) for line in found] == [
        ("energy_cost C-RON", 830), ("accrued_cost C-RON", -830),
    ]  # fmt: skip
