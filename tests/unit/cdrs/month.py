"""A month of sessions in memory: pushed, opened, locked and issued as the tests of this folder need it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from roamclear.billing import service as billing
from roamclear.billing.model import Run, RunRequest
from roamclear.cdrs import backdating
from roamclear.cdrs import service as cdrs
from roamclear.cdrs.impact import Impact
from roamclear.cdrs.jobs import store as job_store
from roamclear.cdrs.jobs.model import Job, JobState
from roamclear.cdrs.model import Session
from roamclear.contracts import backdated
from roamclear.contracts.proposals import Proposal, Seen
from roamclear.documents.checks import missing
from roamclear.facts import service as facts
from roamclear.facts import store as facts_store
from roamclear.identity import service as identity
from roamclear.kernel.context import Context
from tests.support import builders as b
from tests.support import memory_stage
from tests.support.moto_stack import Stage

OPENS = datetime(2026, 11, 1, 23, 0, tzinfo=UTC)
LOCKS = datetime(2026, 11, 8, 23, 1, 1, tzinfo=UTC)
OCTOBER = RunRequest(issuer_id=b.ISSUER, contract_id=b.CONTRACT, period="2026-10")


def started(**contract: Any) -> Stage:
    """A stage with an issuer, a contract and an EVSE on 1 October."""
    stage = memory_stage.fresh()
    found(stage, **contract)
    return stage


def found(stage: Stage, **contract: Any) -> None:
    """The same on a stage that is there."""
    b.found_issuer(stage.ctx)
    b.found_contract(stage.ctx, **contract)
    b.found_own_account(stage.ctx)
    drain(stage)


def push(stage: Stage, raw: dict[str, Any]) -> str:
    """Receive and process a CDR at its end, or now where that has passed."""
    end = datetime.fromisoformat(raw["end_date_time"])
    stage.clock.set(max(end + timedelta(minutes=5), stage.clock.now()))
    body = b.body_of(raw, received=stage.clock.now())
    cdrs.receive(stage.ctx, body)
    cdrs.process(stage.ctx, b.ISSUER, body.cdr_ref)
    stage.clock.advance(timedelta(seconds=1))
    return body.cdr_ref


def session(stage: Stage, ref: str) -> Session:
    """A session that is there."""
    found = cdrs.session(stage.ctx, b.ISSUER, ref)
    assert found is not None
    return found


def opened(stage: Stage) -> Run:
    """October with its window open."""
    stage.clock.set(datetime(2026, 10, 31, 23, 5, tzinfo=UTC))
    run = billing.prepare(stage.ctx, OCTOBER)
    stage.clock.set(OPENS)
    return billing.open_window(stage.ctx, b.ISSUER, run.run_id)


def issued(stage: Stage, run: Run) -> Run:
    """The run locked, and its document numbered."""
    stage.clock.set(LOCKS)
    billing.lock(stage.ctx, b.ISSUER, run.run_id)
    return billing.issue(stage.ctx, b.ISSUER, run.run_id, missing)


def grid(kwh: str) -> tuple[dict[str, Any], ...]:
    """A price per kWh beside 0.50 per session."""
    return ({"id": "standard", "tariff": b.tariff(kwh, "0.50")},)


def drain(stage: Stage, ctx: Context | None = None) -> None:
    """Answer every fact, and every fact that follows from one."""
    while rows := list(facts_store.pending(stage.ctx.db, b.ISSUER, stage.clock.now() + timedelta(seconds=1))):
        for row in rows:
            facts.answer(ctx or stage.ctx, row)


def finished(stage: Stage, job_id: str) -> Job:
    """A job after the sweep came as often as it must."""
    for _ in range(6):
        drain(stage)
        found = job_store.job(stage.ctx.db, b.ISSUER, job_id)
        assert found is not None
        if found.state is JobState.DONE:
            return found
        stage.clock.advance(timedelta(minutes=6))
        facts.sweep(stage.ctx, _raise)
    raise AssertionError("the job does not end")


def looked(stage: Stage, proposal: Proposal, at: datetime | None = None) -> Impact:
    """The preview of a proposal."""
    viewer = b.actor("FINANCE_APPROVER", name="approver-1")
    found = backdating.preview(stage.ctx, viewer, b.ISSUER, b.CONTRACT, proposal.proposal_id, at)[1]
    assert found is not None
    return found


def agreed(stage: Stage, proposal: Proposal, shown: Impact, names: Iterable[str]) -> Proposal:
    """Persons agree to what was shown."""
    seen = Seen(as_of_utc=shown.as_of_utc, digest=shown.digest)
    for name in names:
        checker = b.actor("FINANCE_APPROVER", name=name)
        identity.bootstrap(stage.ctx, name, name, checker.grants)
        proposal = backdating.approve(stage.ctx, checker, b.ISSUER, b.CONTRACT, proposal.proposal_id, seen)
        if proposal.checking is not None:
            finished(stage, proposal.checking)
            proposal = backdated.proposal(stage.ctx, b.ISSUER, b.CONTRACT, proposal.proposal_id)
    return proposal


def billed_minor(stage: Stage) -> int:
    """What all sessions and corrections of the issuer come to, in minor units."""
    from roamclear.kernel.writes import Table

    rows = [row for part in stage.tables.tables[Table.CLEARING].values() for row in part.values()]  # type: ignore[attr-defined]
    refs = [row["pk"].split("#CDR#", 1)[1] for row in rows if row["sk"] == "SESSION"]
    found = cdrs.sessions(stage.ctx, b.ISSUER, refs).values()
    counted = [s for s in found if s.net is not None and s.billing.value in COUNTED]
    return sum(s.net.amount_minor for s in counted if s.net)


COUNTED = ("VERIFIED", "IN_WINDOW", "LOCKED", "INVOICED")
KWH = Decimal(20)


def _raise(row: Any, error: Exception) -> None:
    raise error
