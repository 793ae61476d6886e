"""Cash application's part of the proof (rules.md 8), recomputed from stored data every time."""

from __future__ import annotations

from collections import defaultdict

from roamclear.identity import service as identity
from roamclear.kernel.context import Context
from roamclear.ledger import service as ledger
from roamclear.ledger.model import Account
from roamclear.ledger.proof import Equation
from roamclear.reconciliation import store
from roamclear.reconciliation.continuity import place


def equations(ctx: Context, issuer_id: str) -> list[Equation]:
    """Bank = closing balance of its last statement; unapplied + suspense = what payments say is not explained."""
    since = identity.issuer(ctx, issuer_id).created_at_utc or ctx.now()
    balances = ledger.balances(ledger.entries(ctx, issuer_id, since))
    found = []
    for account in store.accounts(ctx.db, issuer_id):
        rows = [
            row
            for row in store.statements(ctx.db, issuer_id, account.account)
            if row.currency == account.currency and row.kind == "camt.053" and row.closing is not None
        ]
        if rows:
            last = max(rows, key=place)
            booked = balances.get((Account.BANK.of(account.account), account.currency))
            right = last.closing.amount_minor if last.closing else 0
            left = booked.amount_minor if booked else 0
            found.append(
                _equation("bank account = closing balance", account.account[-4:], account.currency, left, right)
            )
    return [*found, *_held(ctx, issuer_id, {key: money.amount_minor for key, money in balances.items()})]


def _held(ctx: Context, issuer_id: str, balances: dict[tuple[str, str], int]) -> list[Equation]:
    open_: dict[str, int] = defaultdict(int)
    for payment in store.unapplied(ctx.db, issuer_id):
        open_[payment.amount.currency] += payment.unapplied.amount_minor
    kept: dict[str, int] = defaultdict(int)
    for (name, currency), minor in balances.items():
        if name.startswith((f"{Account.UNAPPLIED.value}:", f"{Account.SUSPENSE.value}:")):
            kept[currency] -= minor
    return [
        _equation("unapplied and suspense = unexplained payments", currency, currency, kept[currency], open_[currency])
        for currency in sorted({*kept, *open_})
    ]


def _equation(name: str, scope: str, unit: str, left: int, right: int) -> Equation:
    return Equation(name=name, scope=scope, unit=unit, left=left, right=right)
