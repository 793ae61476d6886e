"""Flat fees of cancelled documents whose sessions are billed again: charged once more, by exactly one run.

What counts sessions, kWh or money counts anew where the sessions are billed again. A price per month counts nothing:
its charge waits beside them for the next run that opens after the cancellation, so that it is on its list for a full
window (product.md rows 32, 66; decision 0022). A run takes it at its lock; two runs at once cannot both.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from roamclear.billing.fees_back import store
from roamclear.billing.model import Correction, Returned, Run, RunState
from roamclear.contracts.fees import FeeCharge, FeeKind
from roamclear.kernel.context import Context
from roamclear.kernel.errors import ConditionFailed

_OPEN = (RunState.GRACE, RunState.WINDOW)


def put_back(ctx: Context, wanted: Correction, charges: Sequence[FeeCharge]) -> None:
    """Let the flat fees of a cancelled document wait for a run, once per cancellation."""
    flat = tuple(each for each in charges if each.kind is FeeKind.MONTHLY)
    if not flat or not wanted.bill_again or wanted.at_once:
        return  # a corrected invoice made at once charges them itself
    made = Returned(
        issuer_id=wanted.issuer_id,
        contract_id=wanted.contract_id,
        correction_id=wanted.correction_id,
        number=wanted.number,
        charges=flat,
        returned_at_utc=ctx.now(),
    )
    with suppress(ConditionFailed):
        ctx.db.write(store.returned_put(made))


def of(ctx: Context, run: Run) -> tuple[FeeCharge, ...]:
    """What a run charges again: before its lock what it would take, from the lock on what it took."""
    if run.kind != "CLOSE":
        return ()
    free = (None, run.run_id) if run.state in _OPEN else (run.run_id,)
    return tuple(fee for each in _meant(ctx, run) if each.taken_by in free for fee in each.charges)


def take(ctx: Context, run: Run) -> None:
    """Take what waits for a run; what another run took stays there. Again takes nothing more."""
    for each in _meant(ctx, run):
        if each.taken_by is None:
            with suppress(ConditionFailed):
                ctx.db.write(store.returned_taken(each, run.run_id))


def _meant(ctx: Context, run: Run) -> list[Returned]:
    """What waited when the window opened; what came later waits for the next one."""
    opened = run.opened_at_utc
    if opened is None:
        return []
    return [r for r in store.returned(ctx.db, run.issuer_id, run.contract_id) if r.returned_at_utc <= opened]
