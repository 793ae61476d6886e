"""Faults that the stateful tests found, each by its name, on the smallest story that shows it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from roamclear.billing import service as billing
from roamclear.billing.model import Run, RunRequest, RunState
from roamclear.cdrs import service as cdrs
from roamclear.cdrs.model import Billing, DisputeState
from roamclear.disputes import service as disputes
from roamclear.disputes.model import Claim, Reason, State
from roamclear.documents.checks import missing
from roamclear.facts import service as facts
from roamclear.kernel.errors import Locked, NotFound
from tests.support import builders as b
from tests.support import memory_stage
from tests.support.crashing import Fuse, mortal, survives
from tests.support.moto_stack import Stage

OPENS = datetime(2026, 11, 1, 23, 0, tzinfo=UTC)
SILENT = datetime(2026, 11, 13, 23, 1, tzinfo=UTC)


@pytest.fixture
def made() -> Iterator[Stage]:
    """A stage with an issuer and an EVSE of its own."""
    with memory_stage.stage() as stage:
        b.found_issuer(stage.ctx)
        b.found_own_account(stage.ctx)
        yield stage


def push(stage: Stage, raw: dict[str, Any], *, process: bool = True) -> str:
    end = datetime.fromisoformat(raw["end_date_time"])
    stage.clock.set(max(end + timedelta(minutes=5), stage.clock.now()))
    body = b.body_of(raw, received=stage.clock.now())
    cdrs.receive(stage.ctx, body)
    if process:
        cdrs.process(stage.ctx, b.ISSUER, body.cdr_ref)
    return body.cdr_ref


def credit_of(raw: dict[str, Any]) -> dict[str, Any]:
    total = {"excl_vat": -raw["total_cost"]["excl_vat"]}
    return raw | {"id": f"{raw['id']}-C", "credit": True, "credit_reference_id": raw["id"], "total_cost": total}


def opened(stage: Stage, period: str = "2026-10", at: datetime = OPENS) -> Run:
    stage.clock.set(max(stage.clock.now(), at))
    request = RunRequest(issuer_id=b.ISSUER, contract_id=b.CONTRACT, period=period)
    run = billing.prepare(stage.ctx, request)
    stage.clock.set(max(stage.clock.now(), run.opens_at_utc))
    return billing.open_window(stage.ctx, b.ISSUER, run.run_id)


def locked(stage: Stage, run: Run) -> Run:
    assert run.closes_at_utc is not None
    stage.clock.set(run.closes_at_utc + timedelta(seconds=61))
    return billing.lock(stage.ctx, b.ISSUER, run.run_id)


def swept(stage: Stage) -> None:
    stage.clock.advance(timedelta(minutes=6))
    facts.sweep(stage.ctx, parked)


def parked(row: dict[str, Any], error: Exception) -> None:
    raise AssertionError(row["pk"]) from error


def test_a_body_left_behind_by_a_long_outage_is_still_found(made: Stage) -> None:
    b.found_contract(made.ctx)
    ref = push(made, b.cdr(1), process=False)
    made.clock.advance(timedelta(days=20))
    swept(made)
    assert cdrs.session(made.ctx, b.ISSUER, ref).billing is Billing.VERIFIED  # type: ignore[union-attr]


def test_a_body_that_cannot_be_processed_stops_no_other(made: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    b.found_contract(made.ctx)
    bad, good = push(made, b.cdr(1), process=False), push(made, b.cdr(2), process=False)
    from roamclear.cdrs import processing

    real = processing.read

    def read(body: Any) -> Any:
        if body.cdr_ref == bad:
            raise ZeroDivisionError
        return real(body)

    monkeypatch.setattr(processing, "read", read)
    told: list[str] = []
    made.clock.advance(timedelta(minutes=6))
    facts.sweep(made.ctx, lambda row, error: told.append(row["sk"]))
    assert told == ["cdrs"]
    assert cdrs.session(made.ctx, b.ISSUER, good) is not None
    monkeypatch.undo()
    made.clock.advance(timedelta(days=5))
    swept(made)
    assert cdrs.session(made.ctx, b.ISSUER, bad) is not None


def test_the_nightly_retry_does_not_free_what_is_disputed(made: Stage) -> None:
    b.found_contract(made.ctx)
    ref = push(made, b.cdr(1))
    run = opened(made)
    disputes.file(made.ctx, b.emsp_user(), b.ISSUER, Claim(cdr_ref=ref, reason=Reason.FRAUD))
    locked(made, run)
    facts.nightly(made.ctx, parked)
    session = cdrs.session(made.ctx, b.ISSUER, ref)
    assert session is not None
    assert (session.billing, session.dispute) == (Billing.ON_HOLD, DisputeState.OPEN)


def test_a_run_of_which_nothing_is_left_settles(made: Stage) -> None:
    b.found_contract(made.ctx)
    raw = b.cdr(1)
    push(made, raw)
    run = opened(made)
    push(made, credit_of(raw))
    assert locked(made, run).state is RunState.SETTLED


def test_a_credit_note_names_the_document_it_amends(made: Stage) -> None:
    b.found_contract(made.ctx)
    raw = b.cdr(1)
    push(made, raw)
    run = locked(made, opened(made))
    run = billing.issue(made.ctx, b.ISSUER, run.run_id, missing)
    push(made, credit_of(raw))
    following = locked(made, opened(made, "2026-11", datetime(2026, 12, 1, 0, 5, tzinfo=UTC)))
    following = billing.issue(made.ctx, b.ISSUER, following.run_id, missing)
    note = billing.document(made.ctx, b.ISSUER, following.numbers[0])
    assert note.type_code == "381"
    assert [p.number for p in billing.document_model(made.ctx, note).preceding] == list(run.numbers)


def test_the_dispute_of_a_withdrawn_session_ends(made: Stage) -> None:
    """It stayed open for ever, and its end failed in every sweep from the day the answer was due."""
    b.found_contract(made.ctx)
    raw = b.cdr(1)
    ref = push(made, raw)
    opened(made)
    filed = disputes.file(made.ctx, b.emsp_user(), b.ISSUER, Claim(cdr_ref=ref, reason=Reason.FRAUD))
    push(made, credit_of(raw))
    made.clock.set(SILENT)
    swept(made)
    ended = disputes.dispute(made.ctx, b.emsp_user(), b.ISSUER, filed.dispute_id)
    session = cdrs.session(made.ctx, b.ISSUER, ref)
    assert session is not None
    assert (ended.state, session.billing, session.dispute) == (
        State.ACCEPTED,
        Billing.CREDITED,
        DisputeState.ACCEPTED,
    )


@pytest.mark.parametrize("silence", ["ACCEPT", "REJECT"])
def test_the_dispute_of_a_session_billed_in_spite_of_it_ends(made: Stage, silence: str) -> None:
    b.found_contract(made.ctx, unanswered_policy="BILL", on_cpo_silence=silence)
    ref = push(made, b.cdr(1))
    run = opened(made)
    filed = disputes.file(made.ctx, b.emsp_user(), b.ISSUER, Claim(cdr_ref=ref, reason=Reason.FRAUD))
    assert locked(made, run).locked == 1
    before = cdrs.session(made.ctx, b.ISSUER, ref)
    with pytest.raises(Locked):
        disputes.accept(made.ctx, b.actor("DISPUTE_AGENT"), b.ISSUER, filed.dispute_id)
    made.clock.set(SILENT)
    swept(made)
    ended = disputes.dispute(made.ctx, b.emsp_user(), b.ISSUER, filed.dispute_id)
    after = cdrs.session(made.ctx, b.ISSUER, ref)
    assert before is not None
    assert after is not None
    assert ended.state is State.REJECTED
    assert (after.billing, after.net, after.rating_version) == (Billing.LOCKED, before.net, before.rating_version)


def test_withdrawing_anothers_ended_dispute_tells_nothing(made: Stage) -> None:
    b.found_contract(made.ctx)
    ref = push(made, b.cdr(1))
    opened(made)
    filed = disputes.file(made.ctx, b.emsp_user(), b.ISSUER, Claim(cdr_ref=ref, reason=Reason.FRAUD))
    disputes.withdraw(made.ctx, b.emsp_user(), b.ISSUER, filed.dispute_id)
    with pytest.raises(NotFound) as one:
        disputes.withdraw(made.ctx, b.emsp_user("C-OTHER"), b.ISSUER, filed.dispute_id)
    with pytest.raises(NotFound) as none:
        disputes.withdraw(made.ctx, b.emsp_user("C-OTHER"), b.ISSUER, "D-NONE")
    assert one.value.message == none.value.message


def test_an_opening_that_died_and_is_finished_days_later_gives_whole_days(made: Stage) -> None:
    b.found_contract(made.ctx)
    push(made, b.cdr(1))
    made.clock.set(OPENS)
    request = RunRequest(issuer_id=b.ISSUER, contract_id=b.CONTRACT, period="2026-10")
    run = billing.prepare(made.ctx, request)
    with survives() as died:
        billing.open_window(mortal(made.ctx, Fuse(1)), b.ISSUER, run.run_id)
    assert died
    made.clock.set(OPENS + timedelta(days=5, hours=2))
    run = billing.open_window(made.ctx, b.ISSUER, run.run_id)
    assert run.closes_at_utc == datetime(2026, 11, 14, 23, 0, tzinfo=UTC)


def test_a_slow_second_worker_adds_nothing_to_an_opened_run(made: Stage) -> None:
    """A run that settled as empty would have kept a session for ever."""
    from roamclear.billing import membership

    b.found_contract(made.ctx)
    run = opened(made)
    assert run.state is RunState.SETTLED
    ref = push(made, b.cdr(1))
    slow = run.model_copy(update={"state": RunState.GRACE, "opened_at_utc": made.clock.now()})
    assert membership.gather(made.ctx, slow, lambda: True)
    session = cdrs.session(made.ctx, b.ISSUER, ref)
    assert session is not None
    assert (session.billing, session.run_id) == (Billing.VERIFIED, None)
    assert list(billing.members(made.ctx, run)) == []
    assert list(billing.left(made.ctx, run)) == []
