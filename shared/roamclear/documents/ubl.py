"""Peppol BIS Billing 3.0 and Self-Billing 3.0: the document as UBL 2.1 Invoice or CreditNote."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from roamclear.documents import peppol
from roamclear.documents.invoice_model import InvoiceDocument, Line, Party, VatCategory, VatReason, VatTotal
from roamclear.documents.texts import item_attributes, item_name, statement_notes
from roamclear.documents.xml_tools import amount, clean, number
from roamclear.kernel.money import Money

if TYPE_CHECKING:
    from lxml.etree import _Element

_CAC = "urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2"
_CBC = "urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2"
_NAMES = {"cac": _CAC, "cbc": _CBC}


def write_ubl(document: InvoiceDocument) -> bytes:
    """The document as UBL, UTF-8 with declaration; equal documents give equal bytes."""
    from lxml import etree

    credit = document.type_code.is_credit
    name = "CreditNote" if credit else "Invoice"
    space = f"urn:oasis:names:specification:ubl:schema:xsd:{name}-2"
    # lxml names the default namespace None, which its stubs do not know.
    spaces: Any = {None: space, "cac": _CAC, "cbc": _CBC}
    root = etree.Element(f"{{{space}}}{name}", nsmap=spaces)
    _head(root, document, credit=credit)
    _references(root, document)
    untaxed = any(row.category is VatCategory.OUT_OF_SCOPE for row in document.vat)
    _party(_chain(root, "cac:AccountingSupplierParty", "cac:Party"), document.seller, with_vat=not untaxed)
    _party(_chain(root, "cac:AccountingCustomerParty", "cac:Party"), document.buyer, with_vat=not untaxed, buyer=True)
    _representative(root, document.tax_representative)
    _add(_add(root, "cac:Delivery"), "cbc:ActualDeliveryDate", document.period_end.isoformat())
    _payment(root, document)
    _taxes(root, document)
    _totals(root, document)
    for place, line in enumerate(document.lines, start=1):
        _line(root, place, line, document, credit=credit)
    return bytes(etree.tostring(root, xml_declaration=True, encoding="UTF-8"))


def _add(parent: _Element, name: str, text: str | None = None, **attributes: str) -> _Element:
    from lxml.etree import SubElement

    prefix, _, local = name.partition(":")
    child = SubElement(parent, f"{{{_NAMES[prefix]}}}{local}", attributes)
    if text is not None:
        child.text = clean(text)
    return child


def _maybe(parent: _Element, name: str, text: str | None, **attributes: str) -> None:
    if text and clean(text):
        _add(parent, name, text, **attributes)


def _chain(parent: _Element, *names: str) -> _Element:
    for name in names:
        parent = _add(parent, name)
    return parent


def _money(parent: _Element, name: str, value: Money) -> None:
    _add(parent, name, amount(value), currencyID=value.currency)


def _head(root: _Element, document: InvoiceDocument, *, credit: bool) -> None:
    _add(root, "cbc:CustomizationID", peppol.customization(document))
    _maybe(root, "cbc:ProfileID", peppol.profile(document))
    _add(root, "cbc:ID", document.number or "DRAFT")
    _add(root, "cbc:IssueDate", document.issue_date.isoformat())
    if document.due_date is not None and not credit:
        _add(root, "cbc:DueDate", document.due_date.isoformat())
    _add(root, "cbc:CreditNoteTypeCode" if credit else "cbc:InvoiceTypeCode", document.type_code.value)
    # Peppol R002 allows one note, so all of them are joined.
    notes = "\n".join((*document.notes, *statement_notes(document)))
    _maybe(root, "cbc:Note", notes)
    _add(root, "cbc:DocumentCurrencyCode", document.currency)
    if document.national_tax is not None:
        _add(root, "cbc:TaxCurrencyCode", document.national_tax.tax.currency)
    _maybe(root, "cbc:BuyerReference", document.buyer_reference)
    period = _add(root, "cac:InvoicePeriod")
    _add(period, "cbc:StartDate", document.period_start.isoformat())
    _add(period, "cbc:EndDate", document.period_end.isoformat())


def _references(root: _Element, document: InvoiceDocument) -> None:
    if document.order_reference:
        _add(_add(root, "cac:OrderReference"), "cbc:ID", document.order_reference)
    for reference in document.preceding:
        preceding = _chain(root, "cac:BillingReference", "cac:InvoiceDocumentReference")
        _add(preceding, "cbc:ID", reference.number)
        if reference.issue_date is not None:
            _add(preceding, "cbc:IssueDate", reference.issue_date.isoformat())
    if document.contract_reference:
        _add(_add(root, "cac:ContractDocumentReference"), "cbc:ID", document.contract_reference)


def _address(parent: _Element, party: Party) -> None:
    address = _add(parent, "cac:PostalAddress")
    lines = [line for line in party.address_lines if line.strip()]
    for name, line in zip(("cbc:StreetName", "cbc:AdditionalStreetName"), lines, strict=False):
        _add(address, name, line)
    _maybe(address, "cbc:CityName", party.city)
    _maybe(address, "cbc:PostalZone", party.postcode)
    if len(lines) > 2:
        _add(_add(address, "cac:AddressLine"), "cbc:Line", lines[2])
    _add(_add(address, "cac:Country"), "cbc:IdentificationCode", party.country)


def _party(element: _Element, party: Party, *, with_vat: bool, buyer: bool = False) -> None:
    _maybe(element, "cbc:EndpointID", party.electronic_address, schemeID=party.electronic_scheme or "EM")
    _address(element, party)
    if with_vat and party.vat_id:
        _tax_scheme(element, party.vat_id, "VAT")
    if with_vat and party.tax_number and not buyer:
        _tax_scheme(element, party.tax_number, "TAX")
    legal = _add(element, "cac:PartyLegalEntity")
    _add(legal, "cbc:RegistrationName", party.name)
    scheme = {"schemeID": party.legal_scheme} if party.legal_scheme else {}
    _maybe(legal, "cbc:CompanyID", party.legal_id, **scheme)
    if party.contact_name or party.contact_phone or party.contact_email:
        contact = _add(element, "cac:Contact")
        _maybe(contact, "cbc:Name", party.contact_name)
        _maybe(contact, "cbc:Telephone", party.contact_phone)
        _maybe(contact, "cbc:ElectronicMail", party.contact_email)


def _tax_scheme(parent: _Element, company: str, scheme: str) -> None:
    tax = _add(parent, "cac:PartyTaxScheme")
    _add(tax, "cbc:CompanyID", company)
    _add(_add(tax, "cac:TaxScheme"), "cbc:ID", scheme)


def _representative(root: _Element, party: Party | None) -> None:
    if party is None:
        return
    element = _add(root, "cac:TaxRepresentativeParty")
    _add(_add(element, "cac:PartyName"), "cbc:Name", party.name)
    _address(element, party)
    _tax_scheme(element, party.vat_id or "", "VAT")


def _payment(root: _Element, document: InvoiceDocument) -> None:
    payment = document.payment
    if payment.iban and not document.type_code.is_credit:
        means = _add(root, "cac:PaymentMeans")
        _add(means, "cbc:PaymentMeansCode", "58" if document.currency == "EUR" else "30")
        _maybe(means, "cbc:PaymentID", payment.reference)
        account = _add(means, "cac:PayeeFinancialAccount")
        _add(account, "cbc:ID", payment.iban)
        _maybe(account, "cbc:Name", payment.account_name)
        if payment.bic:
            _add(_add(account, "cac:FinancialInstitutionBranch"), "cbc:ID", payment.bic)
    if payment.terms:
        _add(_add(root, "cac:PaymentTerms"), "cbc:Note", payment.terms)


def _taxes(root: _Element, document: InvoiceDocument) -> None:
    tax = _add(root, "cac:TaxTotal")
    _money(tax, "cbc:TaxAmount", document.totals.tax)
    for row in document.vat:
        subtotal = _add(tax, "cac:TaxSubtotal")
        _money(subtotal, "cbc:TaxableAmount", row.taxable)
        _money(subtotal, "cbc:TaxAmount", row.tax)
        _category(subtotal, "cac:TaxCategory", row, row.reason)
    if document.national_tax is not None:
        _money(_add(root, "cac:TaxTotal"), "cbc:TaxAmount", document.national_tax.tax)


def _category(parent: _Element, name: str, row: VatTotal | Line, reason: VatReason | None) -> None:
    code = row.category if isinstance(row, VatTotal) else row.vat_category
    rate = row.rate if isinstance(row, VatTotal) else row.vat_rate
    category = _add(parent, name)
    _add(category, "cbc:ID", code.value)
    if code is not VatCategory.OUT_OF_SCOPE:
        _add(category, "cbc:Percent", number(rate))
    if reason is not None:
        _maybe(category, "cbc:TaxExemptionReasonCode", reason.code)
        _maybe(category, "cbc:TaxExemptionReason", reason.text)
    _add(_add(category, "cac:TaxScheme"), "cbc:ID", "VAT")


def _totals(root: _Element, document: InvoiceDocument) -> None:
    totals = document.totals
    element = _add(root, "cac:LegalMonetaryTotal")
    _money(element, "cbc:LineExtensionAmount", totals.net)
    _money(element, "cbc:TaxExclusiveAmount", totals.net)
    _money(element, "cbc:TaxInclusiveAmount", totals.gross)
    if totals.prepaid:
        _money(element, "cbc:PrepaidAmount", totals.prepaid)
    _money(element, "cbc:PayableAmount", totals.due)


def _line(root: _Element, place: int, line: Line, document: InvoiceDocument, *, credit: bool) -> None:
    element = _add(root, "cac:CreditNoteLine" if credit else "cac:InvoiceLine")
    _add(element, "cbc:ID", str(place))
    if line.preceding is not None:
        when = f" ({line.preceding.issue_date.isoformat()})" if line.preceding.issue_date else ""
        _add(element, "cbc:Note", f"{line.preceding.number}{when}")
    unit = line.unit.value
    _add(element, "cbc:CreditedQuantity" if credit else "cbc:InvoicedQuantity", number(line.quantity), unitCode=unit)
    _money(element, "cbc:LineExtensionAmount", line.net)
    if line.period_start or line.period_end:
        period = _add(element, "cac:InvoicePeriod")
        _maybe(period, "cbc:StartDate", line.period_start.isoformat() if line.period_start else None)
        _maybe(period, "cbc:EndDate", line.period_end.isoformat() if line.period_end else None)
    item = _add(element, "cac:Item")
    _maybe(item, "cbc:Description", line.description)
    _add(item, "cbc:Name", item_name(line, document.language))
    _category(item, "cac:ClassifiedTaxCategory", line, None)
    for label, value in item_attributes(line, document):
        attribute = _add(item, "cac:AdditionalItemProperty")
        _add(attribute, "cbc:Name", label)
        _add(attribute, "cbc:Value", value)
    price = _add(element, "cac:Price")
    _money(price, "cbc:PriceAmount", line.price)
    _add(price, "cbc:BaseQuantity", number(line.base_quantity), unitCode=unit)
