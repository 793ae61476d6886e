"""The journal lines of an accrual pack in the accounts of the house; proposals, never posted in our ledger."""

from __future__ import annotations

from datetime import datetime

from roamclear.accounting import rules as accounting
from roamclear.accounting.model import Chart
from roamclear.kernel.money import Money
from roamclear.ledger.model import Account, Event, JournalEntry, Line, credit, debit
from roamclear.status.pack_model import ContractAccrual, Posting

#: What the chart must name before a pack is drawn.
CLASSES = (
    Account.ACCRUED_REVENUE,
    Account.REVENUE,
    Account.FEE_REVENUE,
    Account.DISPUTE_PROVISION,
    Account.ENERGY_COST,
    Account.ACCRUED_COST,
)


def postings(chart: Chart, issuer_id: str, period: str, as_of: datetime, row: ContractAccrual) -> tuple[Posting, ...]:
    """Up to three balanced entries: accrued revenue with its fees (or cost), disputed amounts, deferred shares.

    They are to be undone on the first day after ``as_of``. An amount of zero has no entry.
    """
    entries = []
    for name, lines in _entries(row):
        kept = tuple(line for line in lines if line.amount)
        if kept:
            subject = f"{period}#{row.contract_id}#{row.currency}#{name}"
            entries.append(
                JournalEntry(
                    issuer_id=issuer_id,
                    event=Event.ACCRUAL,
                    subject=subject,
                    at_utc=as_of,
                    currency=row.currency,
                    lines=kept,
                    memo=f"{name} {row.contract_id} {period}",
                )
            )
    return tuple(
        Posting(entry=booking.text, account=side.account, name=side.name, amount=side.amount)
        for booking in accounting.bookings(chart, entries, "UTC")
        for side in booking.sides
    )


def _entries(row: ContractAccrual) -> list[tuple[str, list[Line]]]:
    subject = row.contract_id or ""
    accrued, provision, cost = row.accrued, row.disputed.claimed, row.deferred
    sessions: Money = accrued - row.fees
    if row.bought:
        bought = debit(Account.ENERGY_COST.of(subject), accrued), credit(Account.ACCRUED_COST.of(subject), accrued)
        return [("ACCRUED COST", [*bought])]
    return [
        (
            "ACCRUED REVENUE",
            [
                debit(Account.ACCRUED_REVENUE.of(subject), accrued),
                credit(Account.REVENUE.of(subject), sessions),
                credit(Account.FEE_REVENUE.of(subject), row.fees),
            ],
        ),
        (
            "DISPUTED",
            [
                debit(Account.REVENUE.of(subject), provision),
                credit(Account.DISPUTE_PROVISION.of(subject), provision),
            ],
        ),
        (
            "DEFERRED SHARES",
            [debit(Account.ENERGY_COST.of(subject), cost), credit(Account.ACCRUED_COST.of(subject), cost)],
        ),
    ]
