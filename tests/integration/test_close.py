"""A month from received bodies to numbered documents, with what may happen on the way."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from roamclear.billing import proof, store
from roamclear.billing import service as billing
from roamclear.billing.model import Run, RunRequest, RunState
from roamclear.cdrs import service as cdrs
from roamclear.cdrs.model import Billing, DisputeState, Receipt
from roamclear.contracts.model import VatCategory, VatTreatment
from roamclear.disputes import service as disputes
from roamclear.disputes.model import Claim, Reason, State
from roamclear.documents.checks import missing
from roamclear.kernel.errors import Conflict, NotFound, WindowClosed
from roamclear.kernel.money import Money
from tests.support import builders as b
from tests.support.moto_stack import Stage

OPENS = datetime(2026, 11, 1, 23, 0, tzinfo=UTC)
CLOSES = datetime(2026, 11, 8, 23, 0, tzinfo=UTC)
REQUEST = RunRequest(issuer_id=b.ISSUER, contract_id=b.CONTRACT, period="2026-10")


def start(stage: Stage, **contract: Any) -> None:
    b.found_issuer(stage.ctx)
    b.found_contract(stage.ctx, **contract)
    b.found_own_account(stage.ctx)


def push(stage: Stage, raw: dict[str, Any], at: datetime | None = None) -> str:
    end = datetime.fromisoformat(raw["end_date_time"])
    stage.clock.set(at or max(end + timedelta(minutes=5), stage.clock.now()))
    body = b.body_of(raw, received=stage.clock.now())
    if cdrs.receive(stage.ctx, body) is Receipt.NEW:
        cdrs.process(stage.ctx, b.ISSUER, body.cdr_ref)
    return body.cdr_ref


def state(stage: Stage, ref: str) -> tuple[Billing, tuple[str, ...]]:
    session = cdrs.session(stage.ctx, b.ISSUER, ref)
    assert session is not None
    return session.billing, session.reasons


def open_run(stage: Stage) -> Run:
    stage.clock.set(datetime(2026, 10, 31, 23, 5, tzinfo=UTC))
    run = billing.prepare(stage.ctx, REQUEST)
    stage.clock.set(OPENS)
    return billing.open_window(stage.ctx, b.ISSUER, run.run_id)


def close_run(stage: Stage, run: Run) -> Run:
    stage.clock.set(CLOSES + timedelta(seconds=61))
    run = billing.lock(stage.ctx, b.ISSUER, run.run_id)
    return billing.issue(stage.ctx, b.ISSUER, run.run_id, missing)


def test_a_plain_month(stage: Stage) -> None:
    start(stage)
    refs = [push(stage, b.cdr(n)) for n in range(1, 11)]
    assert {state(stage, ref)[0] for ref in refs} == {Billing.VERIFIED}
    run = open_run(stage)
    assert (run.state, run.members, run.proforma) == (RunState.WINDOW, 10, Money(8300, "EUR"))
    assert (run.opens_at_utc, run.closes_at_utc) == (OPENS, CLOSES)
    assert len(stage.mail.sent) == 1
    run = close_run(stage, run)
    assert run.numbers == ("VW-2026-000001",)
    header = billing.document(stage.ctx, b.ISSUER, "VW-2026-000001")
    assert (header.net, header.tax, header.gross) == (Money(8300, "EUR"), Money(0, "EUR"), Money(8300, "EUR"))
    assert header.issue_date.isoformat() == "2026-11-09"
    assert header.due_date.isoformat() == "2026-12-09"
    model = billing.document_model(stage.ctx, header)
    assert missing(model) == []
    assert {(line.component, line.quantity, line.net.amount_minor) for line in model.lines} == {
        ("ENERGY", Decimal(200), 7800),
        ("SESSION", Decimal(10), 500),
    }
    assert all(e.holds for e in proof.equations(stage.ctx, b.ISSUER))
    session = cdrs.session(stage.ctx, b.ISSUER, refs[0])
    assert session is not None
    assert billing.effective(session, run) is Billing.INVOICED


def test_vat_once_on_the_sum(stage: Stage) -> None:
    start(stage, vat=VatTreatment(category=VatCategory.STANDARD, rate_percent=Decimal(19)))
    for n in range(1, 4):
        push(stage, b.cdr(n, kwh="12.345", total=Decimal("5.31")))
    run = close_run(stage, open_run(stage))
    header = billing.document(stage.ctx, b.ISSUER, run.numbers[0])
    assert (header.net.amount_minor, header.tax.amount_minor) == (3 * 531, 303)


def test_running_every_step_again_changes_nothing(stage: Stage) -> None:
    start(stage)
    push(stage, b.cdr(1))
    run = open_run(stage)
    billing.open_window(stage.ctx, b.ISSUER, run.run_id)
    assert len(stage.mail.sent) == 1
    first = close_run(stage, run)
    billing.lock(stage.ctx, b.ISSUER, run.run_id)
    again = billing.issue(stage.ctx, b.ISSUER, run.run_id, missing)
    assert again.numbers == first.numbers
    assert len(store.documents(stage.ctx.db, b.ISSUER)) == 1
    assert billing.prepare(stage.ctx, REQUEST).numbers == first.numbers


def test_disputes_in_the_window(stage: Stage) -> None:
    start(stage)
    refs = [push(stage, b.cdr(n)) for n in range(1, 7)]
    run = open_run(stage)
    user, agent = b.emsp_user(), b.actor("DISPUTE_AGENT")
    filed = [
        disputes.file(stage.ctx, user, b.ISSUER, Claim(cdr_ref=ref, reason=Reason.NO_SUCH_SESSION, text="not ours"))
        for ref in refs[:4]
    ]
    part = disputes.file(
        stage.ctx,
        user,
        b.ISSUER,
        Claim(cdr_ref=refs[4], reason=Reason.ENERGY_TOO_HIGH, claimed=Money(300, "EUR")),
    )
    disputes.accept(stage.ctx, agent, b.ISSUER, filed[0].dispute_id)
    disputes.reject(stage.ctx, agent, b.ISSUER, filed[1].dispute_id, answer="meter values prove it")
    disputes.withdraw(stage.ctx, user, b.ISSUER, filed[2].dispute_id)
    disputes.accept(stage.ctx, agent, b.ISSUER, part.dispute_id, accepted=Money(100, "EUR"))
    done = close_run(stage, run)
    assert state(stage, refs[0])[0] is Billing.INVALIDATED
    assert state(stage, refs[1])[0] is Billing.LOCKED
    assert state(stage, refs[2])[0] is Billing.LOCKED
    assert state(stage, refs[3]) == (Billing.ON_HOLD, ("DISPUTED",))
    partial = cdrs.session(stage.ctx, b.ISSUER, refs[4])
    assert partial is not None
    assert (partial.billing, partial.dispute, partial.net) == (
        Billing.LOCKED,
        DisputeState.PARTIAL,
        Money(730, "EUR"),
    )
    assert (done.locked, done.left, done.locked_net) == (4, 2, Money(830 * 3 + 730, "EUR"))
    assert all(e.holds for e in proof.equations(stage.ctx, b.ISSUER))
    with pytest.raises((WindowClosed, Conflict)):
        disputes.file(stage.ctx, user, b.ISSUER, Claim(cdr_ref=refs[5], reason=Reason.FRAUD))
    # Silence of five working days after the close ends the open one as the contract says.
    stage.clock.set(datetime(2026, 11, 13, 22, 59, tzinfo=UTC))
    assert disputes.settle_unanswered(stage.ctx, b.ISSUER) == 0
    stage.clock.set(datetime(2026, 11, 13, 23, 1, tzinfo=UTC))
    assert disputes.settle_unanswered(stage.ctx, b.ISSUER) == 1
    ended = disputes.dispute(stage.ctx, user, b.ISSUER, filed[3].dispute_id)
    assert ended.state is State.ACCEPTED
    assert state(stage, refs[3])[0] is Billing.INVALIDATED


def test_a_dispute_filed_at_the_last_second_lands_and_one_later_does_not(stage: Stage) -> None:
    start(stage)
    first, second = push(stage, b.cdr(1)), push(stage, b.cdr(2))
    open_run(stage)
    stage.clock.set(CLOSES - timedelta(seconds=1))
    disputes.file(stage.ctx, b.emsp_user(), b.ISSUER, Claim(cdr_ref=first, reason=Reason.FRAUD))
    stage.clock.set(CLOSES)
    with pytest.raises(WindowClosed) as closed:
        disputes.file(stage.ctx, b.emsp_user(), b.ISSUER, Claim(cdr_ref=second, reason=Reason.FRAUD))
    assert closed.value.details["closed_at_utc"] == "2026-11-08T23:00:00Z"
    with pytest.raises(NotFound):
        disputes.file(stage.ctx, b.emsp_user("C-OTHER"), b.ISSUER, Claim(cdr_ref=second, reason=Reason.FRAUD))


def test_what_is_late_waits_for_the_next_run(stage: Stage) -> None:
    start(stage)
    push(stage, b.cdr(1))
    run = open_run(stage)
    late = push(stage, b.cdr(2), at=OPENS + timedelta(minutes=1))
    assert state(stage, late)[0] is Billing.VERIFIED
    done = close_run(stage, run)
    assert done.locked == 1
    stage.clock.set(datetime(2026, 11, 30, 23, 5, tzinfo=UTC))
    following = billing.prepare(stage.ctx, REQUEST.model_copy(update={"period": "2026-11"}))
    stage.clock.set(following.opens_at_utc)
    following = billing.open_window(stage.ctx, b.ISSUER, following.run_id)
    assert following.members == 1
    assert [section for _, section in billing.members(stage.ctx, following)] == ["EARLIER"]


def test_a_credit_before_and_after_the_lock(stage: Stage) -> None:
    start(stage)
    first, second = push(stage, b.cdr(1)), push(stage, b.cdr(2))
    run = open_run(stage)

    def credit(number: int) -> dict[str, Any]:
        original = b.cdr(number)
        total = {"excl_vat": -original["total_cost"]["excl_vat"]}
        return original | {
            "id": f"{original['id']}-C",
            "credit": True,
            "credit_reference_id": original["id"],
            "total_cost": total,
        }

    early = push(stage, credit(1))
    assert state(stage, first)[0] is Billing.CREDITED
    assert state(stage, early)[0] is Billing.CREDITED
    done = close_run(stage, run)
    assert (done.locked, done.left) == (1, 1)
    late = push(stage, credit(2))
    assert state(stage, late)[0] is Billing.VERIFIED
    assert state(stage, second)[0] is Billing.LOCKED
    twice = push(stage, credit(2) | {"id": "CDR-000002-D"})
    assert state(stage, twice) == (Billing.REJECTED, ("DOUBLE_CREDIT",))
    stage.clock.set(datetime(2026, 11, 30, 23, 5, tzinfo=UTC))
    following = billing.prepare(stage.ctx, REQUEST.model_copy(update={"period": "2026-11"}))
    stage.clock.set(following.opens_at_utc)
    following = billing.open_window(stage.ctx, b.ISSUER, following.run_id)
    assert following.closes_at_utc is not None
    stage.clock.set(following.closes_at_utc + timedelta(seconds=61))
    billing.lock(stage.ctx, b.ISSUER, following.run_id)
    following = billing.issue(stage.ctx, b.ISSUER, following.run_id, lambda document: [])
    note = billing.document(stage.ctx, b.ISSUER, following.numbers[0])
    assert (note.type_code, note.number, note.net) == ("381", "VWC-2026-000001", Money(-830, "EUR"))
    assert all(e.holds for e in proof.equations(stage.ctx, b.ISSUER))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"emsp": "FRXXX"}, (Billing.NOT_RATED, ("NO_CONTRACT",))),
        ({"evse": "DE*VWK*E999"}, (Billing.ON_HOLD, ("EVSE_UNASSIGNED",))),
        ({"emsp": "DEVWK"}, (Billing.OUT_OF_SCOPE, ("OWN",))),
        ({"kwh": "0", "total": Decimal(0)}, (Billing.ON_HOLD, None)),
        ({"kwh": "20000"}, (Billing.ON_HOLD, None)),
    ],
)
def test_where_a_session_ends(stage: Stage, changes: dict[str, Any], expected: tuple[Billing, Any]) -> None:
    start(stage)
    got = state(stage, push(stage, b.cdr(1, **changes)))
    assert got[0] is expected[0]
    if expected[1] is not None:
        assert got[1] == expected[1]


def test_an_empty_period_settles_without_a_document(stage: Stage) -> None:
    start(stage)
    run = open_run(stage)
    assert (run.state, run.members) == (RunState.SETTLED, 0)
    assert stage.mail.sent == []


def test_start_due_starts_each_period_once_and_catches_up(stage: Stage) -> None:
    start(stage)
    stage.clock.set(datetime(2026, 12, 15, tzinfo=UTC))
    started = billing.start_due(stage.ctx)
    assert started == ["voltwerk.C-RON.2026-10.CLOSE", "voltwerk.C-RON.2026-11.CLOSE"]
    assert billing.start_due(stage.ctx) == []
