"""What billing still has to do with a session before its detail may go, and its own rows of it (row 139)."""

from __future__ import annotations

from datetime import datetime

from roamclear.billing import store
from roamclear.billing.model import DocumentState, Run, RunState
from roamclear.billing.service import effective
from roamclear.cdrs.model import Billing, DisputeState, Session
from roamclear.kernel.context import Context

#: States that nothing follows, whatever comes.
_OVER = (
    Billing.REJECTED, Billing.INVALIDATED, Billing.CREDITED, Billing.TOO_LATE, Billing.EXPIRED, Billing.OUT_OF_SCOPE,
)  # fmt: skip
_CLOSED = (DocumentState.PAID, DocumentState.CANCELLED, DocumentState.UNCOLLECTIBLE)
#: A carried run is billed by another one, that by another …; more is a loop.
_MOST_CARRIED = 50


class Standing:
    """Where sessions stand with billing; runs and documents are read once."""

    def __init__(self, ctx: Context, issuer_id: str) -> None:
        self._ctx, self._issuer_id = ctx, issuer_id
        self._runs: dict[str, Run | None] = {}
        self._open: dict[str, tuple[str | None, datetime | None]] = {}

    def open_reason(self, session: Session) -> tuple[str | None, datetime | None]:
        """(why a session is not final, or None; the instant of its last document).

        Final is INVOICED with nothing open on its documents and no correction under way, or a state that nothing
        follows; never while it is disputed (rules.md 5 and 6).
        """
        if session.dispute is DisputeState.OPEN:
            return "DISPUTED", None
        run = self.run(session.run_id)
        state = effective(session, run)
        if run is None:
            return (None if state in _OVER else state.value), None
        if run.run_id not in self._open:
            self._open[run.run_id] = self._of_run(run)
        return self._open[run.run_id]

    def run(self, run_id: str | None) -> Run | None:
        """A run by its name, read once."""
        if run_id is None:
            return None
        if run_id not in self._runs:
            self._runs[run_id] = store.run(self._ctx.db, self._issuer_id, run_id)
        return self._runs[run_id]

    def numbers(self, session: Session) -> tuple[str, ...]:
        """The documents that a session may stand on."""
        run = self._billing_run(self.run(session.run_id))
        return run.numbers if run is not None else ()

    def _billing_run(self, run: Run | None) -> Run | None:
        for _ in range(_MOST_CARRIED):
            if run is None or run.billed_by is None:
                return run
            run = self.run(run.billed_by)
        return run

    def _of_run(self, first: Run) -> tuple[str | None, datetime | None]:
        run = self._billing_run(first)
        if run is None or run.state not in (RunState.SENT, RunState.SETTLED):
            return f"RUN_{(run or first).state.value}", None
        last: datetime | None = run.locked_at_utc
        for number in run.numbers:
            header = store.document(self._ctx.db, self._issuer_id, number)
            if header is None:
                return "DOCUMENT_MISSING", None
            last = max(header.issued_at_utc, header.paid_at_utc or header.issued_at_utc, last or header.issued_at_utc)
            if header.correcting is not None:
                return "CORRECTION_UNDER_WAY", None
            if header.open_amount and header.state not in _CLOSED:
                return "DOCUMENT_OPEN", None
        return None, last


def coarsen_members(ctx: Context, session: Session, to: datetime) -> int:
    """The rows of a session in its runs say the day of its stop only; again changes nothing."""
    moved = 0
    for run_id in _runs_of(ctx, session):
        known = store.member(ctx.db, session.issuer_id, run_id, session.stop_utc, session.cdr_ref)
        if known is not None and known.stop_utc != to:
            ctx.db.transact(store.member_moved(known, to))
            moved += 1
    return moved


def _runs_of(ctx: Context, session: Session) -> list[str]:
    """A session that left a run may have left others before: then every run of its contract is looked through."""
    if session.left_run_id is None or session.contract_id is None:
        return [run_id for run_id in (session.run_id, session.left_run_id) if run_id]
    return [r.run_id for r in store.all_runs(ctx.db, session.issuer_id) if r.contract_id == session.contract_id]
