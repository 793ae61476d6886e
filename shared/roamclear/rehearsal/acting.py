"""One run brought to its end on a shadow: the use cases of the close themselves, each at the instant it would run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from roamclear.billing import notices
from roamclear.billing import service as billing
from roamclear.billing.model import Run, RunRequest, RunState
from roamclear.billing.runs import LOCK_AFTER
from roamclear.contracts import rules as calendar
from roamclear.contracts.model import Contract
from roamclear.documents.model import InvoiceDocument
from roamclear.identity import service as identity
from roamclear.kernel.context import Context
from roamclear.kernel.errors import Conflict, InvalidInput, InvariantBroken, NotFound, RoamclearError
from roamclear.rehearsal.doors import Shadow
from roamclear.rehearsal.overlay import TooLarge

#: A run in one of these needs no close any more.
OVER = (RunState.CARRIED, RunState.ISSUED, RunState.SENT, RunState.SETTLED)
Proof = Callable[[InvoiceDocument], list[str]]


@dataclass(frozen=True)
class Ending:
    """Where a run ended: its last state, and what blocks it."""

    request: RunRequest
    run: Run | None
    blocked: str | None = None
    message: str | None = None
    faults: tuple[str, ...] = field(default=())


def targets(ctx: Context, head: Contract, known: dict[str, Run], period: str | None) -> list[RunRequest]:
    """The closes of a contract that are not over, the oldest first, up to the named period or the present one.

    Corrections under way come last: they depend on documents that are issued already. Empty where the contract has no
    such period.
    """
    since = identity.issuer(ctx, head.issuer_id).created_at_utc or ctx.now()
    present = calendar.period_of(ctx.now(), head.frequency, head.zone, head.cycle_start)
    periods = calendar.periods_between(since, present.end_utc, head.frequency, head.zone, head.cycle_start)
    labels = [p.label for p in periods if head.valid_from < p.end and head.status == "ACTIVE"]
    if period is not None:
        labels = labels[: labels.index(period) + 1] if period in labels else []
    closes = [RunRequest(issuer_id=head.issuer_id, contract_id=head.contract_id, period=label) for label in labels]
    found = [one for one in closes if one.run_id not in known or known[one.run_id].state not in OVER]
    named = {one.run_id for one in closes}
    others = [run for run in known.values() if run.run_id not in named and run.state not in OVER]
    own = [run for run in others if run.contract_id == head.contract_id]
    last = max((known[n].end for n in named if n in known), default=None)
    if period is not None:
        own = [run for run in own if last is not None and run.end <= last]
    # Runs of a contract that is no longer active are closed too (rules.md 6).
    return [run.request for run in own if run.kind == "CLOSE"] + found + [r.request for r in own if r.kind != "CLOSE"]


def act(made: Shadow, request: RunRequest, proof: Proof) -> Ending:
    """Close one run on the shadow; what refuses it is the answer, not an error.

    Raises:
        Busy, Unavailable: the stored tables did not answer; the rehearsal is tried again.
        TooLarge: the contract does not fit into one worker.
    """
    try:
        return _act(made, request, proof)
    except TooLarge:
        raise
    except (Conflict, InvalidInput, InvariantBroken, NotFound) as error:
        return _refused(made.ctx, request, error)


def _act(made: Shadow, request: RunRequest, proof: Proof) -> Ending:
    ctx, issuer_id, run_id = made.ctx, request.issuer_id, request.run_id
    _forward(made, _period_end(ctx, request))
    run = billing.prepare(ctx, request)
    stands = run.failed_step
    if run.state is RunState.GRACE:
        _forward(made, run.opens_at_utc)
        run = billing.open_window(ctx, issuer_id, run_id)
    if run.state is RunState.WINDOW and not notices.given(run):
        return Ending(request, run, "NOTICE_FAILED", "the eMSP was not told of the window; the lock waits")
    if run.state is RunState.WINDOW and run.closes_at_utc is not None:
        _forward(made, run.closes_at_utc + LOCK_AFTER)
    outcome = billing.lock_outcome(ctx, issuer_id, run_id)
    run = billing.run(ctx, issuer_id, run_id)
    if run.state is RunState.AWAITING_APPROVAL or run.approval_lapsed:
        run = billing.let_through(ctx, issuer_id, run_id, by="system:rehearsal")
    run = billing.issue(ctx, issuer_id, run_id, proof)
    if stands is not None:
        return Ending(request, run, "RUN_FAILED", f"the step {stands} gave up; the run waits to be resumed")
    if outcome.get("needs_approval") and run.numbers:
        return Ending(request, run, "APPROVAL_NEEDED", "a person approves the documents of this contract")
    return Ending(request, run)


def _refused(ctx: Context, request: RunRequest, error: RoamclearError) -> Ending:
    try:
        run: Run | None = billing.run(ctx, request.issuer_id, request.run_id)
    except NotFound:
        run = None
    faults = tuple(str(fault) for fault in error.details.get("faults", ()))
    reason = "EINVOICE_INVALID" if faults else error.code
    return Ending(request, run, reason, error.message, faults)


def _period_end(ctx: Context, request: RunRequest) -> datetime:
    """The end of the period that is to be closed; now for a correction, which has its period already."""
    from roamclear.contracts import service as contracts

    if request.kind != "CLOSE":
        return ctx.now()
    head = contracts.head(ctx, request.issuer_id, request.contract_id)
    since = identity.issuer(ctx, request.issuer_id).created_at_utc or ctx.now()
    present = calendar.period_of(ctx.now(), head.frequency, head.zone, head.cycle_start)
    found = calendar.periods_between(since, present.end_utc, head.frequency, head.zone, head.cycle_start)
    return next((p.end_utc for p in found if p.label == request.period), ctx.now())


def _forward(made: Shadow, to: datetime) -> None:
    """Move the shadow's clock on; it never goes back."""
    made.clock.set(max(made.clock.now(), to))
