"""Suspending a contract and letting it go on; its beginning and end need nobody (product.md rows 17-18)."""

from __future__ import annotations

from roamclear.audit import service as audit
from roamclear.contracts import store
from roamclear.contracts.model import Contract
from roamclear.contracts.service import expect, head
from roamclear.identity.model import Actor, Right
from roamclear.identity.rules import authorise
from roamclear.kernel.context import Context
from roamclear.kernel.errors import InvalidInput
from roamclear.kernel.retry import again_on_race


def suspend(
    ctx: Context, actor: Actor, issuer_id: str, contract_id: str, reason: str, *, if_match: int | None = None
) -> Contract:
    """From now on the contract takes no new sessions; they wait without a contract. Its open runs go on."""
    return _switch(ctx, actor, issuer_id, contract_id, reason, suspended=True, if_match=if_match)


def go_on(
    ctx: Context, actor: Actor, issuer_id: str, contract_id: str, reason: str, *, if_match: int | None = None
) -> Contract:
    """A suspended contract takes sessions again; those that waited are attached to it."""
    return _switch(ctx, actor, issuer_id, contract_id, reason, suspended=False, if_match=if_match)


def _switch(
    ctx: Context, actor: Actor, issuer_id: str, contract_id: str, reason: str, *, suspended: bool, if_match: int | None
) -> Contract:
    """Change the head and tell the sessions; a contract that is so already stays as it is."""
    authorise(actor, Right.CONTRACT_EDIT, issuer_id)
    if not 3 <= len(reason.strip()) <= 500:
        raise InvalidInput("give a reason of 3 to 500 characters", field="reason")

    def attempt() -> Contract:
        known = head(ctx, issuer_id, contract_id)
        expect(known, if_match)
        if (known.suspended_at_utc is not None) is suspended:
            return known
        at = ctx.now() if suspended else None
        made = known.model_copy(update={"suspended_at_utc": at, "changed": known.changed + 1})
        log = audit.entry(
            ctx,
            issuer_id=issuer_id,
            kind="CONTRACT",
            object_id=contract_id,
            actor_id=actor.actor_id,
            action="SUSPENDED" if suspended else "RESUMED",
            details={"reason": reason},
        )
        ctx.db.transact([store.head_put(made, known), store.changed_fact(made, ctx.now()), log])
        return made

    return again_on_race(attempt)
