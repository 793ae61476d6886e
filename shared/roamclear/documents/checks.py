"""What must be right before a document is issued: Art. 226 of the VAT Directive, EN 16931 sums, Peppol R003, R010,
R020, R120, those of Self-Billing 3.0, and our own IBAN, RF and preceding-reference rules (the bundled schematron
catches none of the last three).

Each finding reads ``place: what is wrong (rule)``; an empty list means the document may be issued. Nothing is raised,
for a refusal is an expected outcome.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import ROUND_HALF_UP

from roamclear.documents import peppol
from roamclear.documents.invoice_model import (
    DocumentType,
    InvoiceDocument,
    Line,
    NationalTax,
    Party,
    VatCategory,
    VatTotal,
)
from roamclear.documents.totals import totals, vat_breakdown
from roamclear.kernel.ids import iban, rf_reference
from roamclear.kernel.money import Money, minor_digits, total

#: National currency of the member states outside the euro (Art. 230); every other member state has EUR.
_NATIONAL = {"CZ": "CZK", "DK": "DKK", "HU": "HUF", "PL": "PLN", "RO": "RON", "SE": "SEK"}
_EURO = frozenset({
    "AT", "BE", "BG", "CY", "DE", "EE", "ES", "FI", "FR", "GR", "HR", "IE", "IT", "LT", "LU", "LV", "MT", "NL", "PT",
    "SI", "SK",
})  # fmt: skip
#: Minor units by which a document and all its credit notes may differ in VAT, which is rounded once on each.
MOST_REST = 10
_FREE = frozenset({VatCategory.REVERSE_CHARGE, VatCategory.OUT_OF_SCOPE, VatCategory.EXEMPT, VatCategory.ZERO})
_REASONED = frozenset({VatCategory.REVERSE_CHARGE, VatCategory.OUT_OF_SCOPE, VatCategory.EXEMPT})


def missing(document: InvoiceDocument) -> list[str]:
    """Everything that forbids issuing the document, by the name of the field; empty when it may be issued."""
    return [
        *_head(document),
        *_party("seller", document.seller),
        *_party("buyer", document.buyer),
        *_tax_ids(document),
        *_references(document),
        *_lines(document),
        *_breakdown(document),
        *_sums(document),
        *_payment(document),
        *peppol.self_billing_faults(document),
    ]


def national_currency(country: str) -> str | None:
    """The currency in which VAT of a member state is owed; None where Art. 230 does not apply.

    >>> national_currency("PL"), national_currency("DE"), national_currency("CH")
    ('PLN', 'EUR', None)
    """
    return _NATIONAL.get(country) or ("EUR" if country in _EURO else None)


def _head(document: InvoiceDocument) -> Iterator[str]:
    if not document.purpose.is_preview and not document.number:
        yield "number: a sequential number is missing (Art. 226(2), BR-02)"
    if not document.lines:
        yield "lines: there is no line (Art. 226(6), BR-16)"
    if document.period_end < document.period_start:
        yield "period_end: the period ends before it begins (Art. 226(7), BR-29)"
    if minor_digits(document.currency) > 2:
        yield "currency: EN 16931 knows amounts of at most two decimals (BR-DEC)"
    if document.due_date is not None and document.due_date < document.issue_date:
        yield "due_date: is before the issue date"
    national = national_currency(document.seller.country)
    if document.totals.tax and national not in (None, document.currency):
        if document.national_tax is None:
            yield f"national_tax: the VAT is missing in {national} (Art. 230)"
        elif document.national_tax.tax.currency != national:
            yield f"national_tax: is not in {national} (Art. 230)"
        elif document.national_tax.tax != _at_rate(document.totals.tax, document.national_tax):
            yield "national_tax.tax: is not the VAT at the stated rate (Art. 230)"


def _at_rate(tax: Money, stated: NationalTax) -> Money:
    return Money.from_decimal(tax.to_decimal() * stated.rate, stated.tax.currency, rounding=ROUND_HALF_UP)


def _party(role: str, party: Party) -> Iterator[str]:
    if not party.name.strip():
        yield f"{role}.name: is missing (Art. 226(5))"
    if not any(line.strip() for line in party.address_lines) and not (party.postcode or "").strip():
        yield f"{role}.address_lines: street or postcode is missing (Art. 226(5))"
    if not party.city.strip():
        yield f"{role}.city: is missing (Art. 226(5))"
    if len(party.country) != 2 or not party.country.isalpha() or not party.country.isupper():
        yield f"{role}.country: is no ISO 3166-1 alpha-2 code (BR-09, BR-11)"
    if not party.electronic_address or not party.electronic_scheme:
        rule = "PEPPOL-EN16931-R020" if role == "seller" else "PEPPOL-EN16931-R010"
        yield f"{role}.electronic_address: address and scheme are missing ({rule})"


def _tax_ids(document: InvoiceDocument) -> Iterator[str]:
    categories = {line.vat_category for line in document.lines}
    seller, buyer, fiscal = document.seller, document.buyer, document.tax_representative
    if VatCategory.OUT_OF_SCOPE in categories:
        if not seller.legal_id:
            yield "seller.legal_id: is missing, category O states no VAT id (BR-CO-26)"
        if len(categories) > 1:
            yield "lines: category O never shares a document with other categories (BR-O-11)"
    elif not seller.vat_id and not (fiscal and fiscal.vat_id) and (seller.tax_number is None or categories & _TAXED):
        yield "seller.vat_id: is missing (Art. 226(3))"
    if VatCategory.REVERSE_CHARGE in categories and not buyer.vat_id:
        yield "buyer.vat_id: is missing, the buyer owes the tax (Art. 226(4), BR-AE-02)"
    for role, party in (("seller", seller), ("buyer", buyer), ("tax_representative", fiscal)):
        if party and party.vat_id and not _prefixed(party.vat_id):
            yield f"{role}.vat_id: does not begin with its country (BR-CO-09)"
    if fiscal is not None and not (fiscal.vat_id and fiscal.name and fiscal.country):
        yield "tax_representative: name, country and VAT id are missing (Art. 226(15), BR-56)"


_TAXED = frozenset({VatCategory.STANDARD, VatCategory.REVERSE_CHARGE})


def _prefixed(vat_id: str) -> bool:
    return len(vat_id) > 2 and vat_id[:2].isalpha() and vat_id[:2].isupper() and vat_id.isalnum()


def _references(document: InvoiceDocument) -> Iterator[str]:
    if not document.buyer_reference and not document.order_reference:
        yield "buyer_reference: neither buyer reference nor order reference is given (PEPPOL-EN16931-R003)"
    amends = document.type_code.is_credit or document.type_code is DocumentType.CORRECTED_INVOICE
    if amends and not document.preceding:
        yield "preceding: the document that this one amends is missing (Art. 219)"
    for place, reference in enumerate(document.preceding):
        if not reference.number.strip() or reference.issue_date is None:
            yield f"preceding[{place}]: number and date are missing (Art. 219)"


def _lines(document: InvoiceDocument) -> Iterator[str]:
    for place, line in enumerate(document.lines):
        where = f"lines[{place}]"
        if line.net.currency != document.currency:
            yield f"{where}.net: is in {line.net.currency}, the document in {document.currency}"
        if not line_adds_up(line):
            yield f"{where}.net: is not quantity x price / base quantity (PEPPOL-EN16931-R120)"
        if line.vat_category is VatCategory.STANDARD and line.vat_rate <= 0:
            yield f"{where}.vat_rate: category S has a rate above zero (Art. 226(9), BR-S-05)"
        if line.vat_category in _FREE and line.vat_rate != 0:
            yield f"{where}.vat_rate: category {line.vat_category} has no rate (BR-{line.vat_category}-05)"
        if line.period_start and line.period_end and line.period_end < line.period_start:
            yield f"{where}.period_end: the period ends before it begins (BR-30)"
        if line.unit_price is not None and line.unit_price < 0:
            yield f"{where}.unit_price: is negative; a minus stands in the quantity (BR-27)"


def line_adds_up(line: Line) -> bool:
    """Peppol R120: BT-131 = BT-129 x BT-146 / BT-149, exactly."""
    return line.net.to_decimal() * line.base_quantity == line.quantity * line.price.to_decimal()


def _breakdown(document: InvoiceDocument) -> Iterator[str]:
    stated = {(row.category, row.rate.normalize()): row for row in document.vat}
    if len(stated) != len(document.vat):
        yield "vat: a category and rate is stated twice (BR-S-08)"
    expected = _recomputed(document.lines, document.currency)
    if {(r.category, r.rate.normalize()) for r in expected} != set(stated):
        yield "vat: the breakdown has other categories and rates than the lines (Art. 226(8), BR-CO-18)"
    for row in expected:
        found = stated.get((row.category, row.rate.normalize()))
        if found and (found.taxable != row.taxable or abs(found.tax - row.tax) > _rest(document)):
            yield f"vat[{row.category} {row.rate:f}]: is not the tax on the document's sum (BR-CO-17, BR-S-08)"
    for row in document.vat:
        if row.category in _REASONED and not (row.reason and row.reason.text.strip()):
            yield f"vat[{row.category}].reason: is missing (Art. 226(11), BR-{row.category}-10)"
        if row.category not in _REASONED and row.reason is not None:
            yield f"vat[{row.category}].reason: must not be given (BR-{row.category}-10)"


def _rest(document: InvoiceDocument) -> Money:
    """How far the VAT of a credit note may lie from its sum: its document was charged whole, and credited in parts."""
    ends = document.type_code.is_credit and bool(document.preceding)
    return Money(MOST_REST if ends else 0, document.currency)


def _recomputed(lines: Iterable[Line], currency: str) -> tuple[VatTotal, ...]:
    return vat_breakdown([line for line in lines if line.net.currency == currency], currency)


def _sums(document: InvoiceDocument) -> Iterator[str]:
    stated = document.totals
    amounts = (stated.net, stated.tax, stated.gross, stated.prepaid, stated.due)
    vat_amounts = [a for row in document.vat for a in (row.taxable, row.tax)]
    if any(amount.currency != document.currency for amount in [*amounts, *vat_amounts]):
        yield f"totals: are not all in {document.currency}"
        return
    in_currency = [line.net for line in document.lines if line.net.currency == document.currency]
    if stated.net != total(in_currency, document.currency):
        yield "totals.net: is not the sum of the lines (BR-CO-10, BR-CO-13)"
    expected = totals(document.vat, document.currency, prepaid=stated.prepaid)
    if stated.tax != expected.tax:
        yield "totals.tax: is not the sum of the VAT breakdown (Art. 226(10), BR-CO-14)"
    if stated.gross != stated.net + stated.tax:
        yield "totals.gross: is not net plus VAT (BR-CO-15)"
    if stated.due != stated.gross - stated.prepaid:
        yield "totals.due: is not gross minus prepaid (BR-CO-16)"
    if stated.gross < Money.zero(document.currency):
        yield "totals.gross: is negative; a negative run issues a 381 or carries over (rules.md 6)"


def _payment(document: InvoiceDocument) -> Iterator[str]:
    payment, owed = document.payment, document.totals.due
    collects = owed.amount_minor > 0 and not document.type_code.is_credit
    if collects and document.due_date is None and not payment.terms:
        yield "due_date: neither due date nor terms are given (BR-CO-25)"
    if collects and not payment.iban:
        yield "payment.iban: is missing (BR-50, BR-61)"
    if payment.iban and not iban.is_valid(payment.iban):
        yield "payment.iban: the check digits or the structure are wrong (ISO 13616)"
    if payment.reference and not rf_reference.is_valid(payment.reference):
        yield "payment.reference: the check digits are wrong (ISO 11649)"
    if collects and not payment.reference and not document.type_code.is_self_billed:
        yield "payment.reference: the RF reference is missing (ISO 11649)"
