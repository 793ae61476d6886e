"""Workers at the same moment, on an engine that serialises transactions (platform.md 4)."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from roamclear.billing import service as billing
from roamclear.billing import store as billing_store
from roamclear.billing.model import Run, RunRequest, RunState
from roamclear.cdrs import service as cdrs
from roamclear.cdrs.model import Billing, DisputeState, Receipt
from roamclear.disputes import service as disputes
from roamclear.disputes.model import Claim, Reason
from roamclear.documents.checks import missing
from roamclear.facts import proof
from roamclear.facts import service as facts
from roamclear.kernel.context import Context
from roamclear.kernel.errors import Busy, Conflict, RoamclearError, WindowClosed
from roamclear.kernel.money import Money
from tests.support import builders as b
from tests.support import memory_stage, moto_stack
from tests.support.moto_stack import Stage

OPENS = datetime(2026, 11, 1, 23, 0, tzinfo=UTC)
LOCKS = datetime(2026, 11, 8, 23, 1, 1, tzinfo=UTC)
Work = Callable[[], Any]


@pytest.fixture(params=["memory", "moto"])
def made(request: pytest.FixtureRequest) -> Iterator[Stage]:
    """A stage with an issuer, a contract and an EVSE, on both engines."""
    engine = memory_stage if request.param == "memory" else moto_stack
    with engine.stage() as stage:
        b.found_issuer(stage.ctx)
        b.found_contract(stage.ctx)
        b.found_own_account(stage.ctx)
        yield Stage(
            replace(stage.ctx, db=Jittery(stage.ctx.db)), stage.clock, stage.mail, stage.workflows, stage.tables,
            stage.client,
        )  # fmt: skip


class Jittery:
    """Tables whose every answer takes a moment, so that workers interleave at each call."""

    def __init__(self, real: Any) -> None:
        self._real = real

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._real, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            time.sleep(random.uniform(0, 0.002))
            return method(*args, **kwargs)

        return call


def together(*works: Work) -> list[Any]:
    """Start all at one moment; what each returned or raised, in order."""
    barrier = threading.Barrier(len(works))
    found: list[Any] = [None] * len(works)

    def go(place: int) -> None:
        barrier.wait()
        try:
            found[place] = works[place]()
        except RoamclearError as error:
            found[place] = error

    threads = [threading.Thread(target=go, args=(n,)) for n in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def push(stage: Stage, *numbers: int, emsp: str = b.EMSP, **changes: Any) -> list[str]:
    refs = []
    for number in numbers:
        raw = b.cdr(number, emsp=emsp, **changes)
        stage.clock.set(max(stage.clock.now(), datetime.fromisoformat(raw["end_date_time"]) + timedelta(minutes=5)))
        body = b.body_of(raw, received=stage.clock.now())
        cdrs.receive(stage.ctx, body)
        cdrs.process(stage.ctx, b.ISSUER, body.cdr_ref)
        refs.append(body.cdr_ref)
    return refs


def opened(stage: Stage, contract_id: str = b.CONTRACT) -> Run:
    stage.clock.set(max(stage.clock.now(), OPENS))
    run = billing.prepare(stage.ctx, RunRequest(issuer_id=b.ISSUER, contract_id=contract_id, period="2026-10"))
    return billing.open_window(stage.ctx, b.ISSUER, run.run_id)


def parked(row: dict[str, Any], error: Exception) -> None:
    raise AssertionError(f"{row['pk']} was parked") from error


def persistent(work: Work) -> Work:
    """What a person or Step Functions does with a 503: try again."""

    def go() -> Any:
        for _ in range(30):
            try:
                return work()
            except Busy:
                time.sleep(random.uniform(0, 0.01))
        raise AssertionError("always busy")

    return go


def holds(stage: Stage) -> None:
    stage.clock.advance(timedelta(minutes=6))
    facts.sweep(stage.ctx, parked)
    broken = [e for e in proof.prove(stage.ctx, b.ISSUER) if not e.holds]
    assert broken == []


def test_eight_workers_take_numbers_for_different_runs(made: Stage) -> None:
    runs = []
    contracts = [f"C-{n}" for n in range(8)]
    for n, contract_id in enumerate(contracts):
        emsp = f"NLC{n:02d}"
        zone = "Pacific/Auckland" if n % 2 else "Europe/Berlin"
        b.found_contract(made.ctx, contract_id, party_ids=(emsp,), zone=zone)
        push(made, 10 + n, emsp=emsp)
    for contract_id in contracts:
        runs.append(opened(made, contract_id))
    made.clock.set(LOCKS + timedelta(days=2))
    for run in runs:
        assert billing.lock(made.ctx, b.ISSUER, run.run_id).state is RunState.LOCKED
    works = [persistent(lambda r=run: billing.issue(made.ctx, b.ISSUER, r.run_id, missing)) for run in runs]  # type: ignore[misc]
    assert all(isinstance(r, Run) and r.state is RunState.ISSUED for r in together(*works))
    documents = sorted(billing_store.documents(made.ctx.db, b.ISSUER), key=lambda d: d.number)
    assert [d.number for d in documents] == [f"VW-2026-{n:06d}" for n in range(1, 9)]
    dates = [d.issue_date for d in documents]
    assert dates == sorted(dates)
    assert len({d.run_id for d in documents}) == 8
    holds(made)


@pytest.mark.parametrize("_", range(4))
def test_a_dispute_and_the_lock_at_one_moment(made: Stage, _: int) -> None:
    (ref,) = push(made, 1)
    run = opened(made)
    assert run.closes_at_utc is not None
    ends = run.closes_at_utc
    # The worker of the claim still reads a clock before the close, the lock's is past it.
    early = replace(made.ctx, clock=type(made.clock)(ends - timedelta(seconds=1)))
    late = replace(made.ctx, clock=type(made.clock)(LOCKS))
    claim = Claim(cdr_ref=ref, reason=Reason.FRAUD)
    filed, _locked = together(
        lambda: disputes.file(early, b.emsp_user(), b.ISSUER, claim),
        lambda: billing.lock(late, b.ISSUER, run.run_id),
    )
    made.clock.set(LOCKS)
    after = billing.lock(made.ctx, b.ISSUER, run.run_id)
    session = cdrs.session(made.ctx, b.ISSUER, ref)
    assert session is not None
    if isinstance(filed, Exception):
        assert isinstance(filed, WindowClosed | Busy), filed
        assert (session.billing, session.dispute) == (Billing.LOCKED, DisputeState.NONE)
        assert after.locked == 1
    else:
        assert (session.billing, session.dispute) == (Billing.ON_HOLD, DisputeState.OPEN)
        assert (after.locked, after.left) == (0, 1)


@pytest.mark.parametrize("_", range(4))
def test_a_credit_and_the_lock_at_one_moment(made: Stage, _: int) -> None:
    first, other = push(made, 1, 2)
    run = opened(made)
    original = b.cdr(1)
    credit = original | {
        "id": "CDR-000001-C",
        "credit": True,
        "credit_reference_id": original["id"],
        "total_cost": {"excl_vat": -original["total_cost"]["excl_vat"]},
    }
    made.clock.set(LOCKS)
    body = b.body_of(credit, received=made.clock.now())
    cdrs.receive(made.ctx, body)
    together(
        persistent(lambda: cdrs.process(made.ctx, b.ISSUER, body.cdr_ref)),
        lambda: billing.lock(made.ctx, b.ISSUER, run.run_id),
    )
    done = billing.lock(made.ctx, b.ISSUER, run.run_id)
    settled = cdrs.process(made.ctx, b.ISSUER, body.cdr_ref)
    credited = cdrs.session(made.ctx, b.ISSUER, first)
    assert credited is not None
    if credited.billing is Billing.CREDITED:
        assert settled.billing is Billing.CREDITED
        assert (done.locked, done.left) == (1, 1)
    else:
        assert credited.billing is Billing.LOCKED
        assert (settled.billing, settled.net) == (Billing.VERIFIED, Money(-830, "EUR"))
        assert (done.locked, done.left) == (2, 0)
    assert cdrs.session(made.ctx, b.ISSUER, other).billing is Billing.LOCKED  # type: ignore[union-attr]


def test_two_workers_do_every_step_of_one_run(made: Stage) -> None:
    refs = push(made, *range(1, 7))
    made.clock.set(OPENS)
    request = RunRequest(issuer_id=b.ISSUER, contract_id=b.CONTRACT, period="2026-10")
    twice = together(*[lambda: billing.prepare(made.ctx, request)] * 2)
    assert twice[0] == twice[1]
    run_id = request.run_id
    both = together(*[persistent(lambda: billing.open_window(made.ctx, b.ISSUER, run_id))] * 2)
    assert {r.state for r in both} == {RunState.WINDOW}
    assert billing.run(made.ctx, b.ISSUER, run_id).members == 6
    made.clock.set(LOCKS)
    both = together(*[lambda: billing.lock(made.ctx, b.ISSUER, run_id)] * 3)
    assert {r.state for r in both} == {RunState.LOCKED}, both
    assert {r.manifest for r in both} == {both[0].manifest}
    both = together(*[persistent(lambda: billing.issue(made.ctx, b.ISSUER, run_id, missing))] * 3)
    assert {r.numbers for r in both} <= {("VW-2026-000001",), ()}, both
    done = billing.issue(made.ctx, b.ISSUER, run_id, missing)
    assert (done.state, done.numbers, done.locked) == (RunState.ISSUED, ("VW-2026-000001",), 6)
    assert len(billing_store.documents(made.ctx.db, b.ISSUER)) == 1
    together(*[lambda: billing.finish(made.ctx, b.ISSUER, run_id)] * 2)
    assert {s.billing for s in cdrs.sessions(made.ctx, b.ISSUER, refs).values()} == {Billing.LOCKED}
    holds(made)


@pytest.mark.parametrize("_", range(5))
def test_two_cdrs_of_one_session_at_one_moment(made: Stage, _: int) -> None:
    raw = [b.cdr(1) | {"id": name} for name in ("A", "B")]
    made.clock.set(datetime(2026, 10, 6, tzinfo=UTC))
    bodies = [b.body_of(each, received=made.clock.now()) for each in raw]
    for body in bodies:
        assert cdrs.receive(made.ctx, body) is Receipt.NEW
    together(*[persistent(lambda ref=body.cdr_ref: cdrs.process(made.ctx, b.ISSUER, ref)) for body in bodies])  # type: ignore[misc]
    for body in bodies:
        cdrs.process(made.ctx, b.ISSUER, body.cdr_ref)
    known = cdrs.sessions(made.ctx, b.ISSUER, [body.cdr_ref for body in bodies])
    states = sorted(s.billing.value for s in known.values())
    assert states == ["ON_HOLD", "VERIFIED"], [(s.cdr_ref, s.billing, s.reasons) for s in known.values()]


def test_one_body_posted_by_eight(made: Stage) -> None:
    body = b.body_of(b.cdr(1), received=made.clock.now())
    told = Counter(together(*[lambda: cdrs.receive(made.ctx, body)] * 8))
    assert told == {Receipt.NEW: 1, Receipt.REPEAT: 7}


def test_two_contents_under_one_id_by_eight(made: Stage) -> None:
    bodies = [b.body_of(b.cdr(1, kwh=str(10 + n % 2)), received=made.clock.now()) for n in range(8)]
    told = Counter(together(*[lambda each=each: cdrs.receive(made.ctx, each) for each in bodies]))  # type: ignore[misc]
    assert told == {Receipt.NEW: 1, Receipt.REPEAT: 3, Receipt.CONFLICT: 4}


def test_one_body_is_processed_by_four(made: Stage) -> None:
    made.clock.set(datetime(2026, 10, 6, tzinfo=UTC))
    body = b.body_of(b.cdr(1), received=made.clock.now())
    cdrs.receive(made.ctx, body)
    work = persistent(lambda: cdrs.process(made.ctx, b.ISSUER, body.cdr_ref))
    both = together(*[work] * 4)
    assert {(s.billing, s.net, s.rating_version) for s in both} == {(Billing.VERIFIED, Money(830, "EUR"), 1)}, both


def test_one_claim_filed_by_four_and_answered_by_four(made: Stage) -> None:
    (ref,) = push(made, 1)
    opened(made)
    claim = Claim(cdr_ref=ref, reason=Reason.FRAUD)
    filed = together(*[persistent(lambda: disputes.file(made.ctx, b.emsp_user(), b.ISSUER, claim))] * 4)
    assert len({d.dispute_id for d in filed}) == 1
    number = filed[0].dispute_id
    agent = b.actor("DISPUTE_AGENT")
    works = [
        persistent(lambda: disputes.accept(made.ctx, agent, b.ISSUER, number)),
        persistent(lambda: disputes.reject(made.ctx, agent, b.ISSUER, number, answer="no")),
        persistent(lambda: disputes.accept(made.ctx, agent, b.ISSUER, number, accepted=Money(1, "EUR"))),
        persistent(lambda: disputes.withdraw(made.ctx, b.emsp_user(), b.ISSUER, number)),
    ]
    ends = together(*works)
    winners = [d for d in ends if not isinstance(d, Exception)]
    assert len(winners) == 1, ends
    assert all(isinstance(d, Conflict) for d in ends if isinstance(d, Exception))
    session = cdrs.session(made.ctx, b.ISSUER, ref)
    assert session is not None
    assert session.dispute.value == winners[0].state.value
    history = [e.action for e in _history(made.ctx, number)]
    assert history == ["FILED", winners[0].state.value]


def _history(ctx: Context, number: str) -> list[Any]:
    from roamclear.audit import service as audit

    return audit.history(ctx, b.ISSUER, "DISPUTE", number)
