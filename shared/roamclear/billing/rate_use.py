"""Which issued documents state VAT by the rate of a day: they keep it, whatever is corrected later (rules.md 7)."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

from roamclear.billing import store
from roamclear.billing.model import Document
from roamclear.documents.model import InvoiceDocument
from roamclear.identity.model import Actor, Right
from roamclear.identity.rules import authorise
from roamclear.kernel import numbers_json
from roamclear.kernel.context import Context
from roamclear.kernel.money import Money
from roamclear.kernel.record import Record
from roamclear.kernel.workdays import next_business_day

#: More are not read in one request; who corrects such a rate counts by the export of the period.
MOST_DOCUMENTS = 500


class RateUse(Record):
    """A document that states its VAT by a rate: what it says, and by which rate."""

    number: str
    issue_date: date
    contract_id: str
    tax: Money
    national_tax: Money
    rate: Decimal
    rate_date: date


class RateUses(Record):
    """The documents by a rate; ``complete`` is False where there are more than could be read."""

    documents: tuple[RateUse, ...]
    complete: bool


def documents_by_rate(ctx: Context, actor: Actor, issuer_id: str, currency: str, day: date) -> RateUses:
    """The documents whose VAT was stated in another currency by the rate of a currency and day, and their corrections.

    A rate counts from its own day until the next TARGET day's; a credit note takes that of its original.
    """
    authorise(actor, Right.RUN_VIEW, issuer_id)
    last = next_business_day(day + timedelta(days=1))
    headers = [d for d in store.documents_issued(ctx.db, issuer_id, day, last) if d.tax]
    found: dict[str, RateUse] = {}
    for header in headers[:MOST_DOCUMENTS]:
        use = _use(ctx, header, currency, day)
        if use is None:
            continue
        found[use.number] = use
        later = [store.document(ctx.db, issuer_id, number) for number in header.corrected_by]
        for each in later:
            again = _use(ctx, each, currency, day) if each else None
            if again is not None:
                found[again.number] = again
    return RateUses(documents=tuple(found[n] for n in sorted(found)), complete=len(headers) <= MOST_DOCUMENTS)


def _use(ctx: Context, header: Document, currency: str, day: date) -> RateUse | None:
    kept = ctx.objects.get("documents", header.model_key)
    stated = InvoiceDocument.load(numbers_json.loads(kept)).national_tax if kept else None
    if stated is None or stated.rate_date != day or currency not in (stated.tax.currency, header.currency):
        return None
    return RateUse(
        number=header.number,
        issue_date=header.issue_date,
        contract_id=header.contract_id,
        tax=header.tax,
        national_tax=stated.tax,
        rate=stated.rate,
        rate_date=stated.rate_date,
    )
