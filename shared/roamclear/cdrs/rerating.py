"""Pricing a session again, and withdrawing it, by a person and with a reason (product.md rows 29 and 38).

Allowed until the lock; a member whose price rises leaves for the next run and gets a full window there (rules.md 6).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from roamclear.audit import service as audit
from roamclear.cdrs import adjustments, processing, store
from roamclear.cdrs.model import WAITING, Billing, DisputeState, Rating, Session
from roamclear.cdrs.pricing import Priced
from roamclear.contracts.model import ContractVersion
from roamclear.identity.model import Actor, Right
from roamclear.identity.rules import authorise, require_contract
from roamclear.kernel.context import Context
from roamclear.kernel.errors import Busy, ConditionFailed, Conflict, InvalidInput, Locked, NotFound
from roamclear.kernel.retry import again_on_race
from roamclear.kernel.writes import Action, Put, Table

_OPEN = (Billing.VERIFIED, Billing.IN_WINDOW)
_LOCKED = "the run is locked; only a credit by the CPO or an adjustment corrects it now"
#: What is written in the transaction of a re-rating, made from the session before and after.
Beside = Callable[[Session, Session], Action]


def rerate(ctx: Context, actor: Actor, issuer_id: str, cdr_ref: str, reason: str) -> Session:
    """Price a session by the contract version of its start as it reads now; the old rating stays as it was.

    Raises:
        Locked: the run is locked; only a credit by the CPO or an adjustment corrects it now.
        Conflict: the session is disputed, or has no price now.
    """
    scope = authorise(actor, Right.CDR_CORRECT, issuer_id)
    reasoned(reason)
    require_contract(scope, _known(ctx, issuer_id, cdr_ref).contract_id)
    return reprice(ctx, issuer_id, cdr_ref, author=actor.actor_id, reason=reason)


def reprice(
    ctx: Context, issuer_id: str, cdr_ref: str, *, author: str, reason: str, beside: Beside | None = None
) -> Session:
    """``rerate`` for whom the right was asked before; ``beside`` is written in the same transaction."""

    def attempt() -> Session:
        known = _known(ctx, issuer_id, cdr_ref)
        if known.billing in WAITING and known.dispute is DisputeState.NONE:
            return processing.process(ctx, issuer_id, cdr_ref)
        _refuse_unless_open(known)
        priced, version = processing.price_again(ctx, known)
        if priced.net is None or priced.reasons or version is None:
            raise Conflict("the session has no valid price now", reasons=list(priced.reasons))
        row = _row(ctx, known, priced, version, author, reason)
        made = _placed(ctx, known, row)
        actions: list[Action] = [store.rating_put(row), store.replace(made, known)]
        actions += store.moved(made, known, ctx.now())
        if beside is not None:
            actions.append(beside(known, made))
        details = {"before": known.net, "after": row.net, "version": row.version, "reason": reason}
        return _commit(ctx, author, known, made, actions, "RERATED", details)

    return again_on_race(attempt)


def invalidate(ctx: Context, actor: Actor, issuer_id: str, cdr_ref: str, reason: str) -> Session:
    """The CPO withdraws a session from billing; it is kept for audit and counted."""
    scope = authorise(actor, Right.CDR_CORRECT, issuer_id)
    reasoned(reason)

    def attempt() -> Session:
        known = _known(ctx, issuer_id, cdr_ref)
        require_contract(scope, known.contract_id)
        if known.billing is Billing.INVALIDATED:
            return known
        if adjustments.is_ours(known) and known.credit_of is not None:
            raise Conflict("a correction is undone by another correction, never withdrawn", cdr_ref=cdr_ref)
        if known.billing not in (*WAITING, *_OPEN):
            _refuse_unless_open(known)
        update = {"billing": Billing.INVALIDATED, "reasons": ("INVALIDATED_BY_CPO",)} | _left(known)
        made = known.model_copy(update=update)
        actions: list[Action] = [store.replace(made, known), *store.moved(made, known, ctx.now())]
        details = {"reason": reason, "net": known.net}
        return _commit(ctx, actor.actor_id, known, made, actions, "INVALIDATED", details)

    return again_on_race(attempt)


def reasoned(reason: str) -> None:
    """A person who changes a price says why."""
    if not 3 <= len(reason.strip()) <= 1000:
        raise InvalidInput("give a reason of 3 to 1,000 characters", field="reason")


def _placed(ctx: Context, known: Session, row: Rating) -> Session:
    update: dict[str, Any] = {
        "net": row.net,
        "rating_version": row.version,
        "contract_version": row.contract_version,
    }
    rises = known.net is not None and known.net < row.net
    if known.run_id is not None and rises:
        update |= {"billing": Billing.VERIFIED, "verified_at_utc": ctx.now()} | _left(known)
    return known.model_copy(update=update)


def _left(known: Session) -> dict[str, Any]:
    return {"run_id": None, "left_run_id": known.run_id or known.left_run_id}


def _row(ctx: Context, known: Session, priced: Priced, version: ContractVersion, author: str, reason: str) -> Rating:
    current = store.rating(ctx.db, known.issuer_id, known.cdr_ref, known.rating_version)
    if current is None or priced.net is None:
        raise NotFound("this session has no rating")
    return current.model_copy(
        update={
            "version": known.rating_version + 1,
            "contract_version": version.version,
            "basis": version.terms.basis.value,
            "grid_line": priced.grid_line,
            "author": author,
            "reason": reason,
            "at_utc": ctx.now(),
            "lines": priced.lines,
            "net": priced.net,
            "grid_total": priced.grid_total,
            "cdr_total": priced.cdr_total,
            "flags": priced.warnings,
            "trace": priced.trace,
        }
    )


def _commit(
    ctx: Context,
    author: str,
    known: Session,
    made: Session,
    actions: list[Action],
    action: str,
    details: dict[str, Any],
) -> Session:
    actions = [*actions, _log(ctx, author, known, action, details)]
    if known.run_id is not None:
        actions.append(store.run_in_window(known.issuer_id, known.run_id))
    try:
        ctx.db.transact(actions)
    except ConditionFailed as lost:
        if known.run_id is not None and lost.index == len(actions) - 1:
            raise Locked(_LOCKED, run_id=known.run_id) from lost
        if lost.table == Table.AUDIT:
            raise
        raise Busy("the session changed meanwhile; try again") from lost
    return made


def _log(ctx: Context, author: str, known: Session, action: str, details: dict[str, Any]) -> Put:
    return audit.entry(
        ctx,
        issuer_id=known.issuer_id,
        kind="CDR",
        object_id=known.cdr_ref,
        actor_id=author,
        action=action,
        details=details,
    )


def _known(ctx: Context, issuer_id: str, cdr_ref: str) -> Session:
    known = store.session(ctx.db, issuer_id, cdr_ref)
    if known is None:
        raise NotFound("no such session")
    return known


def _refuse_unless_open(known: Session) -> None:
    if known.credit_of is not None:
        raise Conflict("a correction has the price of what it corrects", credit_of=known.credit_of)
    if known.dispute in (DisputeState.OPEN, DisputeState.PARTIAL, DisputeState.ACCEPTED):
        raise Conflict("the price of a disputed session follows its dispute", dispute=known.dispute.value)
    if known.billing in (Billing.LOCKED, Billing.INVOICED):
        raise Locked(_LOCKED, run_id=known.run_id)
    if known.billing not in _OPEN:
        raise Conflict("this session is not billed", billing=known.billing.value)
