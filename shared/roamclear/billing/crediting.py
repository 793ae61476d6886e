"""An approved correction as a run: its rows, then, once its credit note has a number, what that changes.

Every step may run twice, at once, or after a crash anywhere: rows are written once per session and correction, what is
set off has one ledger entry per credit note.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from roamclear.billing import credit_plan, store
from roamclear.billing.charges import fees_net
from roamclear.billing.correction_runs import key_again, name_of_reissue, request_of, wanted_of
from roamclear.billing.fees_back import service as fees_back
from roamclear.billing.model import (
    Correction,
    CorrectionKind,
    CorrectionState,
    Document,
    Member,
    Run,
    RunState,
)
from roamclear.billing.parts import Place
from roamclear.billing.runs import members
from roamclear.billing.set_off import set_off
from roamclear.billing.steps import Step
from roamclear.cdrs import adjustments
from roamclear.cdrs import service as cdrs
from roamclear.cdrs.model import Billing, Session
from roamclear.contracts.fees import FeeCharge
from roamclear.kernel.context import Context
from roamclear.kernel.errors import ConditionFailed, InvariantBroken, NotFound
from roamclear.kernel.money import Money
from roamclear.kernel.retry import TimeLeft, again_on_race, always
from roamclear.kernel.time import local_midnight
from roamclear.kernel.writes import Action, Table

_RACES = (Table.AUDIT, Table.CLEARING)
_CHUNK = 100


def fees_of(ctx: Context, header: Document) -> list[FeeCharge]:
    """The fees of a document; only its cancellation credits them."""
    return credit_plan.part_of(ctx, header).fees


def fill(ctx: Context, run: Run, time_left: TimeLeft = always) -> Run:
    """Make the rows of a correction, then close its list; the lock follows. It runs instead of a control window.

    Where the time runs out the run comes back in GRACE, and the next call goes on behind the last row.
    """
    if run.state is not RunState.GRACE:
        return run
    wanted, step = wanted_of(ctx, run), Step(ctx, run, "FILL")
    state = step.state() or {"behind": None, "count": 0, "net_minor": 0}
    behind, count, net_minor = Place.load(state["behind"]), state["count"], state["net_minor"]
    with tempfile.TemporaryDirectory() as folder:
        for place, row in _rows(ctx, run, wanted, Path(folder), behind):
            count += 1
            net_minor += row.net.amount_minor if row.net else 0
            if place is not None and not time_left():
                step.keep({"behind": place.dump(), "count": count, "net_minor": net_minor})
                return run
    fees = _fees(ctx, wanted)
    net = Money(net_minor, run.currency) + fees_net(fees, run.currency)
    following = RunState.LOCKING if count or fees else RunState.SETTLED
    if not count and not fees:
        _conclude(ctx, wanted, None)
    columns = {"state": following, "members": count, "proforma": net, "fees": fees, "locking_at_utc": ctx.now()}
    try:
        ctx.db.write(store.run_update(run, (RunState.GRACE,), **columns))
    except ConditionFailed:
        pass  # another worker closed the same list
    found = store.run(ctx.db, run.issuer_id, run.run_id)
    if found is None:
        raise NotFound("no such run")
    return found


def _fees(ctx: Context, wanted: Correction) -> tuple[FeeCharge, ...]:
    """A cancellation credits the fees of its document, the minus in the quantity; a reissue charges them again."""
    header = store.document(ctx.db, wanted.issuer_id, wanted.number)
    if header is not None and wanted.kind is CorrectionKind.REISSUE:
        return tuple(fees_of(ctx, header))
    if header is None or wanted.kind is not CorrectionKind.CANCEL:
        return ()
    return tuple(fee.model_copy(update={"quantity": -fee.quantity, "net": -fee.net}) for fee in fees_of(ctx, header))


def _rows(
    ctx: Context, run: Run, wanted: Correction, folder: Path, behind: Place | None
) -> Iterator[tuple[Place | None, Session]]:
    """The rows of a correction as members of its run, those that stand already and those that are made now.

    Each with the place of its session, where the rows follow those of a document.
    """
    rows: Iterator[tuple[Place | None, Session]]
    if wanted.kind is CorrectionKind.CREDIT_CDR:
        rows = ((None, row) for row in _waiting(ctx, run, wanted.cdr_refs))
    elif wanted.kind is CorrectionKind.REISSUE:
        rows = ((None, row) for row in _waiting(ctx, run, _billed_again(ctx, wanted)))
    else:
        rows = _of_document(ctx, run, wanted, folder, behind)
    for place, row in rows:
        section = "PERIOD" if row.stop_utc >= local_midnight(run.first, run.zone) else "EARLIER"
        member = Member(
            issuer_id=run.issuer_id,
            run_id=run.run_id,
            cdr_ref=row.cdr_ref,
            stop_utc=row.stop_utc,
            section="ADJUSTMENT" if row.credit_of else section,
        )
        ctx.db.write(store.member_put(member))
        yield place, row


def _waiting(ctx: Context, run: Run, refs: Iterable[str]) -> Iterator[Session]:
    """Rows that wait for a run and join this one, except what another run took meanwhile."""
    rest = iter(refs)
    while chunk := list(islice(rest, _CHUNK)):
        for known in cdrs.sessions(ctx, run.issuer_id, chunk).values():
            if known.run_id == run.run_id:
                yield known
            elif known.run_id is None and known.billing is Billing.VERIFIED:
                made, write = cdrs.changed(known, billing=Billing.IN_WINDOW, run_id=run.run_id)
                ctx.db.write(write)
                yield made


def _billed_again(ctx: Context, wanted: Correction) -> Iterator[str]:
    """The rows that bill the sessions of a cancelled document anew."""
    before = store.correction(ctx.db, wanted.issuer_id, wanted.follows or "")
    run = store.run(ctx.db, wanted.issuer_id, before.run_id) if before else None
    if before is None or run is None:
        raise InvariantBroken("a corrected invoice without its cancellation", correction=wanted.correction_id)
    for row, _ in members(ctx, run):
        yield f"{row.credit_of}~{key_again(before.correction_id)}"


def _of_document(
    ctx: Context, run: Run, wanted: Correction, folder: Path, behind: Place | None
) -> Iterator[tuple[Place | None, Session]]:
    header = store.document(ctx.db, run.issuer_id, wanted.number)
    if header is None:
        raise NotFound("no such document")
    for credit in credit_plan.credits_of(ctx, wanted, header, folder, behind):
        row = credit.row or adjustments.adjust(
            ctx,
            credit.session,
            key=wanted.correction_id.lower(),
            lines=credit.lines,
            kind="CANCEL" if wanted.kind is CorrectionKind.CANCEL else "CREDIT",
            reason=wanted.reason,
            author=wanted.decided_by or wanted.prepared_by,
            run_id=run.run_id,
            # An amount is the house's own goodwill; what is billed again takes nothing from those who were paid for it.
            borne=wanted.kind is CorrectionKind.AMOUNT or wanted.bill_again,
        )
        yield credit.place, row


# ---- once the credit note has its number ---------------------------------------------------------------------------
def settle(ctx: Context, issuer_id: str, number: str) -> None:
    """What a new document changes of the ones before it: set off, chained, billed again (a consumer of its fact)."""
    header = store.document(ctx.db, issuer_id, number)
    if header is None:
        raise NotFound("no such document")
    for before in header.replaces:
        _chained(ctx, issuer_id, before, number)
    run = store.run(ctx.db, issuer_id, header.run_id)
    if run is None or run.corrects is None:
        return
    wanted = wanted_of(ctx, run)
    if wanted.bill_again:
        _bill_again(ctx, run, wanted)
        fees_back.put_back(ctx, wanted, fees_of(ctx, _corrected(ctx, wanted)))
    if wanted.kind is not CorrectionKind.REISSUE:
        set_off(ctx, wanted, number)
    _conclude(ctx, wanted, number)
    if wanted.at_once:
        _reissue(ctx, wanted)


def _corrected(ctx: Context, wanted: Correction) -> Document:
    header = store.document(ctx.db, wanted.issuer_id, wanted.number)
    if header is None:
        raise InvariantBroken("a correction without its document", correction=wanted.correction_id)
    return header


def _chained(ctx: Context, issuer_id: str, before: str, number: str) -> None:
    def attempt() -> None:
        read = store.document(ctx.db, issuer_id, before)
        if read is not None and number not in read.replaced_by:
            made = read.model_copy(update={"replaced_by": (*read.replaced_by, number)})
            ctx.db.write(store.document_replace(made, read))

    again_on_race(attempt, tables=_RACES)


def _bill_again(ctx: Context, run: Run, wanted: Correction) -> None:
    rest = (row for row, _ in members(ctx, run))
    while rows := list(islice(rest, _CHUNK)):
        originals = cdrs.sessions(ctx, run.issuer_id, {row.credit_of for row in rows if row.credit_of})
        for row in rows:
            adjustments.bill_again(
                ctx,
                originals[row.credit_of or ""],
                row,
                key=key_again(wanted.correction_id),
                reason=f"billed again: {wanted.number} was cancelled",
                author=wanted.decided_by or wanted.prepared_by,
            )


def _reissue(ctx: Context, wanted: Correction) -> None:
    """The corrected invoice of a cancelled one, decided by the same two persons; no price changed, so no window."""
    name = name_of_reissue(wanted.issuer_id, wanted.correction_id)
    made = wanted.model_copy(
        update={
            "correction_id": name,
            "kind": CorrectionKind.REISSUE,
            "state": CorrectionState.APPROVED,
            "bill_again": False,
            "at_once": False,
            "follows": wanted.correction_id,
            "run_id": request_of(wanted.issuer_id, wanted.contract_id, name).run_id,
            "note": None,
            "changed": 0,
        }
    )
    told = store.correction_fact(made, ctx.now(), "correction.approved")
    try:
        ctx.db.transact([store.correction_put(made, None), told])
    except ConditionFailed:
        pass  # it began before


def _conclude(ctx: Context, wanted: Correction, number: str | None) -> None:
    """The correction is done: its document is free for another one."""

    def attempt() -> None:
        known = store.correction(ctx.db, wanted.issuer_id, wanted.correction_id)
        header = store.document(ctx.db, wanted.issuer_id, wanted.number)
        if known is None or header is None:
            raise InvariantBroken("a correction without its document", correction=wanted.correction_id)
        actions: list[Action] = []
        if known.state is not CorrectionState.ISSUED:
            made = known.model_copy(update={"state": CorrectionState.ISSUED, "note": number})
            actions.append(store.correction_put(made, known))
        if header.correcting == wanted.correction_id:
            actions.append(store.document_replace(header.model_copy(update={"correcting": None}), header))
        if actions:
            ctx.db.transact(actions)

    again_on_race(attempt, tables=_RACES)
