"""Credit CDRs: before the lock both leave the run; afterwards one adjustment of the exact negative (row 4)."""

from __future__ import annotations

from decimal import Decimal

from roamclear.cdrs import adjustments, store
from roamclear.cdrs.model import Billing, Original, Session
from roamclear.cdrs.settling import emsp_of, put
from roamclear.kernel.context import Context
from roamclear.kernel.errors import ConditionFailed
from roamclear.kernel.ids import evse_id as evse_ids
from roamclear.kernel.writes import Action, Put
from roamclear.rating import service as rating
from roamclear.rating.model import ChargeRecord

#: The original is already fixed: the credit becomes an adjustment in the next run.
_FIXED = (Billing.LOCKED, Billing.INVOICED)


def settle(ctx: Context, body: Original, charge: ChargeRecord, known: Session | None) -> Session:
    """Tie a credit to its original and take both out of billing, or make it an adjustment.

    Raises:
        ConditionFailed: somebody changed the original meanwhile; the caller runs again.
    """
    reference = f"{body.party}*{(charge.credit_reference_id or '').upper()}"
    original = store.session(ctx.db, body.issuer_id, reference)
    if original is None:
        # Noted first, looked again second: an original that arrives between the two finds the note.
        ctx.db.write(store.await_original(body.issuer_id, reference, body.cdr_ref))
        original = store.session(ctx.db, body.issuer_id, reference)
    base = _base(body, charge, known, original)
    reason = _refusal(charge, original)
    if reason is not None or original is None:
        held = base.model_copy(update={"billing": Billing.ON_HOLD, "reasons": (reason or "CREDIT_WITHOUT_ORIGINAL",)})
        return _write(ctx, held, known)
    if _owner(ctx, body, original) != body.cdr_ref:
        return _write(ctx, base.model_copy(update={"billing": Billing.REJECTED, "reasons": ("DOUBLE_CREDIT",)}), known)
    billed = adjustments.current(ctx, original)
    if billed.billing in _FIXED:
        return _adjust(ctx, base, billed, known)
    return _withdraw(ctx, base, billed, known)


def _refusal(charge: ChargeRecord, original: Session | None) -> str | None:
    """Why a credit may not touch what it names (ocpi.md section 9, check 15); the CPO is the same by its reference."""
    if original is None or original.credit_of is not None:
        return "CREDIT_WITHOUT_ORIGINAL"
    if emsp_of(charge) not in ("-", original.emsp_party):
        return "CREDIT_OF_ANOTHER_EMSP"
    claimed = charge.total_cost.excl_vat if charge.total_cost else None
    if claimed is None or original.cdr_total is None or claimed != -original.cdr_total:
        return "CREDIT_AMOUNT_MISMATCH"
    if charge.currency != original.currency:
        # The same figure in another currency is another amount: it would join no run of the original's contract.
        return "CREDIT_AMOUNT_MISMATCH"
    return None


def _owner(ctx: Context, body: Original, original: Session) -> str:
    try:
        ctx.db.write(store.claim_put(body.issuer_id, "CREDIT", original.cdr_ref, body.cdr_ref))
        return body.cdr_ref
    except ConditionFailed as lost:
        return str((lost.current or {}).get("owner", ""))


def _withdraw(ctx: Context, base: Session, original: Session, known: Session | None) -> Session:
    """Both leave: net 0, shown as withdrawn by the CPO; inside a window only while the window is open."""
    made = base.model_copy(
        update={"billing": Billing.CREDITED, "counterpart": original.cdr_ref, "reasons": ("WITHDRAWN_BY_CPO",)}
    )
    gone = original.model_copy(
        update={
            "billing": Billing.CREDITED,
            "counterpart": base.cdr_ref,
            "reasons": ("WITHDRAWN_BY_CPO",),
            "run_id": None,
            "left_run_id": original.run_id or original.left_run_id,
        }
    )
    actions: list[Action] = [*_puts(ctx, made, known), *_puts(ctx, gone, original)]
    if original.run_id is not None:
        actions.append(store.run_in_window(original.issuer_id, original.run_id))
    try:
        ctx.db.transact(actions)
    except ConditionFailed as lost:
        if original.run_id is None or lost.index != len(actions) - 1:
            raise
        # The run is locking: the credit waits until its members are flagged and is an adjustment then.
        held = base.model_copy(update={"billing": Billing.ON_HOLD, "reasons": ("RUN_LOCKING",)})
        return _write(ctx, held, known)
    return made


def _adjust(ctx: Context, base: Session, original: Session, known: Session | None) -> Session:
    """The exact negative of what is billed of a locked session, under its contract and VAT, for the next run.

    What was corrected since is part of it; where nothing is left to credit, the credit changes nothing any more.
    """
    priced = store.rating(ctx.db, original.issuer_id, original.cdr_ref, original.rating_version)
    assert priced is not None
    sums = store.adjusted(ctx.db, original.issuer_id, original.cdr_ref)
    left = adjustments.outstanding_of(original, sums)
    if not left:
        # Its document may have been cancelled a moment ago, to bill it again: the mark keeps that from happening.
        update = {"billing": Billing.CREDITED, "counterpart": original.cdr_ref, "reasons": ("CREDITED_BEFORE",)}
        gone, mark = base.model_copy(update=update), sums.model_copy(update={"withdrawn": base.cdr_ref})
        ctx.db.transact([*_puts(ctx, gone, known), store.adjusted_put(mark, sums)])
        return gone
    row = priced.model_copy(
        update={
            "cdr_ref": base.cdr_ref,
            "version": 1,
            "author": "system:credit",
            "reason": f"credit of {original.cdr_id}",
            "at_utc": ctx.now(),
            "lines": adjustments.everything(ctx, original),
            "net": -left,
            "grid_total": -(priced.grid_total or Decimal(0)),
            "cdr_total": base.cdr_total,
        }
    )
    made = base.model_copy(
        update={
            "billing": Billing.VERIFIED,
            "rating_version": 1,
            "net": row.net,
            "credit_of": original.cdr_ref,
            "counterpart": original.cdr_ref,
            "verified_at_utc": ctx.now(),
            "available_at_utc": base.available_at_utc or ctx.now(),
        }
    )
    after = sums.model_copy(update={"minor": sums.minor + row.net.amount_minor, "refs": (*sums.refs, base.cdr_ref)})
    told = store.fact(made, ctx.now(), "cdr.credited")
    ctx.db.transact([*_puts(ctx, made, known), store.rating_put(row), store.adjusted_put(after, sums), told])
    return made


def _base(body: Original, charge: ChargeRecord, known: Session | None, original: Session | None) -> Session:
    evse = charge.location.evse_id
    return Session(
        issuer_id=body.issuer_id,
        cdr_ref=body.cdr_ref,
        cdr_id=charge.id,
        party=body.party,
        emsp_party=original.emsp_party if original else "-",
        partner_id=body.partner_id,
        route=body.route,
        source=body.source,
        session_id=charge.session_id,
        evse_id=evse_ids.compact(evse) if evse and evse_ids.is_valid(evse) else None,
        country=original.country if original else rating.alpha2(charge.location.country or "") or "",
        start_utc=charge.start,
        stop_utc=charge.end,
        zone=original.zone if original else None,
        energy_kwh=-charge.total_energy_kwh,
        received_at_utc=body.received_at_utc,
        available_at_utc=known.available_at_utc if known else None,
        billing=Billing.ON_HOLD,
        contract_id=original.contract_id if original else None,
        contract_version=original.contract_version if original else None,
        vat_category=original.vat_category if original else None,
        vat_rate_percent=original.vat_rate_percent if original else None,
        account_id=original.account_id if original else None,
        currency=charge.currency,
        cdr_total=charge.total_cost.excl_vat if charge.total_cost else None,
        sha256=body.sha256,
        credit_of=original.cdr_ref if original else (charge.credit_reference_id or "?"),
        changed=known.changed if known else 0,
    )


def _puts(ctx: Context, made: Session, known: Session | None) -> list[Put]:
    if known is None:
        return [store.create(made)]
    return [store.replace(made, known), *store.moved(made, known, ctx.now())]


def _write(ctx: Context, made: Session, known: Session | None) -> Session:
    put(ctx, made, known)
    return made
