"""The EPC069-12 code ("GiroCode") that fills in a SEPA credit transfer when it is scanned."""

from __future__ import annotations

from roamclear.documents.invoice_model import InvoiceDocument

_MOST_MINOR = 99_999_999_999


def giro_code(document: InvoiceDocument) -> tuple[tuple[int, ...], ...] | None:
    """The module matrix for the amount due, or None where it must not stand.

    Euro only, never on credit notes, self-billed documents and drafts; it needs IBAN and RF reference. The payee is
    cut to the 70 characters of the standard.
    """
    payment, due = document.payment, document.totals.due
    if document.currency != "EUR" or document.type_code.is_credit or document.type_code.is_self_billed:
        return None
    if document.purpose.is_preview or not 1 <= due.amount_minor <= _MOST_MINOR:
        return None
    if not (payment.iban and payment.reference):
        return None
    from segno import helpers

    code = helpers.make_epc_qr(
        name=(payment.account_name or document.seller.name)[:70],
        iban=payment.iban,
        amount=due.to_decimal(),
        bic=payment.bic if payment.bic and len(payment.bic) in (8, 11) else None,
        reference=payment.reference,
        encoding=1,
    )
    return tuple(tuple(1 if module else 0 for module in row) for row in code.matrix)
