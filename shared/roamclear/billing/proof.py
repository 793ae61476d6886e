"""Billing's part of the proof (rules.md 8), recomputed from stored data every time."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise

from roamclear.billing import runs, store
from roamclear.billing.model import INVOICED_STATES, Document
from roamclear.identity import service as identity
from roamclear.kernel.context import Context
from roamclear.ledger import service as ledger
from roamclear.ledger.model import Account, Event, JournalEntry
from roamclear.ledger.proof import Equation

_ISSUED = (Event.INVOICE_ISSUED, Event.CREDIT_ISSUED, Event.SELF_BILLED)


def equations(ctx: Context, issuer_id: str) -> list[Equation]:
    """Sessions = documents = revenue; receivable debits; open items; numbers without gaps and in date order."""
    since = identity.issuer(ctx, issuer_id).created_at_utc or ctx.now()
    entries = list(ledger.entries(ctx, issuer_id, since))
    documents = store.documents(ctx.db, issuer_id)
    return [
        *_runs(ctx, issuer_id, documents, entries),
        *_receivables([d for d in documents if d.self_billed is None], entries),
        *_owed([d for d in documents if d.self_billed is not None], entries),
        *_numbers([d for d in documents if d.self_billed is None]),
    ]


def _runs(ctx: Context, issuer_id: str, documents: list[Document], entries: list[JournalEntry]) -> list[Equation]:
    """Per run and what it carries: Σ net of locked sessions + fees = Σ net of documents = revenue postings."""
    billed: dict[str, int] = defaultdict(int)
    for document in documents:
        billed[document.run_id] += document.net.amount_minor
    revenue, fee_revenue = _posted(entries, Account.REVENUE), _posted(entries, Account.FEE_REVENUE)
    bought = _posted(entries, Account.ENERGY_COST)
    all_runs = store.all_runs(ctx.db, issuer_id)
    locked: dict[str, int] = defaultdict(int)
    fees: dict[str, int] = defaultdict(int)
    taken: dict[str, int] = defaultdict(int)
    for run in all_runs:
        taken[run.billed_by or ""] += 1
        if run.state in INVOICED_STATES:
            name = run.billed_by or run.run_id
            locked[name] += sum(s.net.amount_minor for s in runs.locked_sessions(ctx, issuer_id, run.run_id) if s.net)
            fees[name] += sum(fee.net.amount_minor for fee in run.fees)
    found = []
    for run in all_runs:
        # Documents and postings share a transaction, so they agree at any time; all sessions are billed from ISSUED on.
        name, unit, net = run.run_id, run.currency, billed[run.run_id]
        if run.state in INVOICED_STATES and run.billed_by is None:
            found.append(_equation("locked sessions = documents, net", name, unit, locked[name] + fees[name], net))
            found.append(_equation("fees = fee revenue", name, unit, fees[name], fee_revenue[name]))
        if run.carries or taken[name]:
            found.append(_equation("carried runs = runs taken", name, "runs", taken[name], len(run.carries)))
        # What we buy is a debit of energy cost: the document of a REVERSE contract has no revenue.
        both = revenue[name] + fee_revenue[name] - bought[name]
        if net or both or run.state in INVOICED_STATES:
            found.append(_equation("documents = revenue, net", name, unit, net, both))
    return found


def _posted(entries: list[JournalEntry], account: Account) -> dict[str, int]:
    """Credits of an account class by issued documents, per run; debits are below zero."""
    found: dict[str, int] = defaultdict(int)
    for entry in entries:
        for line in entry.lines if entry.event in _ISSUED else ():
            if line.account.startswith(f"{account.value}:") and line.note:
                found[line.note] -= line.amount.amount_minor
    return found


def _receivables(documents: list[Document], entries: list[JournalEntry]) -> list[Equation]:
    """Net + VAT = receivable debits; receivable balance = Σ open items, per contract and currency."""
    owed: dict[tuple[str, str], int] = defaultdict(int)
    open_: dict[tuple[str, str], int] = defaultdict(int)
    for document in documents:
        key = (document.contract_id, document.currency)
        owed[key] += (document.net + document.tax).amount_minor
        open_[key] += document.open_amount.amount_minor
    debits: dict[tuple[str, str], int] = defaultdict(int)
    balance: dict[tuple[str, str], int] = defaultdict(int)
    for entry in entries:
        for line in entry.lines:
            account, _, subject = line.account.partition(":")
            if account == Account.RECEIVABLE.value:
                key = (subject, line.amount.currency)
                balance[key] += line.amount.amount_minor
                debits[key] += line.amount.amount_minor if entry.event in _ISSUED else 0
    found = []
    for contract, currency in sorted(set(owed) | set(balance)):
        key = (contract, currency)
        found.append(_equation("net + VAT = receivable debits", contract, currency, owed[key], debits[key]))
        found.append(_equation("receivable balance = open items", contract, currency, balance[key], open_[key]))
    return found


def _owed(documents: list[Document], entries: list[JournalEntry]) -> list[Equation]:
    """Net + VAT of self-billed documents = payable credits, per contract and currency."""
    owed: dict[tuple[str, str], int] = defaultdict(int)
    contract_of = {document.number: document.contract_id for document in documents}
    for document in documents:
        owed[document.contract_id, document.currency] += (document.net + document.tax).amount_minor
    credits: dict[tuple[str, str], int] = defaultdict(int)
    for entry in entries:
        for line in entry.lines if entry.event is Event.SELF_BILLED else ():
            if line.account.startswith(f"{Account.PAYABLE.value}:"):
                credits[contract_of.get(entry.subject, "-"), entry.currency] -= line.amount.amount_minor
    return [
        _equation(
            "net + VAT = payable credits", contract, currency, owed[contract, currency], credits[contract, currency]
        )
        for contract, currency in sorted(set(owed) | set(credits))
    ]


def _numbers(documents: list[Document]) -> list[Equation]:
    """From 1 to the last number each one is there, and dates never go back, per series.

    Series of self-billed documents are shared with payouts, whose room proves them.
    """
    by_series: dict[str, list[tuple[int, Document]]] = defaultdict(list)
    for document in documents:
        by_series[document.series].append((int(document.number.rsplit("-", 1)[1]), document))
    found = []
    for series, members in sorted(by_series.items()):
        ordered = sorted(members, key=lambda each: each[0])
        found.append(_equation("numbers without gaps", series, "numbers", ordered[-1][0], len({n for n, _ in ordered})))
        backward = sum(a.issue_date > b.issue_date for (_, a), (_, b) in pairwise(ordered))
        found.append(_equation("numbers in date order", series, "steps back", backward, 0))
    return found


def _equation(name: str, scope: str, unit: str, left: int, right: int) -> Equation:
    return Equation(name=name, scope=scope, unit=unit, left=left, right=right)
