"""How the periods of a contract stand: every sum is that of the list it stands for (row 83)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from roamclear.billing import service as billing
from roamclear.billing.model import RunState
from roamclear.cdrs import service as cdrs
from roamclear.cdrs.model import Billing
from roamclear.disputes import service as disputes
from roamclear.disputes.model import Claim, Reason
from roamclear.identity.model import Role
from roamclear.kernel.errors import InvalidInput, NotFound
from roamclear.kernel.money import Money
from roamclear.kernel.pages import Asked
from roamclear.status import service as status
from roamclear.status.model import PeriodStatus
from tests.integration import test_close as month
from tests.support import builders as b
from tests.support import memory_stage
from tests.support.api import Api, environment
from tests.support.moto_stack import Stage

FINANCE = b.actor(Role.FINANCE)


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


@pytest.fixture
def stage() -> Iterator[Stage]:
    with memory_stage.stage(datetime(2026, 9, 1, tzinfo=UTC)) as made:
        yield made


def october(stage: Stage, **query: Any) -> PeriodStatus:
    """The row of the month that the tests fill; the others hold nothing."""
    found = status.status(stage.ctx, FINANCE, b.ISSUER, b.CONTRACT, **query)
    (row,) = [each for each in found.periods if each.period == "2026-10"]
    return row


def test_what_waits_is_the_sum_of_the_three_lists(stage: Stage) -> None:
    month.start(stage)
    for number in (1, 2, 3):
        month.push(stage, b.cdr(number))
    month.push(stage, b.cdr(4, kwh="900", hours="1", total=Decimal("351.50")))
    row = october(stage)
    for name, state in (("verified", Billing.VERIFIED), ("on_hold", Billing.ON_HOLD), ("not_rated", Billing.NOT_RATED)):
        rows = cdrs.unbilled_page(stage.ctx, FINANCE, b.ISSUER, state, b.CONTRACT, Asked(9)).items
        part = getattr(row, name)
        assert part.sessions == len(rows)
        assert part.energy_kwh == sum((s.energy_kwh for s in rows), Decimal(0))
        assert part.net.amount_minor == sum(s.net.amount_minor for s in rows if s.net)
        assert part.claimed == sum((s.cdr_total for s in rows if s.net is None and s.cdr_total), Decimal(0))
    assert (row.verified.sessions, row.verified.net) == (3, eur(3 * 830))
    assert row.on_hold.sessions + row.not_rated.sessions == 1
    assert (row.run_id, row.gap.sessions, row.invoiced.sessions) == (None, 4, 0)


def test_a_window_is_the_sum_of_its_members_and_follows_every_dispute(stage: Stage) -> None:
    month.start(stage)
    refs = [month.push(stage, b.cdr(number)) for number in range(1, 6)]
    run = month.open_run(stage)
    before = october(stage)
    assert (before.run_state, before.in_window.sessions, before.in_window.net) == ("WINDOW", 5, run.proforma)
    assert before.verified.sessions == 0
    made = disputes.file(
        stage.ctx, b.emsp_user(), b.ISSUER, Claim(cdr_ref=refs[0], reason=Reason.ENERGY_TOO_HIGH, claimed=eur(200))
    )
    assert october(stage).disputed.claimed == eur(200)
    disputes.accept(stage.ctx, b.actor(Role.DISPUTE_AGENT), b.ISSUER, made.dispute_id, accepted=eur(130), answer="yes")
    late = month.push(stage, b.cdr(9), at=stage.clock.now() + timedelta(hours=1))
    row = october(stage)
    members = [session for session, _ in billing.members(stage.ctx, billing.run(stage.ctx, b.ISSUER, run.run_id))]
    assert row.in_window.net.amount_minor == sum(s.net.amount_minor for s in members if s.net) == 5 * 830 - 130
    assert (row.disputed.disputes, row.disputed.claimed) == (0, eur(0))
    assert month.state(stage, late)[0] is Billing.VERIFIED
    assert (row.verified.sessions, row.gap.sessions, row.gap.net) == (1, 6, eur(6 * 830 - 130))


def test_a_closed_month_is_its_documents_until_they_are_paid(stage: Stage) -> None:
    month.start(stage)
    for number in (1, 2, 3):
        month.push(stage, b.cdr(number))
    run = month.open_run(stage)
    stage.clock.set(month.CLOSES + timedelta(seconds=61))
    billing.lock(stage.ctx, b.ISSUER, run.run_id)
    row = october(stage)
    assert (row.locked.sessions, row.locked.energy_kwh, row.locked.net) == (3, Decimal(60), eur(2490))
    assert (row.in_window.sessions, row.invoiced.sessions, row.gap.net) == (0, 0, eur(2490))
    run = month.close_run(stage, run)
    (header,) = billing.documents(stage.ctx, FINANCE, b.ISSUER)
    row = october(stage)
    assert run.state is RunState.ISSUED
    assert (row.invoiced.sessions, row.invoiced.energy_kwh, row.invoiced.net) == (3, Decimal(60), header.net)
    assert (row.locked.sessions, row.gap.sessions) == (0, 0)
    assert (row.money.documents, row.money.open, row.money.paid) == ((header.number,), header.gross, eur(0))
    assert row.money.overdue == eur(0)
    _, put = billing.replace_document(header, open_amount=eur(490))
    stage.ctx.db.write(put)
    stage.clock.set(datetime(2026, 12, 9, 23, 30, tzinfo=UTC))
    row = october(stage)
    assert (row.money.paid, row.money.open, row.money.overdue) == (eur(2000), eur(490), eur(490))


def test_an_old_session_that_waits_shows_its_period_and_one_period_can_be_named(stage: Stage) -> None:
    month.start(stage)
    month.push(stage, b.cdr(1))
    stage.clock.set(datetime(2028, 5, 1, tzinfo=UTC))
    found = status.status(stage.ctx, FINANCE, b.ISSUER, b.CONTRACT)
    assert [p.period for p in found.periods][-1] == "2026-10"
    assert len(found.periods) == status.MOST_PERIODS + 1
    named = status.status(stage.ctx, FINANCE, b.ISSUER, b.CONTRACT, "2026-10")
    assert [(p.period, p.verified.sessions) for p in named.periods] == [("2026-10", 1)]
    for wrong in ("2026-99", "2029-01", ""):
        with pytest.raises(InvalidInput):
            status.status(stage.ctx, FINANCE, b.ISSUER, b.CONTRACT, wrong)


def test_an_emsp_sees_its_own_contract_alone(stage: Stage) -> None:
    month.start(stage)
    b.found_contract(stage.ctx, "C-OTHER", party_ids=("NLXXX",))
    assert status.status(stage.ctx, b.emsp_user(), b.ISSUER, b.CONTRACT).contract_id == b.CONTRACT
    for contract_id in ("C-OTHER", "C-NONE"):
        with pytest.raises(NotFound):
            status.status(stage.ctx, b.emsp_user(), b.ISSUER, contract_id)


def test_the_route_answers_for_the_own_contract_with_exact_amounts(stage: Stage) -> None:
    month.start(stage)
    month.push(stage, b.cdr(1))
    with environment(stage):
        api = Api(stage)
        found = api.call(
            "GET", f"/v1/contracts/{b.CONTRACT}/status", "EMSP_USER", contract_id=b.CONTRACT, period="2026-10"
        )
        assert found.status == 200
        (row,) = found.body["periods"]
        assert (row["verified"]["net"], row["gap"]["sessions"]) == ({"amount_minor": 830, "currency": "EUR"}, 1)
        assert api.call("GET", f"/v1/contracts/{b.CONTRACT}/status", "EMSP_USER", contract_id="C-OTHER").status == 404
        assert api.call("GET", f"/v1/contracts/{b.CONTRACT}/status", "SUB_CPO_USER").status == 403
        wrong = api.call("GET", f"/v1/contracts/{b.CONTRACT}/status", "FINANCE", period="2026-13")
        assert (wrong.status, wrong.body["field"]) == (422, "period")
