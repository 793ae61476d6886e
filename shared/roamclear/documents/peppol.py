"""Peppol BIS Billing 3.0 and BIS Self-Billing 3.0: what a document calls itself, and rules beside EN 16931.

A self-billed document goes the other way than an invoice: the buyer draws it up and sends it, the seller receives it.
The parties keep their roles (the seller is the supplier). National rules are not part of Self-Billing 3.0.
"""

from __future__ import annotations

from collections.abc import Iterator

from roamclear.documents.invoice_model import InvoiceDocument, VatCategory
from roamclear.kernel.ids import electronic_address

EN_16931 = "urn:cen.eu:en16931:2017"
_CUSTOMIZATION = EN_16931 + "#compliant#urn:fdc:peppol.eu:2017:poacc:{kind}:3.0"
_PROFILE = "urn:fdc:peppol.eu:2017:poacc:{kind}:01:1.0"
#: A reason code that belongs to one VAT category (P0105, P0107).
_OF_CODE = {"VATEX-EU-O": VatCategory.OUT_OF_SCOPE, "VATEX-EU-AE": VatCategory.REVERSE_CHARGE}


def speaks(document: InvoiceDocument) -> bool:
    """Whether a self-billed document can claim the Self-Billing profile: both parties are participants (CL008).

    The holder of a payout account is known by a mail address; its document is one of EN 16931 and claims no more.
    """
    parties = (document.seller, document.buyer)
    return all(electronic_address.is_participant(party.electronic_scheme) for party in parties)


def customization(document: InvoiceDocument) -> str:
    """BT-24, the specification that the document keeps."""
    if not document.type_code.is_self_billed:
        return _CUSTOMIZATION.format(kind="billing")
    return _CUSTOMIZATION.format(kind="selfbilling") if speaks(document) else EN_16931


def profile(document: InvoiceDocument) -> str | None:
    """BT-23, the business process; None where the document is none of the network's."""
    if not document.type_code.is_self_billed:
        return _PROFILE.format(kind="billing")
    return _PROFILE.format(kind="selfbilling") if speaks(document) else None


def self_billing_faults(document: InvoiceDocument) -> Iterator[str]:
    """What forbids a self-billed document under the rules of Self-Billing 3.0 that EN 16931 does not know."""
    if not document.type_code.is_self_billed:
        return
    seller, buyer = document.seller, document.buyer
    for role, party in (("seller", seller), ("buyer", buyer)):
        scheme, known = party.electronic_scheme, party.electronic_address
        if not scheme or not known or scheme == "EM":
            continue  # missing is said elsewhere, and a mail address is no participant
        if not electronic_address.is_participant(scheme):
            yield f"{role}.electronic_scheme: {scheme} is no scheme of Peppol (PEPPOL-EN16931-CL008)"
        elif not electronic_address.is_valid(scheme, known):
            yield f"{role}.electronic_address: is no id of scheme {scheme} (PEPPOL-COMMON)"
    address = (seller.electronic_scheme, seller.electronic_address)
    if all(address) and address == (buyer.electronic_scheme, buyer.electronic_address):
        yield "seller.electronic_address: is that of the buyer, who would send the document to itself"
    yield from _periods(document)
    for row in document.vat:
        belongs = _OF_CODE.get((row.reason.code or "").upper()) if row.reason else None
        if belongs is not None and belongs is not row.category:
            yield f"vat[{row.category}].reason.code: belongs to category {belongs} (PEPPOL-EN16931-P0104 to P0111)"
    national = document.national_tax
    if national is not None and national.tax.currency == document.currency:
        yield "national_tax: is in the currency of the document (PEPPOL-EN16931-R005)"
    if national is not None and national.tax.amount_minor * document.totals.tax.amount_minor < 0:
        yield "national_tax: has another sign than the VAT (PEPPOL-EN16931-R055)"


def _periods(document: InvoiceDocument) -> Iterator[str]:
    for place, line in enumerate(document.lines):
        if line.period_start is not None and line.period_start < document.period_start:
            yield f"lines[{place}].period_start: lies before the document's period (PEPPOL-EN16931-R110)"
        if line.period_end is not None and line.period_end > document.period_end:
            yield f"lines[{place}].period_end: lies after the document's period (PEPPOL-EN16931-R111)"
