"""A run from the period's end to its lock (rules.md 6); every step may run twice, at once, or after a crash."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice

from roamclear.audit import service as audit
from roamclear.billing import carry, charges, correction_runs, manifest, membership, notices, store
from roamclear.billing.model import LOCKED_STATES, Run, RunRequest, RunState
from roamclear.cdrs import service as cdrs
from roamclear.cdrs.lists import route_sums
from roamclear.cdrs.model import Billing, DisputeState, Session
from roamclear.contracts import rules as calendar
from roamclear.contracts import service as contracts
from roamclear.contracts.fees import FeeCharge
from roamclear.contracts.model import Contract, ContractVersion
from roamclear.identity import service as identity
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionType
from roamclear.kernel import numbers_json
from roamclear.kernel.context import Context
from roamclear.kernel.errors import ConditionFailed, Conflict, InvalidInput, NotFound, RoamclearError
from roamclear.kernel.money import Money
from roamclear.kernel.retry import again_on_race
from roamclear.kernel.time import sort_instant
from roamclear.kernel.writes import Put

LOCK_AFTER = calendar.LOCK_AFTER
#: An opening by the regular sweep is on time; anything later moves the close, so that seven whole days remain.
_PUNCTUAL = notices.PUNCTUAL
#: A window whose notice was not taken is looked at again after this.
_NOTICE_AGAIN = timedelta(hours=1)
_CHUNK = 100


# ---- start ---------------------------------------------------------------------------------------------------------
def start_due(ctx: Context) -> list[str]:
    """Start one execution per contract and ended period that has no run yet; an outage is caught up here.

    A contract that cannot be started is told to the journal and stops no other.
    """
    started: list[str] = []
    for issuer_id in identity.issuer_ids(ctx):
        since = identity.issuer(ctx, issuer_id).created_at_utc or ctx.now()
        for head in contracts.heads(ctx, issuer_id):
            try:
                started += _start_contract(ctx, head, since)
            except RoamclearError as error:
                journal.raise_once(
                    ctx,
                    issuer_id,
                    ExceptionType.PROCESSING_FAILED,
                    f"CLOSE#{head.contract_id}#{ctx.now():%Y-%m-%d}",
                    f"the close of a contract could not be started: {error.code}; it is tried again every hour",
                    severity="HIGH",
                    partner=head.contract_id,
                )
    return started


def _start_contract(ctx: Context, head: Contract, since: datetime) -> list[str]:
    periods = calendar.periods_between(since, ctx.now(), head.frequency, head.zone, head.cycle_start)
    wanted = [
        RunRequest(issuer_id=head.issuer_id, contract_id=head.contract_id, period=p.label)
        for p in periods
        if head.valid_from < p.end and head.status == "ACTIVE"
    ]
    known = store.known_runs(ctx.db, head.issuer_id, [w.run_id for w in wanted])
    names = {f"{w.issuer_id}.{w.run_id}": w for w in wanted if w.run_id not in known}
    return [name for name, request in names.items() if ctx.workflows.start_close(name, request.dump())]


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
        return _run(ctx, request.issuer_id, request.run_id)
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
    run = _run(ctx, issuer_id, run_id)
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
        ctx.workflows.wake_at(f"{issuer_id}.{run_id}.{gate}", at)


def _park_for_approval(ctx: Context, run: Run, task_token: str) -> None:
    """Wait for a person; one who was faster than this step is not waited for."""
    columns = {"state": RunState.AWAITING_APPROVAL, "approval_token": task_token}
    update = store.run_update(run, (RunState.LOCKED, RunState.AWAITING_APPROVAL), **columns)
    try:
        ctx.db.write(store.only_once(update, "approved_by"))
    except ConditionFailed:
        if _run(ctx, run.issuer_id, run.run_id).approved_by is None:
            raise
        ctx.workflows.complete(task_token, {"run_id": run.run_id, "gate": "APPROVED"})


# ---- opening -------------------------------------------------------------------------------------------------------
def open_window(ctx: Context, issuer_id: str, run_id: str) -> Run:
    """Decide the members once and open the control window; a period without sessions settles at once.

    Members are what was VERIFIED at the opening instant: the period's sessions and unbilled earlier ones.
    """
    run = _run(ctx, issuer_id, run_id)
    if run.state is not RunState.GRACE:
        return notices.announce(ctx, run)
    if ctx.now() < run.opens_at_utc:
        raise Conflict("the window opens later", opens_at_utc=sort_instant(run.opens_at_utc))
    run = _decide_opening(ctx, run)
    membership.gather(ctx, run)
    sessions = list(_current(ctx, run))
    charged = charges.fees(ctx, run, sessions)
    net = _net(run, sessions) + charges.fees_net(charged, run.currency)
    state = RunState.WINDOW if sessions or charged or carry.waiting(ctx, run) else RunState.SETTLED

    def attempt() -> None:
        log = _log(ctx, run, "WINDOW_OPENED", {"members": len(sessions), "proforma": net})
        columns = {
            "state": state,
            "members": len(sessions),
            "proforma": net,
            "routes": route_sums(sessions, run.currency),
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
    return notices.announce(ctx, _run(ctx, issuer_id, run_id))


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
    return _run(ctx, run.issuer_id, run.run_id)


def _resumed_late(ctx: Context, run: Run) -> dict[str, object]:
    """An opening that died and is finished hours later is a late one: whole days remain from now on."""
    if run.opened_at_utc is None or ctx.now() < run.opened_at_utc + _PUNCTUAL:
        return {}
    terms = contracts.version(ctx, run.issuer_id, run.contract_id, run.contract_version).terms
    return {
        "opened_at_utc": ctx.now(),
        "closes_at_utc": calendar.closing(ctx.now(), terms.window_days, run.zone),
    }


# ---- lock ----------------------------------------------------------------------------------------------------------
def lock(ctx: Context, issuer_id: str, run_id: str) -> Run:
    """Lock the run by ONE conditional write, then flag its members; from that write on nothing lands any more."""
    run = _run(ctx, issuer_id, run_id)
    if run.state is RunState.WINDOW:
        if run.closes_at_utc is None or ctx.now() < run.closes_at_utc + LOCK_AFTER:
            raise Conflict("the window is still open", run_id=run_id)
        if not notices.given(run):
            raise Conflict("the eMSP was not told of the window", rule="WINDOW_NOTICE_FAILED", run_id=run_id)
        try:
            ctx.db.write(store.run_update(run, (RunState.WINDOW,), state=RunState.LOCKING, locking_at_utc=ctx.now()))
        except ConditionFailed:
            pass  # another worker locked it
        run = _run(ctx, issuer_id, run_id)
    if run.state is not RunState.LOCKING:
        return run
    terms = contracts.version(ctx, issuer_id, run.contract_id, run.contract_version)
    for session in _members(ctx, run):
        if session.run_id == run.run_id and session.billing is Billing.IN_WINDOW:
            _flag(ctx, run, session, terms)
    return _locked(ctx, run)


def _flag(ctx: Context, run: Run, session: Session, terms: ContractVersion) -> None:
    policy = terms.terms.unanswered_policy
    if session.dispute is DisputeState.OPEN and policy != "BILL":
        dropped = policy == "DROP"
        _, moved = cdrs.changed(
            session,
            billing=Billing.INVALIDATED if dropped else Billing.ON_HOLD,
            run_id=None,
            left_run_id=run.run_id,
            reasons=("DISPUTED",),
        )
        journal.raise_once(
            ctx,
            run.issuer_id,
            ExceptionType.UNANSWERED_DISPUTE,
            f"{run.run_id}#{session.cdr_ref}",
            f"a dispute was not answered by the close; policy {policy}",
            partner=run.contract_id,
            expected=session.net,
            details={"dispute_id": session.dispute_id or "", "cdr_ref": session.cdr_ref},
        )
    else:
        _, moved = cdrs.changed(session, billing=Billing.LOCKED)
    try:
        ctx.db.write(moved)
    except ConditionFailed:
        # Only another flagging worker can have written since LOCKING; read again and see that it did.
        again = cdrs.session(ctx, run.issuer_id, session.cdr_ref)
        if again is None or again.billing is Billing.IN_WINDOW:
            raise


def _locked(ctx: Context, run: Run) -> Run:
    """Write the manifest and the totals, and tell the higher rooms."""
    kept: list[Session] = []
    left: list[Session] = []
    disputed = 0
    for session in _members(ctx, run):
        disputed += session.dispute is not DisputeState.NONE
        (kept if session.run_id == run.run_id else left).append(session)
    charged = charges.fees(ctx, run, kept)
    root = _manifest(ctx, run, kept, charged)
    more = bool(kept or charged or carry.waiting(ctx, run))

    def attempt() -> None:
        columns = {
            # Nothing left to bill: the run is over, nobody will ask it again.
            "state": RunState.LOCKED if more else RunState.SETTLED,
            "locked_at_utc": ctx.now(),
            "locked": len(kept),
            "locked_net": _net(run, kept),
            "routes": route_sums(kept, run.currency),
            "fees": charged,
            "left": len(left),
            "left_net": _net(run, left),
            "disputed": disputed,
            "manifest": root,
        }
        log = _log(ctx, run, "LOCKED", {k: v for k, v in columns.items() if k != "state"})
        moved = store.run_update(run, (RunState.LOCKING,), **columns)
        ctx.db.transact([moved, store.fact(run, ctx.now(), "run.locked"), log])

    try:
        again_on_race(attempt)
    except ConditionFailed:
        pass  # another worker finished the lock
    return _run(ctx, run.issuer_id, run.run_id)


def _net(run: Run, sessions: list[Session]) -> Money:
    return Money(sum(s.net.amount_minor for s in sessions if s.net), run.currency)


def _manifest(ctx: Context, run: Run, kept: list[Session], charged: tuple[FeeCharge, ...]) -> str:
    """Write the manifest of what is locked under Object Lock; its root goes onto the document."""
    priced = {s.contract_version for s in kept if s.contract_version is not None}
    versions = sorted(priced | {fee.contract_version for fee in charged})
    terms = {
        v: numbers_json.dumps(contracts.version(ctx, run.issuer_id, run.contract_id, v).terms.dump(), sort_keys=True)
        for v in versions
    }
    fees = [manifest.locked_fee(fee) for fee in charged]
    made = manifest.make(run.issuer_id, run.run_id, terms, [_locked_entry(s) for s in kept], fees)
    key = f"{run.issuer_id}/locks/{run.run_id}.json"
    ctx.objects.put("archive", key, made.to_bytes(), "application/json")
    return made.root


def _locked_entry(session: Session) -> manifest.Locked:
    return manifest.Locked(
        cdr_ref=session.cdr_ref,
        sha256=session.sha256,
        contract_version=session.contract_version or 0,
        rating_version=session.rating_version,
        net_minor=session.net.amount_minor if session.net else 0,
        currency=session.currency,
    )


# ---- reading -------------------------------------------------------------------------------------------------------
def locked_sessions(ctx: Context, issuer_id: str, run_id: str) -> Iterator[Session]:
    """The sessions that were locked by a run, in order of their stop."""
    run = _run(ctx, issuer_id, run_id)
    if run.state in LOCKED_STATES:
        yield from _current(ctx, run)


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
    for session in _members(ctx, run):
        if session.run_id != run.run_id:
            yield session


def _current(ctx: Context, run: Run) -> Iterator[Session]:
    for session, _ in members(ctx, run):
        yield session


def _members(ctx: Context, run: Run) -> Iterator[Session]:
    rows = store.members(ctx.db, run.issuer_id, run.run_id)
    while chunk := list(islice(rows, _CHUNK)):
        found = cdrs.sessions(ctx, run.issuer_id, [m.cdr_ref for m in chunk])
        for member in chunk:
            session = found[member.cdr_ref]
            # A row whose session never took the run's name (it was credited while the window opened) says nothing.
            if run.run_id in (session.run_id, session.left_run_id):
                yield session


def _run(ctx: Context, issuer_id: str, run_id: str) -> Run:
    found = store.run(ctx.db, issuer_id, run_id)
    if found is None:
        raise NotFound("no such run")
    return found


def _log(ctx: Context, run: Run, action: str, details: dict[str, object]) -> Put:
    return audit.entry(
        ctx,
        issuer_id=run.issuer_id,
        kind="RUN",
        object_id=run.run_id,
        actor_id="system:close",
        action=action,
        details=details,
    )
