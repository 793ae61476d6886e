"""Telling that a draft waits too long for its approval (product.md, Exception journal types)."""

from __future__ import annotations

from datetime import timedelta

from roamclear.billing import store
from roamclear.billing.charges import fees_net
from roamclear.billing.model import Run, RunState
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionType
from roamclear.kernel.context import Context
from roamclear.kernel.time import local_date, local_midnight
from roamclear.kernel.workdays import add_working_days

#: How many working days after its lock a draft may wait: documents have to follow their period (Art. 222, by the 15th).
WORKING_DAYS = 3
_KIND = ExceptionType.APPROVAL_OVERDUE


def tell(ctx: Context, issuer_id: str) -> int:
    """Raise what waits too long, and close what was approved since; returns how many wait too long."""
    late = {run.run_id: run for run in store.all_runs(ctx.db, issuer_id) if _is_late(ctx, run)}
    for run in late.values():
        assert run.locked_net is not None
        journal.raise_once(
            ctx,
            issuer_id,
            _KIND,
            run.run_id,
            f"the documents of {run.period} have waited for their approval for more than {WORKING_DAYS} working days",
            partner=run.contract_id,
            expected=run.locked_net + fees_net(run.fees, run.currency),
            severity="HIGH",
            next_action="look at the draft and approve it, or correct whom it goes to",
        )
    for row in journal.open_of(ctx, issuer_id, _KIND):
        if row.subject not in late:
            journal.resolve(ctx, issuer_id, _KIND, row.subject, by="system:close", reason="it waits no more")
    return len(late)


def _is_late(ctx: Context, run: Run) -> bool:
    if run.state is not RunState.AWAITING_APPROVAL or run.locked_at_utc is None:
        return False
    last = add_working_days(local_date(run.locked_at_utc, run.zone), WORKING_DAYS)
    return ctx.now() >= local_midnight(last + timedelta(days=1), run.zone)
