"""Who belongs to a run, decided once at its opening (rules.md 6)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from roamclear.billing import store
from roamclear.billing.correction_runs import Kept
from roamclear.billing.model import Member, Run, RunState
from roamclear.cdrs import service as cdrs
from roamclear.cdrs.model import Billing, Session
from roamclear.kernel.context import Context
from roamclear.kernel.errors import ConditionFailed
from roamclear.kernel.retry import TimeLeft
from roamclear.kernel.time import local_midnight
from roamclear.kernel.writes import Action

#: One write per session and the condition on the run fit into one transaction of 100.
_CHUNK = 99


def gather(ctx: Context, run: Run, time_left: TimeLeft) -> bool:
    """Make members of what was VERIFIED at the opening: the period's sessions and unbilled earlier ones.

    Every step depends on the run being in GRACE still, so that a slow second worker adds nothing to a run that was
    opened, or settled as empty, meanwhile. Who joined is on the list of the VERIFIED no more, so the next call goes on
    where this one ran out of time; False says that it did. What a corrected invoice is about to bill is left to it.
    """
    kept = Kept(ctx, run.issuer_id)
    refs = cdrs.verified_refs(ctx, run.issuer_id, run.contract_id, local_midnight(run.end, run.zone))
    while chunk := list(islice(refs, _CHUNK)):
        found = [s for s in cdrs.sessions(ctx, run.issuer_id, chunk).values() if _joins(run, s) and not kept.keeps(s)]
        if found and not _join(ctx, run, found):
            return True
        if not time_left():
            return False
    return True


def _joins(run: Run, session: Session) -> bool:
    return (
        session.billing is Billing.VERIFIED
        and session.run_id is None
        and session.currency == run.currency
        and session.verified_at_utc is not None
        and run.opened_at_utc is not None
        and session.verified_at_utc <= run.opened_at_utc
    )


def _join(ctx: Context, run: Run, sessions: Sequence[Session]) -> bool:
    """Put sessions into the run in one step; False when the run is no longer in GRACE.

    The member rows come first: until a session names the run its row says nothing, so they need not share the
    transaction (which would double their cost). Where one of the sessions was credited or held a moment ago, the
    others join one by one and that one stays out.
    """
    for session in sessions:
        ctx.db.write(store.member_put(_member(run, session)))
    actions: list[Action] = [store.run_check(run, RunState.GRACE)]
    actions += [cdrs.changed(session, billing=Billing.IN_WINDOW, run_id=run.run_id)[1] for session in sessions]
    try:
        ctx.db.transact(actions)
    except ConditionFailed as lost:
        if lost.index == 0:
            return False
        return len(sessions) == 1 or all(_join(ctx, run, [session]) for session in sessions)
    return True


def _member(run: Run, session: Session) -> Member:
    section = "PERIOD" if session.stop_utc >= local_midnight(run.first, run.zone) else "EARLIER"
    return Member(
        issuer_id=run.issuer_id,
        run_id=run.run_id,
        cdr_ref=session.cdr_ref,
        stop_utc=session.stop_utc,
        section="ADJUSTMENT" if session.credit_of else section,
    )
