"""Telling once that a document is not paid in time; OVERDUE itself is derived and never stored (product.md row 84)."""

from __future__ import annotations

from roamclear.billing import contested, store
from roamclear.billing.lateness import is_overdue
from roamclear.billing.model import Document
from roamclear.contracts.model import Contract
from roamclear.kernel.context import Context
from roamclear.kernel.errors import ConditionFailed
from roamclear.kernel.time import local_date


def tell(ctx: Context, head: Contract) -> int:
    """Write the fact ``invoice.overdue`` of every document of a contract that is late; once per document for ever.

    The day is that of the contract's zone. Returns how many were told now. Of what the partner left unpaid as disputed
    nothing is told until somebody has decided on it (product.md A3).
    """
    today = local_date(ctx.now(), head.zone)
    late = [d for d in store.open_documents(ctx.db, head.issuer_id, head.contract_id) if is_overdue(d, today)]
    known = store.told_overdue(ctx.db, head.issuer_id, [d.number for d in late])
    return sum(_tell(ctx, d) for d in late if d.number not in known and not contested.is_all(ctx, d))


def _tell(ctx: Context, document: Document) -> bool:
    try:
        ctx.db.transact(store.overdue_puts(document, ctx.now()))
    except ConditionFailed:
        return False  # another worker told it
    return True
