"""UN/CEFACT Cross Industry Invoice of the EN 16931 profile: the file inside the PDF (factur-x.xml).

Every number is written from an integer or a ``Decimal``; the order of elements is that of the schema.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from roamclear.documents.invoice_model import InvoiceDocument, Line, Party, VatCategory, VatTotal
from roamclear.documents.texts import item_attributes, item_name, statement_notes
from roamclear.documents.xml_tools import amount, clean, day, number
from roamclear.kernel.money import Money

if TYPE_CHECKING:
    from lxml.etree import _Element

GUIDELINE = "urn:cen.eu:en16931:2017"
_RSM = "urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100"
_RAM = "urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100"
_UDT = "urn:un:unece:uncefact:data:standard:UnqualifiedDataType:100"
_QDT = "urn:un:unece:uncefact:data:standard:QualifiedDataType:100"


def write_cii(document: InvoiceDocument) -> bytes:
    """The document as CII, UTF-8 with declaration; equal documents give equal bytes.

    A draft without a number carries ``DRAFT`` as BT-1: it is a preview and never leaves as an invoice.
    """
    from lxml import etree

    root = etree.Element(f"{{{_RSM}}}CrossIndustryInvoice", nsmap={"rsm": _RSM, "ram": _RAM, "udt": _UDT, "qdt": _QDT})
    context = _add(root, "rsm:ExchangedDocumentContext")
    _path(context, "ram:GuidelineSpecifiedDocumentContextParameter", "ram:ID", text=GUIDELINE)
    _header(_add(root, "rsm:ExchangedDocument"), document)
    transaction = _add(root, "rsm:SupplyChainTradeTransaction")
    for place, line in enumerate(document.lines, start=1):
        _line(transaction, place, line, document)
    _agreement(_add(transaction, "ram:ApplicableHeaderTradeAgreement"), document)
    delivery = _add(transaction, "ram:ApplicableHeaderTradeDelivery")
    event = _add(delivery, "ram:ActualDeliverySupplyChainEvent")
    _date(event, "ram:OccurrenceDateTime", document.period_end)
    _settlement(_add(transaction, "ram:ApplicableHeaderTradeSettlement"), document)
    return bytes(etree.tostring(root, xml_declaration=True, encoding="UTF-8"))


_NAMES = {"rsm": _RSM, "ram": _RAM, "udt": _UDT, "qdt": _QDT}


@lru_cache(maxsize=256)
def _tag(name: str) -> str:
    prefix, _, local = name.partition(":")
    return f"{{{_NAMES[prefix]}}}{local}"


@lru_cache(maxsize=1)
def _sub_element() -> Any:
    """lxml is loaded when the first document is written, not with the module."""
    from lxml.etree import SubElement

    return SubElement


def _add(parent: _Element, name: str, text: str | None = None, **attributes: str) -> _Element:
    child: _Element = _sub_element()(parent, _tag(name), attributes)
    if text is not None:
        child.text = clean(text)
    return child


def _maybe(parent: _Element, name: str, text: str | None, **attributes: str) -> None:
    if text and clean(text):
        _add(parent, name, text, **attributes)


def _path(parent: _Element, *names: str, text: str | None, **attributes: str) -> None:
    """A chain of elements with the text in the last; nothing at all where there is no text."""
    if not text or not clean(text):
        return
    for name in names[:-1]:
        parent = _add(parent, name)
    _add(parent, names[-1], text, **attributes)


def _date(parent: _Element, name: str, value: date) -> None:
    _add(_add(parent, name), "udt:DateTimeString", day(value), format="102")


def _header(header: _Element, document: InvoiceDocument) -> None:
    _add(header, "ram:ID", document.number or "DRAFT")
    _add(header, "ram:TypeCode", document.type_code.value)
    _date(header, "ram:IssueDateTime", document.issue_date)
    for note in (*document.notes, *statement_notes(document)):
        _path(header, "ram:IncludedNote", "ram:Content", text=note)


def _line(parent: _Element, place: int, line: Line, document: InvoiceDocument) -> None:
    item = _add(parent, "ram:IncludedSupplyChainTradeLineItem")
    head = _add(item, "ram:AssociatedDocumentLineDocument")
    _add(head, "ram:LineID", str(place))
    if line.preceding is not None:
        when = f" ({line.preceding.issue_date.isoformat()})" if line.preceding.issue_date else ""
        _path(head, "ram:IncludedNote", "ram:Content", text=f"{line.preceding.number}{when}")
    product = _add(item, "ram:SpecifiedTradeProduct")
    _add(product, "ram:Name", item_name(line, document.language))
    _maybe(product, "ram:Description", line.description)
    for label, value in item_attributes(line, document):
        attribute = _add(product, "ram:ApplicableProductCharacteristic")
        _add(attribute, "ram:Description", label)
        _add(attribute, "ram:Value", value)
    unit = line.unit.value
    price = _add(_add(item, "ram:SpecifiedLineTradeAgreement"), "ram:NetPriceProductTradePrice")
    _add(price, "ram:ChargeAmount", amount(line.price))
    _add(price, "ram:BasisQuantity", number(line.base_quantity), unitCode=unit)
    delivery = _add(item, "ram:SpecifiedLineTradeDelivery")
    _add(delivery, "ram:BilledQuantity", number(line.quantity), unitCode=unit)
    settlement = _add(item, "ram:SpecifiedLineTradeSettlement")
    tax = _add(settlement, "ram:ApplicableTradeTax")
    _add(tax, "ram:TypeCode", "VAT")
    _add(tax, "ram:CategoryCode", line.vat_category.value)
    if line.vat_category is not VatCategory.OUT_OF_SCOPE:
        _add(tax, "ram:RateApplicablePercent", number(line.vat_rate))
    _period(settlement, line.period_start, line.period_end)
    summation = _add(settlement, "ram:SpecifiedTradeSettlementLineMonetarySummation")
    _add(summation, "ram:LineTotalAmount", amount(line.net))


def _period(parent: _Element, start: date | None, end: date | None) -> None:
    if start is None and end is None:
        return
    period = _add(parent, "ram:BillingSpecifiedPeriod")
    if start is not None:
        _date(period, "ram:StartDateTime", start)
    if end is not None:
        _date(period, "ram:EndDateTime", end)


def _agreement(agreement: _Element, document: InvoiceDocument) -> None:
    _maybe(agreement, "ram:BuyerReference", document.buyer_reference)
    # Category O: BR-O-02 forbids the VAT ids of seller and buyer in the XML; the page still prints them (rules.md 7).
    untaxed = any(row.category is VatCategory.OUT_OF_SCOPE for row in document.vat)
    _party(_add(agreement, "ram:SellerTradeParty"), document.seller, with_vat=not untaxed)
    _party(_add(agreement, "ram:BuyerTradeParty"), document.buyer, with_vat=not untaxed)
    if document.tax_representative is not None:
        fiscal = _add(agreement, "ram:SellerTaxRepresentativeTradeParty")
        _add(fiscal, "ram:Name", document.tax_representative.name)
        _address(fiscal, document.tax_representative)
        _path(fiscal, "ram:SpecifiedTaxRegistration", "ram:ID", text=document.tax_representative.vat_id, schemeID="VA")
    _path(agreement, "ram:BuyerOrderReferencedDocument", "ram:IssuerAssignedID", text=document.order_reference)
    _path(agreement, "ram:ContractReferencedDocument", "ram:IssuerAssignedID", text=document.contract_reference)


def _party(element: _Element, party: Party, *, with_vat: bool) -> None:
    _add(element, "ram:Name", party.name)
    scheme = {"schemeID": party.legal_scheme} if party.legal_scheme else {}
    _path(element, "ram:SpecifiedLegalOrganization", "ram:ID", text=party.legal_id, **scheme)
    if party.contact_name or party.contact_phone or party.contact_email:
        contact = _add(element, "ram:DefinedTradeContact")
        _maybe(contact, "ram:PersonName", party.contact_name)
        _path(contact, "ram:TelephoneUniversalCommunication", "ram:CompleteNumber", text=party.contact_phone)
        _path(contact, "ram:EmailURIUniversalCommunication", "ram:URIID", text=party.contact_email)
    _address(element, party)
    _path(
        element,
        "ram:URIUniversalCommunication",
        "ram:URIID",
        text=party.electronic_address,
        schemeID=party.electronic_scheme or "EM",
    )
    if with_vat:
        _path(element, "ram:SpecifiedTaxRegistration", "ram:ID", text=party.vat_id, schemeID="VA")
        _path(element, "ram:SpecifiedTaxRegistration", "ram:ID", text=party.tax_number, schemeID="FC")


def _address(element: _Element, party: Party) -> None:
    address = _add(element, "ram:PostalTradeAddress")
    _maybe(address, "ram:PostcodeCode", party.postcode)
    for name, line in zip(("ram:LineOne", "ram:LineTwo", "ram:LineThree"), party.address_lines, strict=False):
        _maybe(address, name, line)
    _maybe(address, "ram:CityName", party.city)
    _add(address, "ram:CountryID", party.country)


def _settlement(settlement: _Element, document: InvoiceDocument) -> None:
    payment = document.payment
    # What is credited is paid by nobody: neither how nor until when is stated, in no form of the document.
    owed = not document.type_code.is_credit
    _maybe(settlement, "ram:PaymentReference", payment.reference if owed else None)
    if document.national_tax is not None:
        _add(settlement, "ram:TaxCurrencyCode", document.national_tax.tax.currency)
    _add(settlement, "ram:InvoiceCurrencyCode", document.currency)
    if payment.iban and owed:
        means = _add(settlement, "ram:SpecifiedTradeSettlementPaymentMeans")
        _add(means, "ram:TypeCode", "58" if document.currency == "EUR" else "30")
        account = _add(means, "ram:PayeePartyCreditorFinancialAccount")
        _add(account, "ram:IBANID", payment.iban)
        _maybe(account, "ram:AccountName", payment.account_name)
        _path(means, "ram:PayeeSpecifiedCreditorFinancialInstitution", "ram:BICID", text=payment.bic)
    for row in document.vat:
        _tax(settlement, row)
    _period(settlement, document.period_start, document.period_end)
    if owed and (payment.terms or document.due_date):
        terms = _add(settlement, "ram:SpecifiedTradePaymentTerms")
        _maybe(terms, "ram:Description", payment.terms)
        if document.due_date is not None:
            _date(terms, "ram:DueDateDateTime", document.due_date)
    _summation(settlement, document)
    for reference in document.preceding:
        preceding = _add(settlement, "ram:InvoiceReferencedDocument")
        _add(preceding, "ram:IssuerAssignedID", reference.number)
        if reference.issue_date is not None:
            issued = _add(preceding, "ram:FormattedIssueDateTime")
            _add(issued, "qdt:DateTimeString", day(reference.issue_date), format="102")


def _tax(settlement: _Element, row: VatTotal) -> None:
    tax = _add(settlement, "ram:ApplicableTradeTax")
    _add(tax, "ram:CalculatedAmount", amount(row.tax))
    _add(tax, "ram:TypeCode", "VAT")
    if row.reason is not None:
        _maybe(tax, "ram:ExemptionReason", row.reason.text)
    _add(tax, "ram:BasisAmount", amount(row.taxable))
    _add(tax, "ram:CategoryCode", row.category.value)
    if row.reason is not None:
        _maybe(tax, "ram:ExemptionReasonCode", row.reason.code)
    # BR-48: a breakdown row has a rate unless it is outside the scope; 0 is the schematron's own reading there.
    _add(tax, "ram:RateApplicablePercent", number(row.rate if row.rate else Decimal(0)))


def _summation(settlement: _Element, document: InvoiceDocument) -> None:
    totals = document.totals
    summation = _add(settlement, "ram:SpecifiedTradeSettlementHeaderMonetarySummation")
    _add(summation, "ram:LineTotalAmount", amount(totals.net))
    _add(summation, "ram:TaxBasisTotalAmount", amount(totals.net))
    _add(summation, "ram:TaxTotalAmount", amount(totals.tax), currencyID=document.currency)
    if document.national_tax is not None:
        tax: Money = document.national_tax.tax
        _add(summation, "ram:TaxTotalAmount", amount(tax), currencyID=tax.currency)
    _add(summation, "ram:GrandTotalAmount", amount(totals.gross))
    if totals.prepaid:
        _add(summation, "ram:TotalPrepaidAmount", amount(totals.prepaid))
    _add(summation, "ram:DuePayableAmount", amount(totals.due))
