"""Telling once that a document is not paid in time; OVERDUE itself is derived and never stored (product.md row 84)."""

from __future__ import annotations

from roamclear.billing import store
from roamclear.billing.lateness import is_overdue
from roamclear.billing.model import Document
from roamclear.contracts.model import Contract
from roamclear.kernel.context import Context
from roamclear.kernel.errors import ConditionFailed
from roamclear.kernel.time import local_date


def tell(ctx: Context, head: Contract) -> int:
    """Write the fact ``invoice.overdue`` of every document of a contract that is late; once per document for ever.

    The day is that of the contract's zone. Returns how many were told now.
    """
    today = local_date(ctx.now(), head.zone)
    late = [d for d in store.open_documents(ctx.db, head.issuer_id, head.contract_id) if is_overdue(d, today)]
    known = store.told_overdue(ctx.db, head.issuer_id, [d.number for d in late])
    return sum(_tell(ctx, document) for document in late if document.number not in known)


def _tell(ctx: Context, document: Document) -> bool:
    try:
        ctx.db.transact(store.overdue_puts(document, ctx.now()))
    except ConditionFailed:
        return False  # another worker told it
    return True
