"""What it means that a document is late; pure."""

from __future__ import annotations

from datetime import date

from roamclear.billing.model import Document, DocumentState

_CLOSED = (DocumentState.CANCELLED, DocumentState.UNCOLLECTIBLE)


def is_overdue(document: Document, today: date) -> bool:
    """Whether money is owed to us beyond the due date; the day itself is in time."""
    owed = document.self_billed is None and document.open_amount.amount_minor > 0 and document.state not in _CLOSED
    return owed and document.due_date < today
