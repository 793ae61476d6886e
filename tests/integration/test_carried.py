"""Runs below the smallest invoice: carried whole, billed once by a later run (row 65, decision 0023)."""

from __future__ import annotations

import email
import email.policy
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from roamclear.billing import carry, store
from roamclear.billing import service as billing
from roamclear.billing.model import Run, RunState
from roamclear.cdrs import service as cdrs
from roamclear.cdrs.model import Billing
from roamclear.contracts.model import VatCategory, VatTreatment
from roamclear.documents.checks import missing
from roamclear.facts import proof
from roamclear.identity.model import Role
from roamclear.kernel.money import Money
from roamclear.packages import service as packages
from tests.integration import test_close as month
from tests.integration.test_fees import fee
from tests.integration.test_payouts_chain import deliver
from tests.stateful.test_concurrency import Jittery, persistent, together
from tests.support import builders as b
from tests.support import crashing, memory_stage
from tests.support.fonts import with_fonts
from tests.support.moto_stack import SentMail, Stage

LEAST = 2400


@pytest.fixture
def stage() -> Iterator[Stage]:
    with memory_stage.stage(datetime(2026, 9, 1, tzinfo=UTC)) as made:
        with_fonts(made.ctx)
        yield made


def begin(stage: Stage, **contract: Any) -> None:
    month.start(stage, **({"min_invoice_minor": LEAST} | contract))


def session(stage: Stage, number: int, period: str, **changes: Any) -> str:
    """One session of 8.30 in a month, each on a day of its own."""
    start = datetime.fromisoformat(f"{period}-{10 + number}T10:00:00+00:00")
    return month.push(stage, b.cdr(number, start=start, **changes))


def locked(stage: Stage, period: str) -> Run:
    """The run of a month, opened and locked at its instants; SETTLED where there is nothing."""
    request = month.REQUEST.model_copy(update={"period": period})
    first = date.fromisoformat(f"{period}-01")
    end = (first + timedelta(days=32)).replace(day=1)
    stage.clock.set(datetime(end.year, end.month, end.day, tzinfo=UTC))
    run = billing.prepare(stage.ctx, request)
    stage.clock.set(run.opens_at_utc)
    run = billing.open_window(stage.ctx, b.ISSUER, run.run_id)
    if run.state is RunState.SETTLED or run.closes_at_utc is None:
        return run
    stage.clock.set(run.closes_at_utc + timedelta(seconds=61))
    return billing.lock(stage.ctx, b.ISSUER, run.run_id)


def close(stage: Stage, period: str) -> Run:
    """The run of a month brought to its end; the proof holds behind it."""
    run = locked(stage, period)
    run = billing.issue(stage.ctx, b.ISSUER, run.run_id, missing)
    proved(stage)
    return run


def proved(stage: Stage) -> None:
    deliver(stage)
    assert [e for e in proof.prove(stage.ctx, b.ISSUER) if not e.holds and "archived" not in e.name] == []


def again(stage: Stage, run: Run) -> Run:
    return billing.run(stage.ctx, b.ISSUER, run.run_id)


def state(stage: Stage, ref: str) -> Billing:
    known = cdrs.session(stage.ctx, b.ISSUER, ref)
    assert known is not None
    assert known.run_id is not None
    return billing.effective(known, billing.run(stage.ctx, b.ISSUER, known.run_id))


def test_a_small_month_waits_and_is_billed_with_the_next(stage: Stage) -> None:
    begin(stage, fees=(fee("BASE", "MONTHLY", "1.00"),))
    first = session(stage, 1, "2026-09")
    september = close(stage, "2026-09")
    assert (september.state, september.numbers) == (RunState.CARRIED, ())
    assert september.carried_reason == "9.30 EUR is below the smallest invoice of 24.00 EUR"
    assert state(stage, first) is Billing.LOCKED
    seen = billing.run_for(stage.ctx, b.emsp_user(), b.ISSUER, september.run_id)
    assert seen.carried_reason is not None

    for number in (2, 3):
        session(stage, number, "2026-10")
    october = close(stage, "2026-10")
    assert (october.state, october.carries) == (RunState.ISSUED, (september.run_id,))
    september = again(stage, september)
    assert (september.state, september.billed_by) == (RunState.SETTLED, october.run_id)
    assert september.numbers == october.numbers
    assert state(stage, first) is Billing.INVOICED

    header = billing.document(stage.ctx, b.ISSUER, october.numbers[0])
    assert (header.net, header.sessions) == (Money(3 * 830 + 200, "EUR"), 3)
    model = billing.document_model(stage.ctx, header)
    assert missing(model) == []
    kinds = {line.section.kind.value: 0 for line in model.lines}
    for line in model.lines:
        kinds[line.section.kind.value] += line.net.amount_minor
    assert kinds == {"COUNTRY": 1660, "EARLIER": 830, "FEES": 200}
    fees = [line for line in model.lines if line.section.kind == "FEES"]
    assert [line.period_start for line in fees] == [date(2026, 10, 1), None]
    assert fees[1].description == "01/09/2026 \u2013 30/09/2026"
    assert model.notes[0].startswith("Includes the sessions and fees of 2026-09:")
    assert packages.render_documents(stage.ctx, b.ISSUER, october.run_id)
    assert len(packages.render_sessions(stage.ctx, b.ISSUER, october.run_id)) == 3


def test_running_the_end_again_changes_nothing(stage: Stage) -> None:
    begin(stage)
    session(stage, 1, "2026-09")
    september = close(stage, "2026-09")
    assert billing.issue(stage.ctx, b.ISSUER, september.run_id, missing).state is RunState.CARRIED
    assert billing.lock_outcome(stage.ctx, b.ISSUER, september.run_id)["outcome"] == "LOCKED"
    for number in (2, 3):
        session(stage, number, "2026-10")
    october = close(stage, "2026-10")
    assert billing.issue(stage.ctx, b.ISSUER, october.run_id, missing).numbers == october.numbers
    assert billing.issue(stage.ctx, b.ISSUER, september.run_id, missing).state is RunState.SETTLED
    assert len(store.documents(stage.ctx.db, b.ISSUER)) == 1
    assert carry.waiting(stage.ctx, october) == []


def test_after_as_many_periods_as_agreed_it_is_billed_whatever_its_size(stage: Stage) -> None:
    begin(stage, min_invoice_periods=1)
    session(stage, 1, "2026-09")
    assert close(stage, "2026-09").state is RunState.CARRIED
    october = close(stage, "2026-10")
    assert (october.locked, october.state) == (0, RunState.ISSUED)
    assert billing.document(stage.ctx, b.ISSUER, october.numbers[0]).net == Money(830, "EUR")


def test_the_year_ends_with_an_invoice(stage: Stage) -> None:
    begin(stage, min_invoice_periods=12)
    session(stage, 1, "2026-10")
    runs = [close(stage, period) for period in ("2026-10", "2026-11", "2026-12")]
    assert [run.state for run in runs] == [RunState.CARRIED, RunState.CARRIED, RunState.ISSUED]
    assert runs[2].carries == (runs[0].run_id, runs[1].run_id)
    assert len(store.documents(stage.ctx.db, b.ISSUER)) == 1


def test_an_ended_contract_bills_what_is_left(stage: Stage) -> None:
    begin(stage)
    session(stage, 1, "2026-09")
    assert close(stage, "2026-09").state is RunState.CARRIED
    from roamclear.contracts import service as contracts

    terms = b.terms(min_invoice_minor=LEAST)
    contracts.publish(
        stage.ctx,
        b.actor(Role.FINANCE),
        b.ISSUER,
        b.CONTRACT,
        name=b.CONTRACT,
        valid_from=date(2026, 10, 20),
        valid_to=date(2026, 10, 31),
        terms=terms,
    )
    assert close(stage, "2026-10").state is RunState.ISSUED


def test_a_month_of_nothing_settles_where_nothing_waits(stage: Stage) -> None:
    begin(stage)
    assert locked(stage, "2026-09").state is RunState.SETTLED


def test_a_carried_session_may_still_be_credited(stage: Stage) -> None:
    begin(stage)
    session(stage, 1, "2026-09")
    session(stage, 2, "2026-09")
    assert close(stage, "2026-09").state is RunState.CARRIED
    again_ = b.cdr(1, start=datetime(2026, 9, 11, 10, tzinfo=UTC), id="CDR-000001C", total=Decimal("-8.30"))
    month.push(stage, again_ | {"credit": True, "credit_reference_id": "CDR-000001"}, at=stage.clock.now())
    for number in (3, 4, 5):
        session(stage, number, "2026-10")
    october = close(stage, "2026-10")
    assert billing.document(stage.ctx, b.ISSUER, october.numbers[0]).net == Money(4 * 830, "EUR")


def test_documents_by_vat_stay_apart_and_are_proved_together(stage: Stage) -> None:
    outside = VatTreatment(category=VatCategory.OUTSIDE_SCOPE, reason="Outside the scope of VAT")
    begin(stage, fees=(fee("BASE", "MONTHLY", "1.00"),), vat=outside)
    session(stage, 1, "2026-09")
    assert close(stage, "2026-09").state is RunState.CARRIED
    for number in (2, 3):
        session(stage, number, "2026-10")
    october = close(stage, "2026-10")
    nets = [billing.document(stage.ctx, b.ISSUER, number).net.amount_minor for number in october.numbers]
    assert nets == [200, 2490]


@pytest.mark.parametrize("after", [False, True])
def test_a_death_anywhere_bills_each_session_once(after: bool) -> None:
    for place in range(60):
        with memory_stage.stage(datetime(2026, 9, 1, tzinfo=UTC)) as stage:
            begin(stage)
            session(stage, 1, "2026-09")
            september = locked(stage, "2026-09")
            for number in (2, 3):
                session(stage, number, "2026-10")
            mortal = crashing.mortal(stage.ctx, crashing.Fuse(left=place, after=after))
            with crashing.survives() as died:
                billing.issue(mortal, b.ISSUER, september.run_id, missing)
                october = locked(stage, "2026-10")
                billing.issue(mortal, b.ISSUER, october.run_id, missing)
            billing.issue(stage.ctx, b.ISSUER, september.run_id, missing)
            proved(stage)
            october = close(stage, "2026-10") if died else again(stage, october)
            assert again(stage, september).billed_by == october.run_id
            header = billing.document(stage.ctx, b.ISSUER, october.numbers[0])
            assert (header.net, header.sessions) == (Money(2490, "EUR"), 3)
            assert len(store.documents(stage.ctx.db, b.ISSUER)) == 1
            if not died:
                return
    raise AssertionError("the fuse never survived")


def test_free_sessions_make_a_zero_invoice_only_where_agreed(stage: Stage) -> None:
    free = ({"id": "free", "tariff": b.tariff("0")},)
    for wanted, expected in ((True, RunState.ISSUED), (False, RunState.SETTLED)):
        with memory_stage.stage(datetime(2026, 9, 1, tzinfo=UTC)) as made:
            with_fonts(made.ctx)
            begin(made, grid=free, zero_invoices=wanted, price_tolerance=Decimal(100))
            session(made, 1, "2026-09", total=Decimal(0))
            run = close(made, "2026-09")
            assert run.state is expected
            for number in run.numbers:
                header = billing.document(made.ctx, b.ISSUER, number)
                model = billing.document_model(made.ctx, header)
                assert (header.type_code, header.gross, missing(model)) == ("380", Money(0, "EUR"), [])
                assert [(line.quantity, line.net.amount_minor) for line in model.lines] == [(Decimal(20), 0)]
                assert packages.render_documents(made.ctx, b.ISSUER, run.run_id)
                assert packages.render_sessions(made.ctx, b.ISSUER, run.run_id)


def test_two_later_runs_at_once_take_a_carried_one_once(stage: Stage) -> None:
    begin(stage)
    session(stage, 1, "2026-09")
    september = close(stage, "2026-09")
    for number in (2, 3):
        session(stage, number, "2026-10")
    october = locked(stage, "2026-10")
    for number in (4, 5):
        session(stage, number, "2026-11")
    november = locked(stage, "2026-11")
    slow = replace(stage.ctx, db=Jittery(stage.ctx.db))

    def issues(run: Run) -> Any:
        return persistent(lambda: billing.issue(slow, b.ISSUER, run.run_id, missing))

    together(issues(october), issues(november), issues(october), issues(november))
    taken = [run for run in (again(stage, october), again(stage, november)) if run.carries]
    assert [run.carries for run in taken] == [(september.run_id,)]
    assert again(stage, september).billed_by == taken[0].run_id
    nets = [d.net.amount_minor for d in store.documents(stage.ctx.db, b.ISSUER)]
    assert nets == [2490]
    proved(stage)


def subject(mail: SentMail) -> str:
    return str(email.message_from_bytes(mail.raw, policy=email.policy.default)["Subject"])


def test_the_partner_is_told_once_that_a_period_waits(stage: Stage) -> None:
    begin(stage)
    session(stage, 1, "2026-10")
    assert close(stage, "2026-10").state is RunState.CARRIED
    for _ in range(2):
        deliver(stage)
        carry.tell(stage.ctx, b.ISSUER, month.REQUEST.run_id)
    mails = [mail for mail in stage.mail.sent if "later period" in subject(mail)]
    assert [mail.recipients for mail in mails] == [("finance@ronde.example",)]
    assert b"8.30" in mails[0].raw
    # A run that is billed is not told of.
    for number in (2, 3, 4):
        session(stage, number, "2026-11")
    assert close(stage, "2026-11").numbers
    deliver(stage)
    carry.tell(stage.ctx, b.ISSUER, "C-RON.2026-11.CLOSE")
    assert sum("later period" in subject(mail) for mail in stage.mail.sent) == 1
