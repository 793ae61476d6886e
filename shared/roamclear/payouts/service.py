"""The door of the room. What loads document or XML libraries lies beside it: ``export`` and ``rendering``."""

from __future__ import annotations

from roamclear.payouts.accrual import accrue, accrue_run, release_parked
from roamclear.payouts.batches import approve_batch, batch, batches, batches_page, cancel_batch, copy_of, make_batch
from roamclear.payouts.batches import find as find_batch
from roamclear.payouts.cycle import close_cycle
from roamclear.payouts.held import held, session_state
from roamclear.payouts.payments import (
    confirm_debit,
    files,
    lines,
    lines_page,
    payout,
    payout_for,
    payouts,
    payouts_by,
    payouts_page,
    reject_batch,
    release_returned,
    take_return,
)
from roamclear.payouts.pieces import accrue_piece
from roamclear.payouts.purchases import take_over

__all__ = [
    "accrue",
    "accrue_piece",
    "accrue_run",
    "approve_batch",
    "batch",
    "batches",
    "batches_page",
    "cancel_batch",
    "close_cycle",
    "confirm_debit",
    "copy_of",
    "files",
    "find_batch",
    "held",
    "lines",
    "lines_page",
    "make_batch",
    "payout",
    "payout_for",
    "payouts",
    "payouts_by",
    "payouts_page",
    "reject_batch",
    "release_parked",
    "release_returned",
    "session_state",
    "take_over",
    "take_return",
]
