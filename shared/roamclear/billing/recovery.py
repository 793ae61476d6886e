"""Runs that wait or gave up: let go on when due, noted for a person, started again from where they stood."""

from __future__ import annotations

from datetime import timedelta

from pydantic import ValidationError

from roamclear.audit import service as audit
from roamclear.billing import store
from roamclear.billing.model import Run, RunRequest, RunState
from roamclear.billing.runs import prepare
from roamclear.identity.model import Actor, Right
from roamclear.identity.rules import authorise
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionType
from roamclear.kernel.context import Context, Row
from roamclear.kernel.errors import ConditionFailed, Conflict, NotFound
from roamclear.kernel.retry import again_on_race
from roamclear.kernel.time import sort_instant
from roamclear.kernel.writes import Table

_KIND = ExceptionType.RUN_FAILED
#: In which state a run stands as long as it has not passed a gate, and the gate's name in the state machine.
_GATES = {"OPENS": (RunState.GRACE, "ParkUntilOpen"), "CLOSES": (RunState.WINDOW, "ParkUntilClose")}
#: A step behind a gate may need its tries; a run that stands still for longer than they last has no execution.
_DEAD_AFTER = timedelta(minutes=30)


def execution(run_id: str, attempt: int) -> str:
    """What an attempt of a run is called, behind the issuer: in its execution's name and in the journal.

    >>> execution("C-RON.2026-10.CLOSE", 0), execution("C-RON.2026-10.CLOSE", 2)
    ('C-RON.2026-10.CLOSE', 'C-RON.2026-10.CLOSE.R2')
    """
    return f"{run_id}.R{attempt}" if attempt else run_id


def complete_due(ctx: Context, issuer_id: str) -> int:
    """Let every run go on whose instant has come; returns how many went."""
    moved = 0
    for row in store.due_rows(ctx.db, issuer_id, ctx.now()):
        if ctx.workflows.complete(row["task_token"], {"run_id": row["run_id"], "gate": row["gate"]}):
            moved += 1
            store.due_done(ctx.db, row)
        else:
            _nobody_waits(ctx, issuer_id, row)
    return moved


def _nobody_waits(ctx: Context, issuer_id: str, row: Row) -> None:
    """Another sweep let the run go on a moment ago, or its execution was stopped: then a person is told."""
    waits_in, step = _GATES[row["gate"]]
    gone_at = row.get("gone_at_utc")
    if _run(ctx, issuer_id, row["run_id"]).state is not waits_in:
        store.due_done(ctx.db, row)
    elif gone_at is None:
        store.due_gone(ctx.db, row, ctx.now())
    elif gone_at <= sort_instant(ctx.now() - _DEAD_AFTER):
        fail(ctx, issuer_id, row["run_id"], step, "no execution waits at this gate any more")
        store.due_done(ctx.db, row)


def fail(ctx: Context, issuer_id: str, run_id: str, step: str, reason: str) -> Run:
    """Note which step of a run gave up; the run keeps its state, so that the step can be run again.

    Each attempt has its own exception, so a step that fails again after its repair is told again.
    """
    found = _run(ctx, issuer_id, run_id)
    noted = store.run_update(found, tuple(RunState), failed_step=step, failure=reason[:500])
    try:
        ctx.db.transact([noted, store.fact(found, ctx.now(), "run.failed")])
    except ConditionFailed:
        ctx.db.write(noted)  # told at this very instant already
    _tell(ctx, found.issuer_id, execution(run_id, found.resumed), found.contract_id, step)
    return _run(ctx, issuer_id, run_id)


def not_prepared(ctx: Context, given: object) -> None:
    """Tell a person of a close whose run could not even be created; its input may be anything."""
    try:
        request = RunRequest.model_validate(given)
    except ValidationError:
        return  # nobody's close: the execution itself and the alarm are all there is to say
    _tell(ctx, request.issuer_id, request.run_id, request.contract_id, "Prepare")


def _tell(ctx: Context, issuer_id: str, subject: str, contract_id: str, step: str) -> None:
    journal.raise_once(
        ctx,
        issuer_id,
        _KIND,
        subject,
        f"the step {step} gave up",
        severity="HIGH",
        partner=contract_id,
        next_action="look at the execution, remove the cause, then resume the run",
        details={"step": step},
    )


def resume(ctx: Context, actor: Actor, issuer_id: str, run_id: str) -> Run:
    """Start a run again whose step gave up, under the next execution name; finished steps find their work done.

    Raises:
        NotFound: there is no such run, and no close of that name that could not be prepared.
        Conflict: no step of this run gave up.
    """
    authorise(actor, Right.RUN_PREPARE, issuer_id)
    found = store.run(ctx.db, issuer_id, run_id) or _prepared_now(ctx, issuer_id, run_id)
    if found.failed_step is not None or _open(ctx, found, found.resumed):
        found = again_on_race(lambda: _count(ctx, actor, found), tables=(Table.AUDIT,))
    elif found.resumed == 0 or not _open(ctx, found, found.resumed - 1):
        raise Conflict("no step of this run gave up", state=found.state.value)
    # Else a crash came between the count and the start: the same execution name again.
    ctx.workflows.start_close(f"{issuer_id}.{execution(run_id, found.resumed)}", found.request.dump())
    subject = execution(run_id, found.resumed - 1)
    journal.resolve(ctx, issuer_id, _KIND, subject, by=actor.actor_id, reason="started again")
    return found


def _count(ctx: Context, actor: Actor, known: Run) -> Run:
    """Count the attempt and forget the fault, once: of two persons at once the second finds it counted."""
    attempt = known.resumed + 1
    log = audit.entry(
        ctx,
        issuer_id=known.issuer_id,
        kind="RUN",
        object_id=known.run_id,
        actor_id=actor.actor_id,
        action="RESUMED",
        details={"step": known.failed_step or "Prepare", "attempt": attempt},
    )
    columns = {"failed_step": None, "failure": None, "resumed": attempt}
    update = store.if_resumed(store.run_update(known, tuple(RunState), **columns), known.resumed)
    try:
        ctx.db.transact([update, log])
    except ConditionFailed as lost:
        if lost.table is Table.AUDIT:
            raise
    return _run(ctx, known.issuer_id, known.run_id)


def _prepared_now(ctx: Context, issuer_id: str, run_id: str) -> Run:
    contract_id, _, rest = run_id.partition(".")
    period, _, kind = rest.partition(".")
    try:
        request = RunRequest(issuer_id=issuer_id, contract_id=contract_id, period=period, kind=kind)
    except ValidationError as error:
        raise NotFound("no such run") from error
    if not journal.is_open(ctx, issuer_id, _KIND, run_id):
        raise NotFound("no such run")
    return prepare(ctx, request)


def _open(ctx: Context, known: Run, attempt: int) -> bool:
    return journal.is_open(ctx, known.issuer_id, _KIND, execution(known.run_id, attempt))


def _run(ctx: Context, issuer_id: str, run_id: str) -> Run:
    found = store.run(ctx.db, issuer_id, run_id)
    if found is None:
        raise NotFound("no such run")
    return found
