"""Payouts' part of the proof (rules.md 8), recomputed from stored data every time."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from itertools import pairwise

from roamclear.billing import service as billing
from roamclear.billing.model import Document
from roamclear.evses import service as evses
from roamclear.identity import service as identity
from roamclear.kernel.context import Context
from roamclear.ledger import service as ledger
from roamclear.ledger.model import Account, Event, JournalEntry
from roamclear.ledger.proof import Equation
from roamclear.payouts import store
from roamclear.payouts.model import Accrual, Batch, Parked, Payout, PayoutStatus
from roamclear.payouts.payments import shown

_ISSUED = (Event.INVOICE_ISSUED, Event.CREDIT_ISSUED)
_Key = tuple[str, str]


def equations(ctx: Context, issuer_id: str) -> list[Equation]:
    """Shares = revenue; lines = sums; payables = unpaid payouts; in transit = under way; numbers without gaps."""
    since = identity.issuer(ctx, issuer_id).created_at_utc or ctx.now()
    entries = list(ledger.entries(ctx, issuer_id, since))
    heads = evses.account_heads(ctx, issuer_id)
    accruals = [a for head in heads for a in store.accruals(ctx.db, issuer_id, head.account_id)]
    parked = list(store.parked_rows(ctx.db, issuer_id))
    payouts = store.payouts(ctx.db, issuer_id)
    purchases = billing.purchases(ctx, issuer_id)
    batches = {b.batch_id: b for b in store.batches(ctx.db, issuer_id)}
    return [
        *_revenue(accruals, parked, entries, billing.billed_by(ctx, issuer_id)),
        *_lines(ctx, accruals),
        *_claims(accruals, payouts),
        *_payables(ctx, issuer_id, payouts, batches, entries, purchases),
        *_transit(payouts, batches, entries),
        *_numbers(payouts, purchases),
    ]


def _revenue(
    accruals: list[Accrual], parked: list[Parked], entries: list[JournalEntry], billed_by: dict[str, str]
) -> list[Equation]:
    """Per run that was invoiced: sub-CPO shares + commission + own share (+ what is parked) = revenue net.

    Shares of a carried run stand behind the revenue of the run that bills it. Fees are revenue of their own account:
    nobody has a share in them.
    """
    revenue: dict[_Key, int] = defaultdict(int)
    for entry in entries:
        for line in entry.lines if entry.event in _ISSUED else ():
            if line.account.startswith(f"{Account.REVENUE.value}:") and line.note:
                revenue[line.note, line.amount.currency] -= line.amount.amount_minor
    given: dict[_Key, int] = defaultdict(int)
    for group in accruals:
        parts = (group.share, group.commission, group.own)
        given[billed_by.get(group.run_id, group.run_id), group.currency] += sum(part.amount_minor for part in parts)
    for row in parked:
        if row.account_id is None:
            given[billed_by.get(row.run_id, row.run_id), row.gross.currency] += row.gross.amount_minor
    return [
        _equation("shares + commission + own = revenue, net", run, currency, given[run, currency], amount)
        for (run, currency), amount in sorted(revenue.items())
    ]


def _lines(ctx: Context, accruals: list[Accrual]) -> list[Equation]:
    """The lines of a group, read one by one, = its sum."""
    found = []
    for group in accruals:
        lines = list(store.lines(ctx.db, group.issuer_id, group.account_id, group.group))
        scope, unit = f"{group.account_id} {group.group}", group.currency
        gross = sum(line.gross.amount_minor for line in lines)
        share = sum(line.share.amount_minor for line in lines)
        found.append(_equation("session shares = accrual, gross", scope, unit, gross, group.gross.amount_minor))
        found.append(_equation("session shares = accrual, share", scope, unit, share, group.share.amount_minor))
    return found


def _claims(accruals: list[Accrual], payouts: list[Payout]) -> list[Equation]:
    """The groups that name a payout = its share, and every group is in one payout at most."""
    shares: dict[str, int] = defaultdict(int)
    for group in accruals:
        if group.payout_id is not None:
            shares[group.payout_id] += group.share.amount_minor
    return [
        _equation("accruals = payout, share", p.payout_id, p.currency, shares[p.payout_id], p.share.amount_minor)
        for p in payouts
    ]


def _payables(
    ctx: Context,
    issuer_id: str,
    payouts: list[Payout],
    batches: dict[str, Batch],
    entries: list[JournalEntry],
    purchases: list[Document],
) -> list[Equation]:
    """Per account: the payable's credit balance = payouts not sent yet + what is carried + purchases not accepted."""
    unpaid: dict[_Key, int] = defaultdict(int)
    for header in purchases:
        if header.self_billed is not None:
            unpaid[header.self_billed.pay_to, header.currency] += header.open_amount.amount_minor
    for balance in store.balances(ctx.db, issuer_id):
        unpaid[balance.account_id, balance.currency] += balance.carry.amount_minor
    for payout in payouts:
        state = shown(payout, batches.get(payout.batch_id or ""))
        if state in (PayoutStatus.READY, PayoutStatus.APPROVED, PayoutStatus.RETURNED):
            unpaid[payout.account_id, payout.currency] += payout.pay.amount_minor
    owed = _balances(entries, Account.PAYABLE)
    return [
        _equation("payables = unpaid payouts", account, currency, -owed[account, currency], unpaid[account, currency])
        for account, currency in sorted(set(owed) | set(unpaid))
    ]


def _transit(payouts: list[Payout], batches: dict[str, Batch], entries: list[JournalEntry]) -> list[Equation]:
    """Per bank account: what is in transit = transfers exported and not booked."""
    under_way: dict[_Key, int] = defaultdict(int)
    for payout in payouts:
        batch = batches.get(payout.batch_id or "")
        if batch is not None and shown(payout, batch) is PayoutStatus.EXPORTED:
            under_way[batch.debtor_iban, payout.currency] += payout.pay.amount_minor
    balance = _balances(entries, Account.IN_TRANSIT)
    return [
        _equation(
            "in transit = transfers not booked", bank, currency, -balance[bank, currency], under_way[bank, currency]
        )
        for bank, currency in sorted(set(balance) | set(under_way))
    ]


def _numbers(payouts: list[Payout], purchases: list[Document]) -> list[Equation]:
    """max - min + 1 = count, and dates never go back, per series of self-billed documents.

    Payouts and purchases of an issuer share the series of their document type.
    """
    by_series: dict[str, list[tuple[str, date]]] = defaultdict(list)
    issued = [(p.document_number, p.issue_date) for p in payouts if p.document_number is not None]
    for number, day in [*issued, *((header.number, header.issue_date) for header in purchases)]:
        by_series[number.rsplit("-", 1)[0]].append((number, day))
    found = []
    for series, members in sorted(by_series.items()):
        members.sort(key=lambda pair: pair[0])
        numbers = [int(number.rsplit("-", 1)[1]) for number, _ in members]
        backward = sum(a > b for (_, a), (_, b) in pairwise(members))
        found.append(_equation("numbers without gaps", series, "numbers", numbers[-1] - numbers[0] + 1, len(numbers)))
        found.append(_equation("numbers in date order", series, "steps back", backward, 0))
    return found


def _balances(entries: list[JournalEntry], account: Account) -> dict[_Key, int]:
    found: dict[_Key, int] = defaultdict(int)
    for (name, currency), amount in ledger.balances(entries).items():
        kind, _, subject = name.partition(":")
        if kind == account.value:
            found[subject, currency] += amount.amount_minor
    return found


def _equation(name: str, scope: str, unit: str, left: int, right: int) -> Equation:
    return Equation(name=name, scope=scope, unit=unit, left=left, right=right)
