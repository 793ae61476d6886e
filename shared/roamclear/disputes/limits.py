"""Up to which amount a dispute agent decides alone (product.md E.8: agent up to the limit, approver beyond it)."""

from __future__ import annotations

from roamclear.audit import service as audit
from roamclear.contracts import service as contracts
from roamclear.disputes import store
from roamclear.disputes.model import Dispute, Limit
from roamclear.identity.model import Actor, Right, Role
from roamclear.identity.rules import TABLE, authorise
from roamclear.kernel.context import Context
from roamclear.kernel.errors import Forbidden, InvalidInput
from roamclear.kernel.money import Money, minor_digits
from roamclear.kernel.retry import again_on_race
from roamclear.kernel.writes import Table

#: In major units of the claim's currency, where nothing was set.
DEFAULT_UNITS = 500


def default(currency: str) -> Money:
    """The limit where nothing was set.

    >>> print(default("EUR"))
    500.00 EUR
    """
    return Money(DEFAULT_UNITS * 10 ** minor_digits(currency), currency)


def require(ctx: Context, actor: Actor, known: Dispute) -> None:
    """An agent who is nothing else decides claims up to the limit; a limit in another currency covers nothing."""
    deciding = {g.role for g in actor.grants if g.issuer_id == known.issuer_id} & TABLE[Right.DISPUTE_RESOLVE]
    if deciding != {Role.DISPUTE_AGENT}:
        return
    limit = in_force(ctx, known.issuer_id, known.contract_id, known.claimed.currency)
    if limit.currency != known.claimed.currency or known.claimed > limit:
        raise Forbidden(f"claims above {limit} are decided by finance", rule="ABOVE_LIMIT", limit=limit)


def in_force(ctx: Context, issuer_id: str, contract_id: str, currency: str) -> Money:
    """The limit of a contract, else of the issuer, else the default."""
    for name in (contract_id, None):
        found = store.limit(ctx.db, issuer_id, name)
        if found is not None:
            return found.amount
    return default(currency)


def save(ctx: Context, actor: Actor, issuer_id: str, amount: Money, contract_id: str | None = None) -> Limit:
    """An approver sets how much an agent may decide; nobody sets the limit of the own role."""
    authorise(actor, Right.RUN_APPROVE, issuer_id)
    if amount.amount_minor < 0:
        raise InvalidInput("a limit is not below zero", field="amount")
    if contract_id is not None:
        contracts.head(ctx, issuer_id, contract_id)

    def attempt() -> Limit:
        known = store.limit(ctx.db, issuer_id, contract_id)
        made = Limit(
            issuer_id=issuer_id,
            contract_id=contract_id,
            amount=amount,
            set_by=actor.actor_id,
            set_at_utc=ctx.now(),
            changed=known.changed + 1 if known else 0,
        )
        log = audit.entry(
            ctx,
            issuer_id=issuer_id,
            kind="DISPUTE_LIMIT",
            object_id=contract_id or "-",
            actor_id=actor.actor_id,
            action="SET",
            details={"before": known.amount if known else None, "after": amount},
        )
        ctx.db.transact([store.limit_put(made, known), log])
        return made

    return again_on_race(attempt, tables=(Table.AUDIT, Table.CLEARING))


def listed(ctx: Context, actor: Actor, issuer_id: str) -> list[Limit]:
    """The limits that were set, for the staff of the issuer."""
    authorise(actor, Right.DISPUTE_RESOLVE, issuer_id)
    return store.limits(ctx.db, issuer_id)
