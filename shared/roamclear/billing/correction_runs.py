"""The run of an approved correction: created once, without a window, with the period of what it corrects."""

from __future__ import annotations

import base64
import hashlib

from roamclear.billing import store
from roamclear.billing.model import Correction, CorrectionState, Run, RunRequest, RunState
from roamclear.kernel.context import Context
from roamclear.kernel.errors import ConditionFailed, Conflict, InvariantBroken, NotFound

KIND = "CORR"


def name_of(text: str) -> str:
    """The name of a correction: ten letters and digits that stand where the period stands in a run's name.

    >>> len(name_of("a")), name_of("a") == name_of("a"), name_of("a") == name_of("b")
    (10, True, False)
    """
    return "K" + base64.b32encode(hashlib.sha256(text.encode()).digest()).decode()[:9]


def request_of(issuer_id: str, contract_id: str, correction_id: str) -> RunRequest:
    """What starts the run of a correction."""
    return RunRequest(issuer_id=issuer_id, contract_id=contract_id, period=correction_id, kind=KIND)


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
