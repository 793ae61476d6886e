"""What payouts still have to do with a session before its detail may go, and their own rows of it (row 139)."""

from __future__ import annotations

from datetime import datetime

from roamclear.cdrs.model import Session
from roamclear.kernel.context import Context
from roamclear.payouts import payments, store
from roamclear.payouts.model import PayoutStatus

#: Nothing of a session is under way any more; what was carried is the account's, no longer the session's.
_DONE = (PayoutStatus.CONFIRMED, PayoutStatus.CARRIED)


def open_reason(ctx: Context, session: Session) -> str | None:
    """Why a locked session's share is not settled, or None; what the house bears alone is nobody's."""
    if session.run_id is None or session.borne:
        return None
    group = _group(ctx, session)
    if group is None:
        parked = store.parked_row(ctx.db, session.issuer_id, session.stop_utc, session.cdr_ref)
        return "PAYOUT_PARKED" if parked is not None and parked.account_id is None else None
    known = store.accrual(ctx.db, session.issuer_id, *group)
    if known is None:
        return None
    if known.payout_id is None:
        return "PAYOUT_ACCRUED"
    state = payments.standing(ctx, session.issuer_id, known.payout_id)
    return None if state in _DONE else f"PAYOUT_{state.value}"


def payout_of(ctx: Context, session: Session) -> str | None:
    """The payout whose statement lists a session, or None."""
    group = _group(ctx, session) if session.run_id is not None and not session.borne else None
    known = store.accrual(ctx.db, session.issuer_id, *group) if group else None
    return known.payout_id if known else None


def coarsen(ctx: Context, session: Session, to: datetime, alias: str | None) -> None:
    """The share of a session says the day of its stop and the pseudonym of its EVSE only; again changes nothing."""
    if session.run_id is None:
        return
    group = _group(ctx, session)
    if group is not None:
        line = store.line(ctx.db, session.issuer_id, *group, session.stop_utc, session.cdr_ref)
        if line is not None and line.stop_utc != to:
            ctx.db.transact(store.line_moved(line, group[1], to, alias))
    parked = store.parked_row(ctx.db, session.issuer_id, session.stop_utc, session.cdr_ref)
    if parked is not None and parked.stop_utc != to:
        ctx.db.transact(store.parked_moved(parked, to, alias))


def _group(ctx: Context, session: Session) -> tuple[str, str] | None:
    """(account, group) of a session's share: its run's, or the one in which it left the parked ones."""
    assert session.run_id is not None
    if session.account_id is not None:
        return session.account_id, session.run_id
    parked = store.parked_row(ctx.db, session.issuer_id, session.stop_utc, session.cdr_ref)
    if parked is None or parked.account_id is None:
        return None
    for known in store.accruals(ctx.db, session.issuer_id, parked.account_id):
        if known.run_id == parked.run_id and known.group != known.run_id:
            line = store.line(
                ctx.db, session.issuer_id, parked.account_id, known.group, session.stop_utc, session.cdr_ref
            )
            if line is not None:
                return parked.account_id, known.group
    return None
