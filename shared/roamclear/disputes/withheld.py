"""Billing a session without the part that is in dispute, and that part once its dispute has an answer (product.md A3).

By default a session whose dispute has no answer at the lock leaves its run whole. Where the contract says
``invoice_undisputed_part`` and the eMSP stated a part of the price, the session is locked without that part; what the
answer leaves of it becomes a debit line of the next run.
"""

from __future__ import annotations

from roamclear.cdrs import adjustments, pricing
from roamclear.cdrs import service as cdrs
from roamclear.cdrs.model import Billing, Session
from roamclear.contracts.model import Terms
from roamclear.disputes import parts, store
from roamclear.disputes.model import PENDING
from roamclear.kernel.context import Context
from roamclear.kernel.errors import Busy, Locked
from roamclear.kernel.money import Money, total
from roamclear.kernel.writes import Put

_FIXED = (Billing.LOCKED, Billing.INVOICED)


def divide(ctx: Context, session: Session, terms: Terms) -> tuple[Session, list[Put]] | None:
    """A disputed member as it is locked without its disputed part, with the writes; None where it is held whole.

    The eMSP must have stated a part: a claim of the whole price, or of what is the whole price by now, leaves nothing
    that could be billed.
    """
    known = store.find(ctx.db, session.issuer_id, session.dispute_id) if session.dispute_id else None
    if not terms.invoice_undisputed_part or known is None or session.net is None:
        return None
    if not known.claimed < known.original or not known.claimed < session.net:
        return None
    reason = f"dispute {known.dispute_id} has no answer: {known.claimed} is billed once it has"
    rating, kept = cdrs.lowered(ctx, session, known.claimed, author="system:close", reason=reason, pending=True)
    made, moved = cdrs.changed(
        session,
        billing=Billing.LOCKED,
        net=rating.net,
        rating_version=rating.version,
        withheld=known.claimed,
    )
    return made, [moved, kept]


def require_billable(ctx: Context, session: Session) -> None:
    """Refuse an answer whose rest could not be billed yet: the session's document was cancelled, the new one waits.

    Raises:
        Locked: try again when the corrected invoice is locked.
    """
    billed = adjustments.current(ctx, session)
    if adjustments.returns(ctx, billed) or not (parts.gone(billed) or billed.billing in _FIXED):
        raise Locked("the session is being billed anew; answer when that is locked", cdr_ref=session.cdr_ref)


def rest(ctx: Context, session: Session) -> Session | None:
    """The last row that billed what a lock had withheld of a session, or None."""
    rows = _rows(ctx, session)
    return rows[-1] if rows else None


def settle(ctx: Context, issuer_id: str, number: str) -> Session | None:
    """Bill what the answer to a dispute left of the withheld part; again it finds what is billed and adds nothing.

    It is the difference to what was billed of it before: after an escalation this may be a credit. Of a session that
    was credited whole or withdrawn since, nothing more is billed.

    Raises:
        Busy: the session's document was cancelled, and it is billed anew in a moment.
        Conflict: what bills the session anew is not locked yet.
    """
    known = store.find(ctx.db, issuer_id, number)
    session = cdrs.session(ctx, issuer_id, known.cdr_ref) if known is not None else None
    if known is None or session is None or session.withheld is None or known.state in PENDING:
        return None
    rows = _rows(ctx, session)
    billed = adjustments.current(ctx, session)
    if adjustments.returns(ctx, billed):
        raise Busy("a session is between its cancellation and its return", cdr_ref=session.cdr_ref)
    wanted = session.withheld - (known.accepted or Money.zero(session.currency))
    missing = wanted - total((row.net for row in rows if row.net is not None), session.currency)
    if not missing or parts.gone(billed) or not adjustments.is_billed(ctx, billed):
        return None
    priced = cdrs.ratings(ctx, issuer_id, [session])[session.cdr_ref].lines
    part = pricing.withheld(max(missing, -adjustments.outstanding(ctx, billed)))
    return adjustments.adjust(
        ctx,
        billed,
        key=f"withheld-{len(rows) + 1}",
        lines=pricing.by_vat(part, [line for line in priced if line.component == part.component]),
        kind=adjustments.WITHHELD,
        reason=f"dispute {known.dispute_id} ended as {known.state.value}",
        author=known.resolved_by or "system:disputes",
    )


def _rows(ctx: Context, session: Session) -> list[Session]:
    chain = adjustments.chain(ctx, session)
    return [row for billed, sums in chain for row in adjustments.withheld_rows(ctx, billed, sums)]
