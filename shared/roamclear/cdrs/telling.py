"""Telling the exception journal what keeps a session from being billed, and what no longer does."""

from __future__ import annotations

from roamclear.cdrs import store
from roamclear.cdrs.model import Billing, Session
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionType
from roamclear.kernel.context import Context

#: Reasons that concern a whole EVSE or partner are told once for it, not once per CDR.
_SHARED = {"EVSE_UNASSIGNED": "evse", "NO_CONTRACT": "party", "AMBIGUOUS_CONTRACT": "party", "VAT_MISSING": "party"}


def tell(ctx: Context, made: Session) -> None:
    """Raise what keeps a session from being billed."""
    new = _raised(ctx, made)
    if not new:
        return
    # Another worker may have moved the session on between its row and this telling, and closed what was not open yet.
    now = store.session(ctx.db, made.issuer_id, made.cdr_ref)
    if now is not None:
        for reason in new - set(now.reasons):
            journal.resolve(ctx, made.issuer_id, *_named(made, reason), by="system:intake", reason="no longer so")


def _raised(ctx: Context, made: Session) -> set[str]:
    """Raise the reasons of a session; those that were not open before."""
    new: set[str] = set()
    for reason in made.reasons if made.billing not in (Billing.OUT_OF_SCOPE, Billing.CREDITED) else ():
        kind, subject = _named(made, reason)
        if journal.raise_once(
            ctx,
            made.issuer_id, kind, subject,
            f"{reason}: session of {made.stop_utc:%Y-%m-%d} is not billed yet",
            partner=made.emsp_party,
            expected=made.net,
            details={"cdr_ref": made.cdr_ref, "evse_id": made.evse_id or "", "reason": reason},
        ):  # fmt: skip
            new.add(reason)
    if made.billing is Billing.TOO_LATE:
        journal.raise_once(
            ctx, made.issuer_id, ExceptionType.TOO_LATE, made.cdr_ref, "received after the contract's late limit",
            partner=made.emsp_party, expected=made.net,
        )  # fmt: skip
    return new


def close(ctx: Context, made: Session, known: Session | None) -> None:
    """Close what held this session, and no other one, until now."""
    for reason in set(known.reasons) - set(made.reasons) - set(_SHARED) if known else ():
        journal.resolve(ctx, made.issuer_id, *_named(made, reason), by="system:intake", reason="no longer so")


def _named(made: Session, reason: str) -> tuple[ExceptionType, str]:
    """The kind and subject of the exception of a reason."""
    if reason not in ExceptionType.__members__:
        return ExceptionType.PLAUSIBILITY, f"{made.cdr_ref}#{reason}"
    subjects = {"evse": made.evse_id or made.cdr_ref, "party": made.emsp_party, None: made.cdr_ref}
    return ExceptionType(reason), subjects[_SHARED.get(reason)]
