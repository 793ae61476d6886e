"""Issued documents without the close that makes them, and what a bank file did to them."""

from __future__ import annotations

import hashlib
from datetime import date, timedelta
from decimal import Decimal

from roamclear.billing import rules, store
from roamclear.billing.model import Document
from roamclear.journal import store as journal
from roamclear.journal.model import ExceptionRow
from roamclear.kernel.context import Context
from roamclear.kernel.money import Money
from roamclear.ledger import service as ledger
from roamclear.ledger.model import Account, Event, credit, debit
from roamclear.reconciliation import importing
from roamclear.reconciliation.model import Imported
from tests.support import builders as b


def issue(
    ctx: Context,
    sequence: int,
    gross: str,
    *,
    contract_id: str = b.CONTRACT,
    due: date = date(2026, 12, 9),
    prefix: str = "VW",
) -> Document:
    """A document of the test issuer with its postings; a negative amount makes a credit note."""
    amount = Money.exact(Decimal(gross), "EUR")
    type_code = "380" if amount.amount_minor > 0 else "381"
    number = rules.number(prefix, type_code, 2026, sequence)
    made = Document(
        issuer_id=b.ISSUER,
        number=number,
        type_code=type_code,
        series=rules.series(prefix, type_code, 2026),
        contract_id=contract_id,
        run_id=f"{contract_id}.{number}",
        place=1,
        partner_name=contract_id,
        issue_date=due - timedelta(days=30),
        due_date=due,
        period="2026-10",
        currency="EUR",
        net=amount,
        tax=Money.zero("EUR"),
        gross=amount,
        open_amount=amount,
        sessions=1,
        energy_kwh=Decimal(1),
        reference=rules.reference(number),
        model_key="none",
        issued_at_utc=ctx.now(),
    )
    entry = ledger.entry(
        ctx,
        issuer_id=b.ISSUER,
        event=Event.INVOICE_ISSUED if type_code == "380" else Event.CREDIT_ISSUED,
        subject=number,
        currency="EUR",
        lines=[debit(Account.RECEIVABLE.of(contract_id), amount), credit(Account.REVENUE.of(contract_id), amount)],
    )
    ctx.db.transact([*store.document_create(made), entry])
    return made


def drop(ctx: Context, data: bytes, name: str | None = None) -> Imported:
    """Put a file into the inbox and import it to its end."""
    key = name or f"{hashlib.sha256(data).hexdigest()[:12]}.xml"
    ctx.objects.put("inbox", key, data, "application/xml")
    (imported,) = importing.import_inbox(ctx, [key])
    return imported


def balances(ctx: Context) -> dict[str, int]:
    """Ledger balances that are not zero, in minor units; the keys are accounts."""
    since = ctx.now() - timedelta(days=200)
    found = ledger.balances(ledger.entries(ctx, b.ISSUER, since))
    return {account: money.amount_minor for (account, _), money in sorted(found.items()) if money}


def open_exceptions(ctx: Context) -> list[tuple[str, str]]:
    """Kinds and documents (or nothing) of the open exceptions, sorted."""
    return sorted((row.kind.value, row.document or "") for row in exceptions(ctx))


def exceptions(ctx: Context) -> list[ExceptionRow]:
    """Open exceptions."""
    return list(journal.listed(ctx.db, b.ISSUER, "OPEN"))


def states(ctx: Context) -> dict[str, tuple[str, int]]:
    """State and open amount of every document."""
    return {d.number: (d.state.value, d.open_amount.amount_minor) for d in store.documents(ctx.db, b.ISSUER)}
