"""VAT also in the currency of the seller's state where the document uses another (Art. 230, BT-6, BT-111; row 137)."""

from __future__ import annotations

from roamclear.billing import store
from roamclear.billing.model import Document, Run
from roamclear.documents.checks import national_currency
from roamclear.documents.model import InvoiceDocument, NationalTax
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionType
from roamclear.kernel import numbers_json
from roamclear.kernel.context import Context
from roamclear.rates import rules
from roamclear.rates import service as rates


def stated(ctx: Context, run: Run, draft: InvoiceDocument) -> InvoiceDocument:
    """The document with its VAT in the national currency, by the stored rate of the issue date.

    A correction takes the rate of the document it corrects (rules.md 7). A missing rate is told by name and the
    document stays without the amount, which the checks refuse: the run waits, and resumes when the rate is recorded.
    """
    national = national_currency(draft.seller.country)
    if national is None or national == draft.currency or not draft.totals.tax:
        return draft
    found = _of_original(ctx, run, draft, national) or _of_day(ctx, run, draft, national)
    kind = ExceptionType.RATE_MISSING
    if found is None:
        pair = " and ".join(sorted({national, draft.currency} - {rules.BASE}))
        journal.raise_once(
            ctx,
            run.issuer_id,
            kind,
            run.run_id,
            f"no rate of {pair} is stored for {rules.earliest(draft.issue_date)} to {draft.issue_date}: the VAT cannot "
            f"be stated in {national} (Art. 230)",
            severity="HIGH",
            partner=run.contract_id,
            next_action="look at refresh_rates or record the published rate, then resume the run",
        )
        return draft
    journal.resolve(ctx, run.issuer_id, kind, run.run_id, by="system:close", reason="the rate is stored")
    return draft.model_copy(update={"national_tax": found})


def _of_day(ctx: Context, run: Run, draft: InvoiceDocument, national: str) -> NationalTax | None:
    found = rates.convert(ctx, run.issuer_id, draft.totals.tax, national, draft.issue_date)
    if found is None:
        return None
    return NationalTax(tax=found.amount, rate=found.rate, rate_date=found.day, source=found.source)


def _of_original(ctx: Context, run: Run, draft: InvoiceDocument, national: str) -> NationalTax | None:
    corrected = store.document(ctx.db, run.issuer_id, run.corrects) if run.corrects else None
    known = _stored(ctx, corrected) if corrected else None
    if known is None or known.tax.currency != national:
        return None
    return known.model_copy(update={"tax": rules.converted(draft.totals.tax, known.rate, national)})


def _stored(ctx: Context, header: Document) -> NationalTax | None:
    kept = ctx.objects.get("documents", header.model_key)
    return InvoiceDocument.load(numbers_json.loads(kept)).national_tax if kept else None
