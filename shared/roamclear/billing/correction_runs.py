"""The run of an approved correction: created once, without a window, with the period of what it corrects."""

from __future__ import annotations

import base64
import hashlib

from roamclear.billing import store
from roamclear.billing.model import Correction, CorrectionState, Run, RunRequest, RunState
from roamclear.cdrs.adjustments import is_ours
from roamclear.cdrs.model import Session
from roamclear.kernel.context import Context
from roamclear.kernel.errors import ConditionFailed, Conflict, InvariantBroken, NotFound

KIND = "CORR"
#: Ids of CDRs are kept in capital letters, so this is never a part of one.
_AGAIN = "r"


def name_of(text: str) -> str:
    """The name of a correction: ten letters and digits that stand where the period stands in a run's name.

    >>> len(name_of("a")), name_of("a") == name_of("a"), name_of("a") == name_of("b")
    (10, True, False)
    """
    return "K" + base64.b32encode(hashlib.sha256(text.encode()).digest()).decode()[:9]


def request_of(issuer_id: str, contract_id: str, correction_id: str) -> RunRequest:
    """What starts the run of a correction."""
    return RunRequest(issuer_id=issuer_id, contract_id=contract_id, period=correction_id, kind=KIND)


def key_again(correction_id: str) -> str:
    """What the rows that bill the sessions of a cancelled document anew are named by."""
    return f"{_AGAIN}{correction_id.lower()}"


def name_of_reissue(issuer_id: str, correction_id: str) -> str:
    """The name of the corrected invoice that follows a cancellation at once."""
    return name_of(f"{issuer_id}#REISSUE#{correction_id}")


class Kept:
    """Which rows wait for the corrected invoice of their cancellation: no run takes them, for it charges their fees."""

    def __init__(self, ctx: Context, issuer_id: str) -> None:
        self._ctx, self._issuer_id = ctx, issuer_id
        self._known: dict[str, bool] = {}

    def keeps(self, session: Session) -> bool:
        """Whether the corrected invoice of a row has yet to close its list."""
        _, found, key = session.cdr_ref.rpartition(f"~{_AGAIN}")
        if not found or not is_ours(session):
            return False
        if key not in self._known:
            self._known[key] = self._waits(key.upper())
        return self._known[key]

    def _waits(self, correction_id: str) -> bool:
        wanted = store.correction(self._ctx.db, self._issuer_id, correction_id)
        if wanted is None or not wanted.at_once:
            return False
        name = name_of_reissue(self._issuer_id, correction_id)
        run = store.run(self._ctx.db, self._issuer_id, request_of(self._issuer_id, wanted.contract_id, name).run_id)
        return run is None or run.state is RunState.GRACE


def create(ctx: Context, request: RunRequest) -> Run:
    """Create the run of a correction in GRACE, or return the one that stands.

    Raises:
        NotFound: there is no such correction of this contract.
        Conflict: nobody approved it.
    """
    known = store.run(ctx.db, request.issuer_id, request.run_id)
    if known is not None:
        return known
    wanted = store.correction(ctx.db, request.issuer_id, request.period)
    header = store.document(ctx.db, request.issuer_id, wanted.number) if wanted else None
    before = store.run(ctx.db, request.issuer_id, header.run_id) if header else None
    if wanted is None or before is None or wanted.contract_id != request.contract_id:
        raise NotFound("no such correction")
    if wanted.state is not CorrectionState.APPROVED:
        raise Conflict("this correction is not approved", state=wanted.state.value)
    made = Run(
        issuer_id=request.issuer_id,
        run_id=request.run_id,
        contract_id=request.contract_id,
        period=before.period,
        kind=KIND,
        state=RunState.GRACE,
        first=before.first,
        end=before.end,
        zone=before.zone,
        currency=before.currency,
        contract_version=before.contract_version,
        opens_at_utc=ctx.now(),
        approved_by=wanted.decided_by,
        corrects=wanted.number,
        reason=wanted.reason,
    )
    try:
        ctx.db.write(store.run_create(made))
    except ConditionFailed:
        known = store.run(ctx.db, request.issuer_id, request.run_id)
        if known is None:
            raise
        return known
    return made


def wanted_of(ctx: Context, run: Run) -> Correction:
    """The correction that a run carries out."""
    found = store.correction(ctx.db, run.issuer_id, run.request.period)
    if found is None:
        raise InvariantBroken("a correction run without its correction", run_id=run.run_id)
    return found
