"""An invoiced October, and executions played by hand: what the state machine, the stream and the sweep do together."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from roamclear.billing import service as billing
from roamclear.billing import store
from roamclear.billing.corrections import Wanted, approve, prepare
from roamclear.billing.model import Correction, Document, Run, RunRequest
from roamclear.cdrs import service as cdrs
from roamclear.cdrs.model import Session
from roamclear.documents.checks import missing
from roamclear.facts import proof as whole_proof
from roamclear.facts import service as facts
from roamclear.kernel.context import Context
from roamclear.kernel.money import Money
from tests.integration.test_close import close_run, open_run, push, start
from tests.support import builders as b
from tests.support.moto_stack import Stage

MAKER, CHECKER = b.actor("FINANCE"), b.actor("FINANCE_APPROVER")
INVOICE = "VW-2026-000001"
NOVEMBER = RunRequest(issuer_id=b.ISSUER, contract_id=b.CONTRACT, period="2026-11")


def ref(number: int) -> str:
    """The reference of a session of the builders."""
    return f"DEVWK*CDR-{number:06d}"


def invoiced(stage: Stage, sessions: int = 3, **contract: Any) -> Document:
    """October with sessions of 8.30 each, invoiced and told."""
    start(stage, **contract)
    for number in range(1, sessions + 1):
        push(stage, b.cdr(number))
    close_run(stage, open_run(stage))
    facts_told(stage.ctx, stage)
    return document(stage, INVOICE)


def facts_told(ctx: Context, stage: Stage) -> None:
    """Hand every pending fact to its consumer until none is left; a fault is a fault of the code."""
    while rows := list(facts.store.pending(stage.ctx.db, b.ISSUER, stage.clock.now() + timedelta(seconds=1))):
        for row in rows:
            facts.answer(ctx, row)


def play(ctx: Context, stage: Stage) -> None:
    """Tell the facts and run the started executions to their end, until nothing new begins; again changes nothing."""
    facts_told(ctx, stage)
    done: set[str] = set()
    while waiting := {n: p for n, p in stage.workflows.started.items() if p["kind"] == "CORR" and n not in done}:
        for name, payload in waiting.items():
            _execute(ctx, RunRequest.model_validate(payload))
            done.add(name)
        facts_told(ctx, stage)


def _execute(ctx: Context, request: RunRequest) -> None:
    run = billing.prepare(ctx, request)
    billing.park(ctx, b.ISSUER, run.run_id, "OPENS", f"{run.run_id}.OPENS")
    if billing.open_window(ctx, b.ISSUER, run.run_id).state != "SETTLED":
        outcome = billing.lock_outcome(ctx, b.ISSUER, run.run_id)
        assert not outcome.get("needs_approval")
        billing.issue(ctx, b.ISSUER, run.run_id, missing)
    billing.finish(ctx, b.ISSUER, run.run_id)


def credited(stage: Stage, number: str = INVOICE, *, key: str = "", **wanted: Any) -> Correction:
    """A correction prepared by one person, approved by another, and played to its end."""
    base: dict[str, Any] = {"number": number, "reason": "agreed by telephone"}
    made = prepare(stage.ctx, MAKER, b.ISSUER, Wanted(**(base | wanted)), key)
    approve(stage.ctx, CHECKER, b.ISSUER, made.correction_id)
    play(stage.ctx, stage)
    found = store.correction(stage.ctx.db, b.ISSUER, made.correction_id)
    assert found is not None
    return found


def november(stage: Stage) -> Run:
    """The next run of the contract, to its documents."""
    return run_of(stage, NOVEMBER, "2026-11-30T23:05:00+00:00")


def run_of(stage: Stage, request: RunRequest, begun: str) -> Run:
    """The run of a period, begun at an instant, to its documents."""
    stage.clock.set(datetime.fromisoformat(begun))
    run = billing.prepare(stage.ctx, request)
    stage.clock.set(run.opens_at_utc)
    run = billing.open_window(stage.ctx, b.ISSUER, run.run_id)
    assert run.closes_at_utc is not None
    stage.clock.set(run.closes_at_utc + timedelta(seconds=61))
    billing.lock(stage.ctx, b.ISSUER, run.run_id)
    run = billing.issue(stage.ctx, b.ISSUER, run.run_id, missing)
    facts_told(stage.ctx, stage)
    return run


def document(stage: Stage, number: str) -> Document:
    """A document as it stands."""
    return billing.document(stage.ctx, b.ISSUER, number)


def session(stage: Stage, cdr_ref: str) -> Session:
    """A session as it stands."""
    found = cdrs.session(stage.ctx, b.ISSUER, cdr_ref)
    assert found is not None
    return found


def euros(minor: int) -> Money:
    """Cents."""
    return Money(minor, "EUR")


def proved(stage: Stage) -> None:
    """The whole proof holds."""
    broken = [e for e in whole_proof.prove(stage.ctx, b.ISSUER) if not e.holds]
    assert not broken, broken
