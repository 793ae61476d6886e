"""The last credit note of a document takes the rest of its VAT (rules.md 7; product.md row 67).

VAT is rounded once per document, so credit notes that credit a document part by part may come to a minor unit more or
less than it charged. The one with which a category is credited whole states what is left of its VAT.
"""

from __future__ import annotations

from decimal import Decimal

from roamclear.billing import store
from roamclear.billing.model import Document, Run
from roamclear.documents.checks import MOST_REST
from roamclear.documents.model import InvoiceDocument
from roamclear.documents.totals import totals
from roamclear.kernel import numbers_json
from roamclear.kernel.context import Context
from roamclear.kernel.errors import InvariantBroken
from roamclear.kernel.money import Money


def taken(ctx: Context, run: Run, draft: InvoiceDocument) -> InvoiceDocument:
    """A credit note with the rest of the VAT where it ends a category of its document; any other draft as it is."""
    invoice = store.document(ctx.db, run.issuer_id, run.corrects) if run.corrects else None
    if invoice is None or not draft.type_code.is_credit:
        return draft
    charged = _by_rate(ctx, [invoice])
    credited = _by_rate(ctx, [store.document(ctx.db, run.issuer_id, number) for number in invoice.corrected_by])
    rows = []
    for row in draft.vat:
        key = (row.category.value, row.rate.normalize())
        (taxable, tax), (before, given) = charged.get(key, (0, 0)), credited.get(key, (0, 0))
        rest = tax - given
        ends = key in charged and before + row.taxable.amount_minor == taxable
        takes = ends and abs(rest - row.tax.amount_minor) <= MOST_REST
        rows.append(row.model_copy(update={"tax": Money(rest, draft.currency)}) if takes else row)
    if tuple(rows) == draft.vat:
        return draft
    sums = totals(rows, draft.currency, prepaid=draft.totals.prepaid)
    return draft.model_copy(update={"vat": tuple(rows), "totals": sums})


def _by_rate(ctx: Context, headers: list[Document | None]) -> dict[tuple[str, Decimal], tuple[int, int]]:
    """Taxable amount and VAT of documents by category and rate, as they state them."""
    found: dict[tuple[str, Decimal], tuple[int, int]] = {}
    for header in headers:
        kept = ctx.objects.get("documents", header.model_key) if header is not None else None
        if kept is None:
            raise InvariantBroken("the model of an issued document is gone", number=header.number if header else "")
        for row in InvoiceDocument.load(numbers_json.loads(kept)).vat:
            key = (row.category.value, row.rate.normalize())
            taxable, tax = found.get(key, (0, 0))
            found[key] = (taxable + row.taxable.amount_minor, tax + row.tax.amount_minor)
    return found
