"""What would be invoiced now and what would not, session by session: the slices always add up to all of them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal

from roamclear.billing import service as billing
from roamclear.billing.model import INVOICED_STATES, Run, RunState
from roamclear.cdrs import service as cdrs
from roamclear.cdrs.model import WAITING, Billing, PayoutState, Session
from roamclear.kernel.context import Context
from roamclear.kernel.money import Money
from roamclear.rehearsal.acting import Ending
from roamclear.rehearsal.model import ContractBoard, Slice

_EVER = datetime(9999, 12, 31, tzinfo=UTC)
_INVOICED = "INVOICED"


def unbilled(ctx: Context, issuer_id: str, contract_id: str | None, runs: Iterable[Run]) -> dict[str, Session]:
    """Every session of a contract (None: of none) that stands on no document: waiting, verified, or in an open run."""
    found = {s.cdr_ref: s for s in cdrs.waiting(ctx, issuer_id, contract_id or "-")}
    refs = list(cdrs.verified_refs(ctx, issuer_id, contract_id or "-", _EVER))
    found |= cdrs.sessions(ctx, issuer_id, refs)
    for run in runs:
        if run.contract_id == contract_id and run.state not in INVOICED_STATES:
            found |= {session.cdr_ref: session for session, _ in billing.members(ctx, run)}
    return found


def board(
    shadow: Context, issuer_id: str, contract_id: str | None, before: dict[str, Session], endings: list[Ending]
) -> ContractBoard:
    """Sort the sessions that were unbilled before by what became of them on the shadow."""
    after = cdrs.sessions(shadow, issuer_id, before)
    names = {s.run_id for s in after.values() if s.run_id is not None}
    runs = {name: billing.run(shadow, issuer_id, name) for name in sorted(names)}
    ended = {ending.request.run_id: ending for ending in endings}
    groups: dict[str, list[Session]] = {}
    for ref, session in before.items():
        groups.setdefault(_reason(after[ref], runs, ended), []).append(session)
    invoiced = groups.pop(_INVOICED, [])
    parked = [s for s in before.values() if s.payout is PayoutState.PARKED]
    billed = [e.run for e in endings if e.run is not None and e.blocked is None]
    return ContractBoard(
        contract_id=contract_id,
        invoiced=slices(_INVOICED, invoiced),
        blocked=tuple(each for reason in sorted(groups) for each in slices(reason, groups[reason])),
        unassigned=slices("EVSE_UNASSIGNED", parked),
        unbilled=slices("UNBILLED", before.values()),
        documents=sum(len(run.numbers) for run in billed),
    )


def slices(reason: str, sessions: Iterable[Session]) -> tuple[Slice, ...]:
    """Sums by currency."""
    groups: dict[str, list[Session]] = {}
    for session in sessions:
        groups.setdefault(session.net.currency if session.net else session.currency, []).append(session)
    return tuple(
        Slice(
            reason=reason,
            currency=currency,
            count=len(members),
            net=Money(sum(s.net.amount_minor for s in members if s.net), currency),
            claimed=sum((s.cdr_total for s in members if s.net is None and s.cdr_total), Decimal(0)),
        )
        for currency, members in sorted(groups.items())
    )


def _reason(session: Session, runs: dict[str, Run], ended: dict[str, Ending]) -> str:
    """Why a session would not be invoiced now, or that it would be."""
    if session.run_id is not None:
        run = runs[session.run_id]
        ending = ended.get(run.billed_by or run.run_id)
        if ending is not None and ending.blocked is not None:
            return ending.blocked
        if run.state is RunState.CARRIED:
            return "BELOW_MINIMUM"
        return _INVOICED if run.state in INVOICED_STATES else run.state.value
    if session.billing in WAITING:
        first = session.reasons[0] if session.reasons else ""
        if first == "DISPUTED":
            return "OPEN_DISPUTE"
        return f"{session.billing.value}:{first}" if first else session.billing.value
    if session.billing is Billing.VERIFIED:
        # A run that could not even be prepared has no members; else the session's own period is not over yet.
        stopped = [e for e in ended.values() if e.blocked is not None and e.run is None]
        return stopped[0].blocked or "" if stopped else "LATER_PERIOD"
    return "DISPUTE_DROPPED" if session.billing is Billing.INVALIDATED else session.billing.value
