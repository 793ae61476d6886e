"""Reminders of a window: 48 hours before its close where nobody reviewed, and at its close (product.md row 45).

They are planned when the window opens and found by the sweep. A window that was started again moves its reminders with
it: each row is only an instant to look, the run says what is true then. What was said is recorded on the run, once.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

from roamclear.audit import service as audit
from roamclear.billing import mails, store
from roamclear.billing.model import LOCKED_STATES, Run, RunState
from roamclear.identity.model import Actor, Right
from roamclear.identity.rules import authorise, require_contract
from roamclear.kernel.context import Context, Row
from roamclear.kernel.errors import ConditionFailed, Conflict, Forbidden, NotFound
from roamclear.kernel.retry import again_on_race
from roamclear.kernel.writes import Put

#: How long before the close the eMSP is reminded.
BEFORE = timedelta(hours=48)
#: The lock comes a minute after the close; the closing mail tells of a list that is locked.
_AFTER = timedelta(minutes=2)
CLOSING, CLOSED = "CLOSING", "CLOSED"


def plan(ctx: Context, issuer_id: str, run_id: str) -> None:
    """Plan both reminders of an open window; again it is the same plan."""
    run = store.run(ctx.db, issuer_id, run_id)
    if run is None or run.closes_at_utc is None:
        return
    for kind in (CLOSING, CLOSED):
        ctx.db.write(store.reminder_put(issuer_id, _instant(kind, run.closes_at_utc), run_id, kind))


def send_due(ctx: Context, issuer_id: str) -> int:
    """Say what is due and was not said; returns how many reminders went out."""
    sent = 0
    for row in list(store.reminders_due(ctx.db, issuer_id, ctx.now())):
        run = store.run(ctx.db, issuer_id, row["run_id"])
        if run is None or run.closes_at_utc is None:
            continue
        at = _instant(row["kind"], run.closes_at_utc)
        if at > ctx.now():
            # The window was started again meanwhile.
            ctx.db.write(store.reminder_put(issuer_id, at, run.run_id, row["kind"]))
        elif row["kind"] == CLOSING and _wants_closing(run, at, ctx.now()):
            if not _say(ctx, run, CLOSING):
                continue  # not taken by the mail service; the next sweep tries again
            sent += 1
        elif row["kind"] == CLOSED and not run.closed_notice_ids:
            if run.state not in LOCKED_STATES:
                continue  # the lock waits, for a notice or for its turn
            if _bills(run):
                if not _say(ctx, run, CLOSED):
                    continue
                sent += 1
        store.reminder_done(ctx.db, row)
    return sent


def reviewed(ctx: Context, actor: Actor, issuer_id: str, run_id: str, how: str) -> Run:
    """Record that the eMSP reviewed its open window: it says so, or reads its list (``how``); the first time counts.

    Raises:
        Conflict: the run is in no open window.
    """
    scope = authorise(actor, Right.RUN_VIEW, issuer_id)
    if scope.contract_ids is None:
        raise Forbidden("the eMSP reviews its own window", right=Right.RUN_VIEW.value)

    def attempt() -> Run:
        run = store.run(ctx.db, issuer_id, run_id)
        if run is None:
            raise NotFound("no such object")
        require_contract(scope, run.contract_id)
        if run.reviewed_at_utc is not None:
            return run
        if run.state is not RunState.WINDOW:
            raise Conflict("this run has no open window", state=run.state.value)
        columns = {"reviewed_at_utc": ctx.now(), "reviewed_by": actor.actor_id}
        update = store.only_once(store.run_update(run, (RunState.WINDOW,), **columns), "reviewed_at_utc")
        log = _log(ctx, run, actor.actor_id, "REVIEWED", {"how": how})
        try:
            ctx.db.transact([update, log])
        except ConditionFailed as lost:
            if lost.index != 0:
                raise
        return store.run(ctx.db, issuer_id, run_id) or run

    return again_on_race(attempt)


def read_by(ctx: Context, actor: Actor, run: Run) -> None:
    """Note that an eMSP's person read the list of its open window; nobody else's reading says anything."""
    own = any(g.issuer_id == run.issuer_id and g.contract_id == run.contract_id for g in actor.grants)
    if own and run.state is RunState.WINDOW and run.reviewed_at_utc is None:
        try:
            reviewed(ctx, actor, run.issuer_id, run.run_id, "LIST_READ")
        except Conflict:
            return  # locked this very moment


def _wants_closing(run: Run, at: datetime, now: datetime) -> bool:
    """Whether there is anything to remind of: an open window nobody reviewed that was longer than the warning."""
    opened = run.opened_at_utc
    still = run.state is RunState.WINDOW and run.closes_at_utc is not None and now < run.closes_at_utc
    unsaid = run.reviewed_at_utc is None and not run.closing_notice_ids
    return still and unsaid and opened is not None and opened < at


def _bills(run: Run) -> bool:
    """Whether an invoice follows the lock; of a window that ends with nothing there is nothing to say."""
    return run.state is not RunState.SETTLED or bool(run.locked or run.fees)


def _instant(kind: str, closes_at: datetime) -> datetime:
    return closes_at - BEFORE if kind == CLOSING else closes_at + _AFTER


def _say(ctx: Context, run: Run, kind: str) -> bool:
    """Mail a reminder and record it on the run with its fact; False where the mail was not taken."""
    ids = mails.window_closing(ctx, run) if kind == CLOSING else mails.window_closed(ctx, run)
    if not ids:
        return False
    again_on_race(partial(_record, ctx, run, kind, ids))
    return True


def _record(ctx: Context, run: Run, kind: str, ids: tuple[str, ...]) -> None:
    name = f"{kind.lower()}_notice_ids"
    columns: Row = {name: ids}
    update = store.only_once(store.run_update(run, tuple(RunState), **columns), name)
    log = _log(ctx, run, "system:close", f"WINDOW_{kind}", {"message_ids": ids})
    try:
        ctx.db.transact([update, store.fact(run, ctx.now(), f"window.{kind.lower()}"), log])
    except ConditionFailed as lost:
        if lost.index != 0:
            raise
        # Recorded by another worker: it was one mail.


def _log(ctx: Context, run: Run, by: str, action: str, details: Row) -> Put:
    return audit.entry(
        ctx,
        issuer_id=run.issuer_id,
        kind="RUN",
        object_id=run.run_id,
        actor_id=by,
        action=action,
        details=details,
    )
