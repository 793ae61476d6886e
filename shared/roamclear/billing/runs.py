"""A run from the period's end to its window (rules.md 6); every step may run twice, at once, or after a crash."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from functools import partial
from itertools import islice
from typing import TypeVar

from roamclear.audit import service as audit
from roamclear.billing import carry, charges, correction_runs, membership, notices, store, tally
from roamclear.billing.model import LOCKED_STATES, Run, RunRequest, RunState
from roamclear.cdrs import service as cdrs
from roamclear.cdrs.model import Session
from roamclear.contracts import rules as calendar
from roamclear.contracts import service as contracts
from roamclear.contracts.model import Contract
from roamclear.identity import service as identity
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionType
from roamclear.kernel.context import Context
from roamclear.kernel.errors import ConditionFailed, Conflict, InvalidInput, NotFound, RoamclearError
from roamclear.kernel.retry import TimeLeft, again_on_race, always
from roamclear.kernel.time import sort_instant
from roamclear.kernel.writes import Put

LOCK_AFTER = calendar.LOCK_AFTER
#: An opening by the regular sweep is on time; anything later moves the close, so that seven whole days remain.
_PUNCTUAL = notices.PUNCTUAL
#: A window whose notice was not taken is looked at again after this.
_NOTICE_AGAIN = timedelta(hours=1)
_CHUNK = 100
#: Executions one call starts: all contracts of a zone end their month together, and their grace lasts many calls.
MOST_STARTS = 150
T = TypeVar("T")


# ---- start ---------------------------------------------------------------------------------------------------------
def start_due(ctx: Context, most: int = MOST_STARTS) -> list[str]:
    """Start one execution per contract and ended period that has no run yet; an outage is caught up here.

    At most ``most`` are started, the oldest periods first, those that ended together in an order of their own, so that
    no contract is always the last. What is not started has no run, so the next call finds it again. A contract that
    cannot be started is told to the journal and stops no other.
    """
    waiting: list[tuple[date, str, str, Contract, RunRequest]] = []
    for issuer_id in identity.issuer_ids(ctx):
        since = identity.issuer(ctx, issuer_id).created_at_utc or ctx.now()
        for head in contracts.heads(ctx, issuer_id):
            waiting += _attempted(ctx, head, partial(_due, ctx, head, since))
    started: list[str] = []
    for _, _, name, head, request in sorted(waiting, key=lambda one: one[:3]):
        if len(started) == most:
            break
        started += _attempted(ctx, head, partial(_started, ctx, name, request))
    return started


def _attempted(ctx: Context, head: Contract, work: Callable[[], list[T]]) -> list[T]:
    """What the work on a contract comes to; nothing, and an exception, where it fails."""
    try:
        return work()
    except RoamclearError as error:
        journal.raise_once(
            ctx,
            head.issuer_id,
            ExceptionType.PROCESSING_FAILED,
            f"CLOSE#{head.contract_id}#{ctx.now():%Y-%m-%d}",
            f"the close of a contract could not be started: {error.code}; it is tried again every hour",
            severity="HIGH",
            partner=head.contract_id,
        )
        return []


def _due(ctx: Context, head: Contract, since: datetime) -> list[tuple[date, str, str, Contract, RunRequest]]:
    """The ended periods of a contract that have no run, each with what decides the order of the starts."""
    periods = calendar.periods_between(since, ctx.now(), head.frequency, head.zone, head.cycle_start)
    wanted = [
        (p.end, RunRequest(issuer_id=head.issuer_id, contract_id=head.contract_id, period=p.label))
        for p in periods
        if head.valid_from < p.end and head.status == "ACTIVE"
    ]
    known = store.known_runs(ctx.db, head.issuer_id, [request.run_id for _, request in wanted])
    named = ((end, f"{request.issuer_id}.{request.run_id}", request) for end, request in wanted)
    return [(end, _shuffled(name), name, head, request) for end, name, request in named if request.run_id not in known]


def _shuffled(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def _started(ctx: Context, name: str, request: RunRequest) -> list[str]:
    return [name] if ctx.workflows.start_close(name, request.dump()) else []


def prepare(ctx: Context, request: RunRequest) -> Run:
    """Create the run of a contract and period in GRACE, or return the one that stands."""
    if request.kind == correction_runs.KIND:
        return correction_runs.create(ctx, request)
    known = store.run(ctx.db, request.issuer_id, request.run_id)
    if known is not None:
        return known
    head = contracts.head(ctx, request.issuer_id, request.contract_id)
    period = _period(ctx, request, head)
    last_day = period.end - timedelta(days=1)
    version = contracts.terms_at(ctx, request.issuer_id, request.contract_id, last_day)
    made = Run(
        issuer_id=request.issuer_id,
        run_id=request.run_id,
        contract_id=request.contract_id,
        period=request.period,
        kind=request.kind,
        state=RunState.GRACE,
        first=period.first,
        end=period.end,
        zone=head.zone,
        currency=version.terms.currency,
        contract_version=version.version,
        opens_at_utc=calendar.opening(period, version.terms.intake_grace_hours),
    )
    try:
        ctx.db.write(store.run_create(made))
    except ConditionFailed:
        return known_run(ctx, request.issuer_id, request.run_id)
    return made


def _period(ctx: Context, request: RunRequest, head: Contract) -> calendar.Period:
    since = identity.issuer(ctx, request.issuer_id).created_at_utc or ctx.now()
    for period in calendar.periods_between(since, ctx.now(), head.frequency, head.zone, head.cycle_start):
        if period.label == request.period:
            return period
    raise InvalidInput("no ended period of this contract has this label", field="period")


# ---- waiting -------------------------------------------------------------------------------------------------------
def park(ctx: Context, issuer_id: str, run_id: str, gate: str, task_token: str) -> None:
    """Keep a task token until the gate's instant; a one-off schedule and the regular sweep both complete it."""
    run = known_run(ctx, issuer_id, run_id)
    if run.kind == correction_runs.KIND:
        ctx.workflows.complete(task_token, {"run_id": run_id, "gate": gate})  # a correction waits for nothing more
        return
    if gate == "APPROVED":
        _park_for_approval(ctx, run, task_token)
        return
    if gate == "OPENS":
        at = run.opens_at_utc
    elif gate == "CLOSES" and run.closes_at_utc is not None:
        at = run.closes_at_utc + LOCK_AFTER
        if not notices.given(run):
            at = max(at, ctx.now() + _NOTICE_AGAIN)
    else:
        raise InvalidInput("the gate is OPENS, CLOSES or APPROVED", field="gate")
    item = {"task_token": task_token, "run_id": run_id, "gate": gate}
    ctx.db.write(store.due_put(issuer_id, at, f"{run_id}#{gate}", item))
    if at > ctx.now():
        ctx.workflows.wake_at(at)


def _park_for_approval(ctx: Context, run: Run, task_token: str) -> None:
    """Wait for a person; one who was faster than this step is not waited for."""
    columns: dict[str, object] = {"approval_token": task_token}
    waiting: tuple[RunState, ...] = (RunState.FINALISING,)
    if run.state is not RunState.FINALISING:
        columns["state"] = RunState.AWAITING_APPROVAL
        waiting = (RunState.LOCKED, RunState.AWAITING_APPROVAL)
    update = store.run_update(run, waiting, **columns)
    # A token that takes the place of an older one is no news.
    told = [] if run.state is RunState.AWAITING_APPROVAL else [store.fact(run, ctx.now(), "run.awaits_approval")]
    try:
        ctx.db.transact([store.only_once(update, "approved_by"), *told])
    except ConditionFailed:
        if known_run(ctx, run.issuer_id, run.run_id).approved_by is None:
            raise
        ctx.workflows.complete(task_token, {"run_id": run.run_id, "gate": "APPROVED"})


# ---- opening -------------------------------------------------------------------------------------------------------
def open_window(ctx: Context, issuer_id: str, run_id: str, time_left: TimeLeft = always) -> Run:
    """Decide the members once and open the control window; a period without sessions settles at once.

    Members are what was VERIFIED at the opening instant: the period's sessions and unbilled earlier ones. Where the
    time runs out before all of them joined, the run comes back in GRACE and the next call goes on.
    """
    run = known_run(ctx, issuer_id, run_id)
    if run.state is not RunState.GRACE:
        return notices.announce(ctx, run)
    if ctx.now() < run.opens_at_utc:
        raise Conflict("the window opens later", opens_at_utc=sort_instant(run.opens_at_utc))
    run = _decide_opening(ctx, run)
    if not membership.gather(ctx, run, time_left):
        return run
    found = tally.of(ctx, run, (session for session, _ in members(ctx, run)))
    charged = found.fees()
    net = found.net + charges.fees_net(charged, run.currency)
    state = RunState.WINDOW if found.count or charged or carry.waiting(ctx, run) else RunState.SETTLED

    def attempt() -> None:
        log = log_entry(ctx, run, "WINDOW_OPENED", {"members": found.count, "proforma": net})
        columns = {
            "state": state,
            "members": found.count,
            "proforma": net,
            "routes": found.routes,
            "fees": charged,
            **_resumed_late(ctx, run),
        }
        ctx.db.transact(
            [store.run_update(run, (RunState.GRACE,), **columns), store.fact(run, ctx.now(), "window.opened"), log]
        )

    try:
        again_on_race(attempt)
    except ConditionFailed:
        pass  # another worker opened it with the same members
    return notices.announce(ctx, known_run(ctx, issuer_id, run_id))


def _decide_opening(ctx: Context, run: Run) -> Run:
    """Fix the opening instant by its first attempt; opened late, the close moves with it."""
    if run.opened_at_utc is None:
        terms = contracts.version(ctx, run.issuer_id, run.contract_id, run.contract_version).terms
        late = ctx.now() >= run.opens_at_utc + _PUNCTUAL
        opened = ctx.now()
        closes = calendar.closing(opened if late else run.opens_at_utc, terms.window_days, run.zone)
        columns = {"opened_at_utc": opened, "closes_at_utc": closes}
        update = store.run_update(run, (RunState.GRACE,), **columns)
        try:
            ctx.db.write(store.only_once(update, "opened_at_utc"))
        except ConditionFailed:
            pass  # another worker was first; its instant stands
    return known_run(ctx, run.issuer_id, run.run_id)


def _resumed_late(ctx: Context, run: Run) -> dict[str, object]:
    """An opening that died and is finished hours later is a late one: whole days remain from now on."""
    if run.opened_at_utc is None or ctx.now() < run.opened_at_utc + _PUNCTUAL:
        return {}
    terms = contracts.version(ctx, run.issuer_id, run.contract_id, run.contract_version).terms
    return {
        "opened_at_utc": ctx.now(),
        "closes_at_utc": calendar.closing(ctx.now(), terms.window_days, run.zone),
    }


# ---- reading -------------------------------------------------------------------------------------------------------
def locked_sessions(ctx: Context, issuer_id: str, run_id: str) -> Iterator[Session]:
    """The sessions that were locked by a run, in order of their stop."""
    run = known_run(ctx, issuer_id, run_id)
    if run.state in LOCKED_STATES:
        for session, _ in members(ctx, run):
            yield session


def locked_piece(
    ctx: Context, issuer_id: str, run_id: str, place: tuple[datetime, str] | None, most: int
) -> tuple[list[Session], tuple[datetime, str] | None]:
    """The locked sessions among the next members behind a place, in order, and the place to go on from.

    A place is the stop and the reference of a member; None is the beginning, and as an answer the end.
    """
    if known_run(ctx, issuer_id, run_id).state not in LOCKED_STATES:
        return [], None
    rows = store.members_after(ctx.db, issuer_id, run_id, place, most)
    found = cdrs.sessions(ctx, issuer_id, [row.cdr_ref for row in rows])
    kept = [found[row.cdr_ref] for row in rows if found[row.cdr_ref].run_id == run_id]
    return kept, (rows[-1].stop_utc, rows[-1].cdr_ref) if len(rows) == most else None


def members(ctx: Context, run: Run) -> Iterator[tuple[Session, str]]:
    """Sessions that belong to a run now, each with its section (PERIOD, EARLIER, ADJUSTMENT)."""
    rows = store.members(ctx.db, run.issuer_id, run.run_id)
    while chunk := list(islice(rows, _CHUNK)):
        found = cdrs.sessions(ctx, run.issuer_id, [m.cdr_ref for m in chunk])
        for member in chunk:
            session = found.get(member.cdr_ref)
            if session is not None and session.run_id == run.run_id:
                yield session, member.section


def left(ctx: Context, run: Run) -> Iterator[Session]:
    """Sessions that were members at the opening and are no more, by hold, invalidation or credit."""
    for session in all_members(ctx, run):
        if session.run_id != run.run_id:
            yield session


def all_members(ctx: Context, run: Run) -> Iterator[Session]:
    """Sessions that were members at the opening, whether they still are or left."""
    rows = store.members(ctx.db, run.issuer_id, run.run_id)
    while chunk := list(islice(rows, _CHUNK)):
        found = cdrs.sessions(ctx, run.issuer_id, [m.cdr_ref for m in chunk])
        for member in chunk:
            session = found[member.cdr_ref]
            # A row whose session never took the run's name (it was credited while the window opened) says nothing.
            if run.run_id in (session.run_id, session.left_run_id):
                yield session


def known_run(ctx: Context, issuer_id: str, run_id: str) -> Run:
    """One run, or ``NotFound``."""
    found = store.run(ctx.db, issuer_id, run_id)
    if found is None:
        raise NotFound("no such run")
    return found


def log_entry(ctx: Context, run: Run, action: str, details: dict[str, object]) -> Put:
    return audit.entry(
        ctx,
        issuer_id=run.issuer_id,
        kind="RUN",
        object_id=run.run_id,
        actor_id="system:close",
        action=action,
        details=details,
    )
