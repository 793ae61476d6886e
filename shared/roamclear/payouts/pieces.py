"""The shares of a large run piece by piece, so that no call lasts longer than a function may (product.md row 105)."""

from __future__ import annotations

from roamclear.billing import service as billing
from roamclear.kernel.context import Context
from roamclear.kernel.errors import ConditionFailed
from roamclear.payouts import store
from roamclear.payouts.accrual import Shares, accrue_run, is_shared
from roamclear.payouts.model import Progress

#: Lines that one call writes: seconds, so that a batch of facts stays far below the function's time-out.
PIECE = 500


def accrue_piece(ctx: Context, issuer_id: str, run_id: str) -> bool:
    """The next piece of ``accrue_run``; True when the run has all its lines and sums.

    While lines are missing it writes some, and in one transaction how far it came and the fact that asks for the next
    piece. Behind the last line the sums are made in one pass that only reads. The same piece again, at once, or after
    a crash comes to the same rows; of two workers one asks for the next piece.
    """
    known = store.place(ctx.db, issuer_id, run_id)
    if known.over or not is_shared(ctx, issuer_id, run_id):
        accrue_run(ctx, issuer_id, run_id)
        return True
    piece, place = billing.locked_piece(ctx, issuer_id, run_id, known.after, PIECE)
    if known.after is None and place is None:
        accrue_run(ctx, issuer_id, run_id)  # a small run: lines and sums in one pass
        return True
    shares = Shares(ctx, issuer_id, run_id)
    for session in piece:
        shares.take(session, write=True)
    made = Progress(done=known.done + len(piece), after=place or known.after, over=place is None)
    try:
        ctx.db.transact(store.place_writes(issuer_id, run_id, made, known, ctx.now()))
    except ConditionFailed:
        pass  # another worker wrote the same piece and asked for the next one
    return False
