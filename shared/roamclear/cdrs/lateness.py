"""A CDR that came after the late limit is billed only if CPO and eMSP both say so (product.md row 50)."""

from __future__ import annotations

from roamclear.audit import service as audit
from roamclear.cdrs import processing, store
from roamclear.cdrs.model import Billing, Session
from roamclear.identity.model import Actor, Right
from roamclear.identity.rules import TABLE, authorise, require_contract
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionType
from roamclear.kernel.context import Context
from roamclear.kernel.errors import ConditionFailed, Conflict, InvalidInput, NotFound
from roamclear.kernel.retry import again_on_race
from roamclear.kernel.writes import Table


def consent(ctx: Context, actor: Actor, issuer_id: str, cdr_ref: str, reason: str) -> dict[str, object]:
    """One side agrees that a late session is billed; with both it is processed and joins the next run as late.

    Raises:
        Conflict: the session does not wait for a consent.
    """
    side, right = _side(actor, issuer_id)
    scope = authorise(actor, right, issuer_id)
    if not 3 <= len(reason.strip()) <= 1000:
        raise InvalidInput("give a reason of 3 to 1,000 characters", field="reason")
    known = store.session(ctx.db, issuer_id, cdr_ref)
    if known is None:
        raise NotFound("no such session")
    require_contract(scope, known.contract_id)
    if known.billing is not Billing.TOO_LATE:
        raise Conflict("this session does not wait for a consent", billing=known.billing.value)

    def attempt() -> None:
        log = audit.entry(
            ctx, issuer_id=issuer_id, kind="CDR", object_id=cdr_ref, actor_id=actor.actor_id,
            action=f"LATE_CONSENT_{side}", details={"reason": reason},
        )  # fmt: skip
        try:
            ctx.db.transact([store.late_consent_put(issuer_id, cdr_ref, side, actor.actor_id), log])
        except ConditionFailed as lost:
            if lost.table == Table.AUDIT:
                raise
            return  # this side agreed before

    again_on_race(attempt)
    given = store.late_consents(ctx.db, issuer_id, cdr_ref)
    return {"consents": sorted(given), "session": _freed(ctx, known, actor) if len(given) == 2 else known}


def _side(actor: Actor, issuer_id: str) -> tuple[str, Right]:
    roles = {grant.role for grant in actor.grants if grant.issuer_id == issuer_id}
    return ("CPO", Right.CDR_CORRECT) if roles & TABLE[Right.CDR_CORRECT] else ("EMSP", Right.DISPUTE_CREATE)


def _freed(ctx: Context, known: Session, actor: Actor) -> Session:
    """Back to what waits, then processed like any other; a crash in between is repaired by the nightly retry."""
    waiting = known.model_copy(update={"billing": Billing.ON_HOLD, "reasons": ("LATE_AGREED",)})
    try:
        ctx.db.write(store.replace(waiting, known))
    except ConditionFailed:
        pass  # the other side's consent freed it at the same moment
    reason = "both sides agreed"
    kind = ExceptionType.TOO_LATE
    journal.resolve(ctx, known.issuer_id, kind, known.cdr_ref, by=actor.actor_id, reason=reason)
    return processing.process(ctx, known.issuer_id, known.cdr_ref)
