"""Accept all now: the eMSP closes its own window before its time (product.md E.2), where the contract allows it.

Accepting moves the close of this one window to now, and nothing else: no claim lands after that write, the lock is the
one conditional write of every run a minute later, and what is disputed stays disputed (rules.md 6). It is said once
and cannot be taken back.
"""

from __future__ import annotations

from roamclear.audit import service as audit
from roamclear.billing import mails, notices, reminders, store
from roamclear.billing.model import Run, RunState
from roamclear.contracts import service as contracts
from roamclear.contracts.rules import LOCK_AFTER
from roamclear.identity.model import Actor, Right
from roamclear.identity.rules import authorise, require_contract
from roamclear.kernel.context import Context
from roamclear.kernel.errors import Conflict, Forbidden, NotFound, Unavailable, WindowClosed
from roamclear.kernel.retry import again_on_race
from roamclear.kernel.time import sort_instant
from roamclear.kernel.writes import Table

_RACES = (Table.AUDIT, Table.CLEARING)


def accept_all(ctx: Context, actor: Actor, issuer_id: str, run_id: str) -> Run:
    """Close the window of a run now, by a person of its eMSP; again it is the run as it stands.

    Raises:
        NotFound: the run is not of a contract of the actor.
        Forbidden: we are the eMSP of this contract (REVERSE): its partner has nothing to accept.
        WindowClosed: the window is over, with its closing instant.
        Conflict: there is no open window, the contract does not allow it, or the eMSP was not told of the window.
    """
    scope = authorise(actor, Right.WINDOW_ACCEPT, issuer_id)

    def attempt() -> Run:
        run = store.run(ctx.db, issuer_id, run_id)
        if run is None:
            raise NotFound("no such object")
        require_contract(scope, run.contract_id)
        if run.accepted_at_utc is not None:
            return run
        _may(ctx, run)
        now = ctx.now()
        columns = {"accepted_at_utc": now, "accepted_by": actor.actor_id, "closes_at_utc": now}
        update = store.only_once(store.run_update(run, (RunState.WINDOW,), **columns), "accepted_at_utc")
        # Over exactly the close that was read: a notice that restarts the window meanwhile is looked at again.
        update = store.while_it_is(update, "closes_at_utc", run.closes_at_utc)
        log = audit.entry(
            ctx,
            issuer_id=issuer_id,
            kind="RUN",
            object_id=run_id,
            actor_id=actor.actor_id,
            action="WINDOW_ACCEPTED",
            details={"members": run.members, "proforma": run.proforma, "would_close_at_utc": run.closes_at_utc},
        )
        ctx.db.transact([update, store.fact(run, now, "window.accepted"), log])
        return run.model_copy(update=columns)

    made = again_on_race(attempt, tables=_RACES)
    hasten(ctx, made)
    return made


def _may(ctx: Context, run: Run) -> None:
    """Refuse who may not close this window now."""
    terms = contracts.version(ctx, run.issuer_id, run.contract_id, run.contract_version).terms
    if terms.is_reverse:
        raise Forbidden("the eMSP of this contract is the house", right=Right.WINDOW_ACCEPT.value)
    closes = run.closes_at_utc
    if closes is not None and (run.state is not RunState.WINDOW or ctx.now() >= closes):
        raise WindowClosed("the window is over", closed_at_utc=sort_instant(closes))
    if run.state is not RunState.WINDOW or closes is None:
        raise Conflict("this run has no open window", state=run.state.value)
    if not terms.early_acceptance:
        raise Conflict("the contract does not let the window close before its time", rule="EARLY_ACCEPTANCE")
    if not notices.given(run):
        raise Conflict("it is not proven that the eMSP was told of this window", rule="WINDOW_NOTICE_FAILED")


def hasten(ctx: Context, run: Run) -> None:
    """Let the parked close of an accepted window go on a minute after its new close; again changes nothing."""
    if run.state is not RunState.WINDOW or run.closes_at_utc is None:
        return
    at = run.closes_at_utc + LOCK_AFTER
    for row in store.due_of(ctx.db, run.issuer_id, f"{run.run_id}#CLOSES"):
        if row["sk"] <= sort_instant(at) or row["sk"].startswith(sort_instant(at)):
            continue
        item = {name: row[name] for name in ("task_token", "run_id", "gate")}
        # The new instant first: a crash between leaves the token at two instants, and the first one takes it.
        ctx.db.write(store.due_put(run.issuer_id, at, f"{run.run_id}#CLOSES", item))
        store.due_done(ctx.db, row)
    ctx.workflows.wake_at(at)


def follow(ctx: Context, issuer_id: str, run_id: str) -> None:
    """What an acceptance brings with it: the parked close goes on, the closing mail moves, the eMSP has it in writing.

    Raises:
        Unavailable: the mail was not taken; the fact is told again.
    """
    run = store.run(ctx.db, issuer_id, run_id)
    if run is None or run.accepted_at_utc is None:
        return
    hasten(ctx, run)
    reminders.plan(ctx, issuer_id, run_id)
    if not mails.window_accepted(ctx, run):
        raise Unavailable("the mail service did not take the confirmation", run_id=run_id)
