"""Keeping the statements of an account: opening balance, repeats, and whether the chain has gaps."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from roamclear.bank.model import Kind, StatementEnd
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionType
from roamclear.kernel.context import Context
from roamclear.kernel.errors import Busy, ConditionFailed
from roamclear.kernel.money import Money
from roamclear.kernel.writes import Action
from roamclear.ledger import service as ledger
from roamclear.ledger.model import Account, Event, credit, debit
from roamclear.reconciliation import continuity, store
from roamclear.reconciliation.model import (
    BankAccount,
    StatementRow,
)

_TRIES = 8


@dataclass(slots=True)
class Plan:
    """One statement of the file as the first reading found it."""

    end: StatementEnd
    currency: str | None
    account: BankAccount | None
    day: date
    digest: str
    groups: dict[str, dict[str, int]] = field(default_factory=dict)


def close_statement(ctx: Context, plan: Plan, sha256: str) -> None:
    """Keep the statement, post the opening balance of the earliest one, and look at the chain."""
    row = _row(ctx, plan, sha256)
    known = store.statement(ctx.db, row.issuer_id, row.account, row.key)
    if known is None:
        known = _keep(ctx, row)
    if known is not None and known.file_sha256 != sha256 and row.kind == Kind.STATEMENT:
        same = known.digest == row.digest
        text = "a statement came again" if same else "a statement came again with other contents"
        _statement_exception(ctx, row, ExceptionType.STATEMENT_DUPLICATE, _of(row, sha256[:12]), text, same)
    if row.consistent is False:
        text = "opening balance and entries do not give the closing balance"
        _statement_exception(ctx, row, ExceptionType.STATEMENT_GAP, _of(row, "BALANCE"), text)
    _look_at_chain(ctx, row)


def _row(ctx: Context, plan: Plan, sha256: str) -> StatementRow:
    assert plan.account is not None
    end = plan.end
    currency = plan.account.currency
    return StatementRow(
        issuer_id=plan.account.issuer_id,
        account=plan.account.account,
        key=continuity.statement_key(end, currency, plan.day),
        kind=end.head.kind.value,
        statement_id=end.head.id,
        currency=currency,
        number=end.head.electronic_number or end.head.legal_number,
        day=plan.day,
        opening=end.opening.amount if end.opening else None,
        closing=end.closing.amount if end.closing else None,
        net=Money(end.booked.get(currency, 0), currency),
        entries=end.entries,
        consistent=end.consistent,
        digest=plan.digest,
        file_sha256=sha256,
        received_at_utc=ctx.now(),
    )


def _keep(ctx: Context, row: StatementRow) -> StatementRow | None:
    """Write the row; the first opening balance of an account is a ledger entry, an earlier one corrects it."""
    for _ in range(_TRIES):
        actions: list[Action] = [store.statement_put(row)]
        account = store.account(ctx.db, row.issuer_id, row.account, row.currency)
        opens = row.opening is not None and row.opening.currency == row.currency and row.kind == Kind.STATEMENT
        place = continuity.place(row)
        if account is not None and opens and (account.opening_from is None or place < account.opening_from):
            assert row.opening is not None
            made = account.model_copy(update={"opening_from": place, "opening": row.opening})
            actions.append(store.account_state_put(made, account))
            delta = row.opening - (account.opening or Money.zero(row.currency))
            if delta:
                actions.append(_opening_entry(ctx, row, delta))
        try:
            ctx.db.transact(actions)
        except ConditionFailed:
            known = store.statement(ctx.db, row.issuer_id, row.account, row.key)
            if known is not None:
                return known
            continue
        return None
    raise Busy("the statements of an account are imported by too many at once")


def _opening_entry(ctx: Context, row: StatementRow, delta: Money) -> Action:
    return ledger.entry(
        ctx,
        issuer_id=row.issuer_id,
        event=Event.OPENING,
        subject=f"{row.account}#{row.key}",
        currency=row.currency,
        lines=[debit(Account.BANK.of(row.account), delta), credit(Account.EQUITY.of(row.account), delta)],
        memo=f"opening balance before {row.day.isoformat()}",
    )


def _look_at_chain(ctx: Context, row: StatementRow) -> None:
    """Raise gaps beside this statement; close those that it fills."""
    rows = [r for r in store.statements(ctx.db, row.issuer_id, row.account) if r.currency == row.currency]
    present = continuity.gaps(rows)
    without = continuity.gaps([r for r in rows if r.key != row.key])
    for pair in without.keys() - present.keys():
        subject = _gap(row, pair)
        journal.resolve(
            ctx, row.issuer_id, ExceptionType.STATEMENT_GAP, subject, by="system:import", reason="the statement came"
        )
    for pair, reason in present.items():
        if row.key in pair or pair not in without:
            _statement_exception(ctx, row, ExceptionType.STATEMENT_GAP, _gap(row, pair), reason)


def _of(row: StatementRow, what: str) -> str:
    """A statement's business key: two accounts may number their statements alike."""
    return f"{row.account[-4:]}#{row.key}#{what}"


def _gap(row: StatementRow, pair: tuple[str, str]) -> str:
    return f"{row.account[-4:]}#{pair[0]}#{pair[1]}"


def _statement_exception(
    ctx: Context, row: StatementRow, kind: ExceptionType, subject: str, message: str, harmless: bool = False
) -> None:
    journal.raise_once(
        ctx,
        row.issuer_id,
        kind,
        subject,
        f"account …{row.account[-4:]}, statement {row.number or row.statement_id}: {message}",
        severity="INFO" if harmless else "WARN",
        next_action="nothing" if harmless else "ask the bank for the statement",
    )
