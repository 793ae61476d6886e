"""Registering bank accounts: one owner per account and currency in the whole deployment."""

from __future__ import annotations

from roamclear.kernel.context import Context
from roamclear.kernel.errors import ConditionFailed
from roamclear.reconciliation import store
from roamclear.reconciliation.model import BankAccount


def register(ctx: Context, wanted: BankAccount) -> BankAccount:
    """Register an account for its issuer; the same again is the same.

    Raises:
        ConditionFailed: another issuer owns it.
    """
    made = wanted.model_copy(update={"registered_at_utc": ctx.now()})
    try:
        ctx.db.transact(list(store.account_writes(made)))
    except ConditionFailed:
        known = store.owner(ctx.db, made.account, made.currency)
        if known is None or known.issuer_id != made.issuer_id:
            raise
        return known
    return made
