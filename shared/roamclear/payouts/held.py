"""What waits at EVSEs for an account (row 95), and where a session stands on its way to its account (rules.md 5)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from roamclear.cdrs import service as cdrs
from roamclear.cdrs.model import PayoutState, Session
from roamclear.contracts import service as contracts
from roamclear.identity.model import Actor, Right
from roamclear.identity.rules import authorise
from roamclear.kernel.context import Context
from roamclear.kernel.ids import evse_id as evse_ids
from roamclear.kernel.money import Money
from roamclear.payouts import payments, store
from roamclear.payouts.model import Held, PayoutStatus

_OF_SESSION = {
    PayoutStatus.EXPORTED: PayoutState.EXPORTED,
    PayoutStatus.CONFIRMED: PayoutState.CONFIRMED,
    PayoutStatus.RETURNED: PayoutState.RETURNED,
}


def held(ctx: Context, actor: Actor, issuer_id: str, ids: Iterable[str]) -> Held:
    """How many sessions of some EVSEs wait without an account, and what they are worth per currency (net)."""
    authorise(actor, Right.EVSE_ASSIGN, issuer_id)
    wanted = {evse_ids.compact(each) for each in ids}
    sessions, worth = 0, dict[str, Money]()
    for net in _waiting(ctx, issuer_id, wanted):
        sessions += 1
        if net is not None:
            worth[net.currency] = worth.get(net.currency, Money.zero(net.currency)) + net
    return Held(evses=len(wanted), sessions=sessions, net=tuple(worth[currency] for currency in sorted(worth)))


def _waiting(ctx: Context, issuer_id: str, wanted: set[str]) -> Iterator[Money | None]:
    """Net amounts (None: not rated) of sessions on hold without an account, and of billed ones that are parked."""
    for head in contracts.heads(ctx, issuer_id):
        for session in cdrs.waiting(ctx, issuer_id, head.contract_id):
            if session.account_id is None and session.evse_id in wanted:
                yield session.net
    for row in store.parked_rows(ctx.db, issuer_id):
        if row.account_id is None and not row.borne and row.evse_id in wanted:
            yield row.gross


def session_state(ctx: Context, session: Session) -> PayoutState:
    """The payout dimension of a session, read from its share and that share's payout; no row of it is ever updated."""
    if session.run_id is None or session.borne:
        return session.payout
    if session.account_id is None:
        row = store.parked_row(ctx.db, session.issuer_id, session.stop_utc, session.cdr_ref)
        return PayoutState.ACCRUED if row is not None and row.account_id is not None else PayoutState.PARKED
    group = store.accrual(ctx.db, session.issuer_id, session.account_id, session.run_id)
    if group is None:
        return PayoutState.NONE
    if group.payout_id is None:
        return PayoutState.ACCRUED
    return _OF_SESSION.get(payments.standing(ctx, session.issuer_id, group.payout_id), PayoutState.READY)
