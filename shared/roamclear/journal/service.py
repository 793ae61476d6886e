"""Raising and resolving exceptions."""

from __future__ import annotations

from roamclear.identity.model import Actor, Right
from roamclear.identity.rules import authorise
from roamclear.journal import store
from roamclear.journal.model import ExceptionRow, ExceptionType
from roamclear.kernel.context import Context
from roamclear.kernel.errors import ConditionFailed, NotFound
from roamclear.kernel.money import Money
from roamclear.kernel.pages import Asked, Cut

#: Causes of an object that lives on, so that they may come back after they were repaired.
_RECURRING = frozenset(
    {
        ExceptionType.EVSE_UNASSIGNED,
        ExceptionType.NO_CONTRACT,
        ExceptionType.AMBIGUOUS_CONTRACT,
        ExceptionType.VAT_MISSING,
        ExceptionType.VAT_PROOF_OLD,
        ExceptionType.CONTRACT_FINDING,
        ExceptionType.PROCESSING_FAILED,
        ExceptionType.WINDOW_NOTICE_FAILED,
        ExceptionType.RATE_MISSING,
        ExceptionType.CALENDAR_MISSING,
        ExceptionType.INVOICE_RECORD_MISMATCH,
        ExceptionType.PARTNER_SILENT,
        ExceptionType.TOO_LATE,
    }
)


def raise_once(
    ctx: Context,
    issuer_id: str,
    kind: ExceptionType,
    subject: str,
    message: str,
    *,
    severity: str = "WARN",
    partner: str | None = None,
    document: str | None = None,
    expected: Money | None = None,
    received: Money | None = None,
    next_action: str | None = None,
    details: dict[str, str] | None = None,
) -> bool:
    """Put a difference into the journal; False when its business key stands there already.

    A cause that comes and goes (``_RECURRING``) and was closed by the system is told again when it comes back.
    The gap is expected minus received where both are known.
    """
    gap = expected - received if expected and received and expected.currency == received.currency else None
    row = ExceptionRow(
        issuer_id=issuer_id,
        kind=kind,
        subject=subject,
        message=message,
        severity=severity,
        raised_at_utc=ctx.now(),
        partner=partner,
        document=document,
        expected=expected,
        received=received,
        gap=gap,
        next_action=next_action,
        details=details or {},
    )
    try:
        ctx.db.transact(store.raise_writes(row))
    except ConditionFailed:
        return kind in _RECURRING and _reopened(ctx, row)
    return True


def _reopened(ctx: Context, row: ExceptionRow) -> bool:
    known = store.find(ctx.db, row.issuer_id, row.kind, row.subject)
    if known is None or known.state == "OPEN" or not (known.resolved_by or "").startswith("system:"):
        return False
    try:
        ctx.db.transact(store.raise_writes(row, over=known))
    except ConditionFailed:
        return False  # another worker told it
    return True


def resolve(ctx: Context, issuer_id: str, kind: ExceptionType, subject: str, *, by: str, reason: str) -> bool:
    """Close an open exception; False when there is none (its cause went away before it was raised, or twice)."""
    row = store.find(ctx.db, issuer_id, kind, subject)
    if row is None or row.state != "OPEN":
        return False
    closed = row.model_copy(
        update={"state": "RESOLVED", "resolved_at_utc": ctx.now(), "resolved_by": by, "resolution": reason}
    )
    try:
        ctx.db.transact(store.resolve_writes(closed))
    except ConditionFailed:
        return False
    return True


def find(ctx: Context, issuer_id: str, kind: ExceptionType, subject: str) -> ExceptionRow | None:
    """An exception in whatever state, or None where it was never raised."""
    return store.find(ctx.db, issuer_id, kind, subject)


def open_of(ctx: Context, issuer_id: str, kind: ExceptionType) -> list[ExceptionRow]:
    """The open exceptions of a kind, oldest first (schedules that close what went away)."""
    return [row for row in store.listed(ctx.db, issuer_id, "OPEN") if row.kind is kind]


def is_open(ctx: Context, issuer_id: str, kind: ExceptionType, subject: str) -> bool:
    """Whether an exception waits for somebody."""
    row = store.find(ctx.db, issuer_id, kind, subject)
    return row is not None and row.state == "OPEN"


def resolve_by_hand(
    ctx: Context, actor: Actor, issuer_id: str, kind: ExceptionType, subject: str, reason: str
) -> ExceptionRow:
    """A person closes an exception with a reason."""
    authorise(actor, Right.EXCEPTION_RESOLVE, issuer_id)
    row = store.find(ctx.db, issuer_id, kind, subject)
    if row is None:
        raise NotFound("no such exception")
    resolve(ctx, issuer_id, kind, subject, by=actor.actor_id, reason=reason)
    return store.find(ctx.db, issuer_id, kind, subject) or row


def listed(ctx: Context, actor: Actor, issuer_id: str, state: str = "OPEN") -> list[ExceptionRow]:
    """Exceptions of a state, oldest first."""
    authorise(actor, Right.EXCEPTION_VIEW, issuer_id)
    return list(store.listed(ctx.db, issuer_id, state))


def page(ctx: Context, actor: Actor, issuer_id: str, state: str, asked: Asked) -> Cut[ExceptionRow]:
    """A page of the exceptions of a state, oldest first."""
    authorise(actor, Right.EXCEPTION_VIEW, issuer_id)
    return store.page(ctx.db, issuer_id, state, asked)
