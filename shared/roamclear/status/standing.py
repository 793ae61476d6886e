"""Where a session stood at an instant of the past; pure."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from roamclear.billing.model import Run, RunState
from roamclear.cdrs.model import Billing, Session
from roamclear.kernel.record import Record

_BILLED = (Billing.VERIFIED, Billing.IN_WINDOW, Billing.LOCKED, Billing.INVOICED)


class Standing(StrEnum):
    """What a session was for the books."""

    VERIFIED = "verified"
    ON_HOLD = "on_hold"
    NOT_RATED = "not_rated"
    IN_WINDOW = "in_window"
    LOCKED = "locked"
    INVOICED = "invoiced"


#: Earned, whether a document states it or not.
EARNED = (Standing.VERIFIED, Standing.IN_WINDOW, Standing.LOCKED, Standing.INVOICED)


class RunFacts(Record):
    """The instants of a run that decide: opened, locked, and its documents issued (None: not yet)."""

    opened_at_utc: datetime | None = None
    locked_at_utc: datetime | None = None
    issued_at_utc: datetime | None = None


def facts_of(run: Run, issued_at: datetime | None) -> RunFacts:
    """The instants of a run; one that settled without a document has nothing more to issue."""
    settled = run.state is RunState.SETTLED and not run.numbers
    # A correction has no window: its rows are locked from the beginning.
    return RunFacts(
        opened_at_utc=run.opened_at_utc or run.locked_at_utc,
        locked_at_utc=run.locking_at_utc or run.locked_at_utc,
        issued_at_utc=run.locked_at_utc if settled else issued_at,
    )


def standing(session: Session, run: RunFacts | None, as_of: datetime) -> Standing | None:
    """How a session stood just before an instant; None where it had not come, or will never be billed.

    A price is the one of today: what a dispute or a re-rating found out later belongs to the month all the same.
    """
    if session.received_at_utc >= as_of:
        return None
    if session.billing is Billing.NOT_RATED:
        return Standing.NOT_RATED
    if session.billing is Billing.ON_HOLD:
        return Standing.ON_HOLD
    if session.billing not in _BILLED:
        return None
    if session.verified_at_utc is None or session.verified_at_utc >= as_of:
        return Standing.ON_HOLD
    for at, found in _steps(run):
        if at is not None and at < as_of:
            return found
    return Standing.VERIFIED


def _steps(run: RunFacts | None) -> tuple[tuple[datetime | None, Standing], ...]:
    if run is None:
        return ()
    return (
        (run.issued_at_utc, Standing.INVOICED),
        (run.locked_at_utc, Standing.LOCKED),
        (run.opened_at_utc, Standing.IN_WINDOW),
    )
