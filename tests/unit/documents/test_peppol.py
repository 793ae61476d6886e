"""Peppol BIS Self-Billing 3.0: 389 and 261 as they are sent, the rules beside EN 16931, and what each rule catches."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal

import pytest
from lxml import etree

from roamclear.documents import checks, peppol
from roamclear.documents.model import (
    DocumentType,
    InvoiceDocument,
    NationalTax,
    Preceding,
    VatCategory,
    VatReason,
)
from roamclear.documents.ubl import write_ubl
from roamclear.kernel.ids import electronic_address
from roamclear.kernel.money import Money
from tests.support import peppol as network
from tests.unit.documents import samples
from tests.unit.documents.conftest import Judge, rules_folder
from tests.unit.documents.test_ubl import CAC, CBC, _drop, _text

CREDIT = DocumentType.SELF_BILLED_CREDIT_NOTE
PRECEDING = (Preceding(number="SB-2026-000007", issue_date=date(2026, 11, 9)),)


def turned(made: InvoiceDocument, kind: DocumentType = DocumentType.SELF_BILLED_INVOICE) -> InvoiceDocument:
    """The same supply drawn up by its buyer, both participants of the network: the parties keep their roles."""
    buyer = made.buyer
    if not electronic_address.is_participant(buyer.electronic_scheme):
        buyer = buyer.model_copy(update={"electronic_scheme": "0088", "electronic_address": "7300010000001"})
    more = {"preceding": PRECEDING, "due_date": None} if kind is CREDIT else {"preceding": ()}
    return made.model_copy(update={"type_code": kind, "buyer": buyer, **more})


def without_periods(made: InvoiceDocument) -> InvoiceDocument:
    """What is billed late lies outside the document's period, so its lines state it in words (R110)."""
    lines = tuple(line.model_copy(update={"period_start": None, "period_end": None}) for line in made.lines)
    return made.model_copy(update={"lines": lines})


SELF_BILLED: dict[str, Callable[[], InvoiceDocument]] = {
    "389 reverse charge": samples.self_billing,
    "261": samples.self_billed_credit,
    "389 several rates": lambda: turned(samples.multi_rate()),
    "389 out of scope": lambda: turned(samples.out_of_scope()),
    "389 exempt": lambda: turned(samples.exempt()),
    "389 zero rate": lambda: turned(samples.zero_rate()),
    "389 negative line": lambda: turned(without_periods(samples.adjustment())),
    "389 national VAT": lambda: turned(samples.zloty()),
    "389 2,000 lines": lambda: turned(samples.many(2000)),
    "261 several rates": lambda: turned(samples.multi_rate(), CREDIT),
    "261 out of scope": lambda: turned(samples.out_of_scope(), CREDIT),
}


@pytest.mark.parametrize("make", SELF_BILLED.values(), ids=SELF_BILLED.keys())
def test_every_self_billed_document_passes_schema_en_16931_and_the_network(
    make: Callable[[], InvoiceDocument], ubl_judge: Judge
) -> None:
    made = make()
    name = "CreditNote" if made.type_code.is_credit else "Invoice"
    schema = etree.XMLSchema(etree.parse(str(rules_folder() / "ubl-2.1" / "maindoc" / f"UBL-{name}-2.1.xsd")))
    xml = write_ubl(made)
    assert schema.validate(etree.fromstring(xml)), schema.error_log
    fired, failed = ubl_judge(xml)
    assert fired > 50
    assert failed == set()
    assert network.failed(xml) == set()
    assert checks.missing(made) == []


def test_the_seller_stays_the_supplier_and_the_sender_is_the_customer() -> None:
    made = samples.self_billing()
    root = etree.fromstring(write_ubl(made))
    for role, party in (("Supplier", made.seller), ("Customer", made.buyer)):
        (endpoint,) = network.found(root, f"cac:Accounting{role}Party/cac:Party/cbc:EndpointID")
        assert (endpoint.get("schemeID"), endpoint.text) == (party.electronic_scheme, party.electronic_address)
    assert network.texts(root, "cbc:CustomizationID") == [
        "urn:cen.eu:en16931:2017#compliant#urn:fdc:peppol.eu:2017:poacc:selfbilling:3.0"
    ]
    assert network.texts(root, "cbc:ProfileID") == ["urn:fdc:peppol.eu:2017:poacc:selfbilling:01:1.0"]


def test_a_holder_known_by_mail_gets_an_en_16931_file_that_claims_no_more(ubl_judge: Judge) -> None:
    made = samples.self_billing()
    seller = made.seller.model_copy(update={"electronic_scheme": "EM", "electronic_address": "owner@site.example"})
    made = made.model_copy(update={"seller": seller})
    assert not peppol.speaks(made)
    xml = write_ubl(made)
    root = etree.fromstring(xml)
    assert network.texts(root, "cbc:CustomizationID") == ["urn:cen.eu:en16931:2017"]
    assert network.texts(root, "cbc:ProfileID") == []
    assert ubl_judge(xml)[1] == set()
    assert checks.missing(made) == []


def test_an_invoice_of_ours_stays_with_billing() -> None:
    root = etree.fromstring(write_ubl(samples.multi_rate()))
    assert network.texts(root, "cbc:ProfileID") == ["urn:fdc:peppol.eu:2017:poacc:billing:01:1.0"]
    assert {"PEPPOL-EN16931-R004", "PEPPOL-EN16931-R007", "PEPPOL-EN16931-P0100"} <= network.failed(
        etree.tostring(root)
    )


def _set(path: str, name: str, value: str, at: int = 0) -> Callable[[etree._Element], None]:
    def change(root: etree._Element) -> None:
        network.found(root, path)[at].set(name, value)

    return change


def _say(path: str, value: str) -> Callable[[etree._Element], None]:
    def change(root: etree._Element) -> None:
        network.found(root, path)[0].text = value

    return change


def _twice(name: str) -> Callable[[etree._Element], None]:
    def change(root: etree._Element) -> None:
        (found,) = [each for each in root if each.tag == name]
        found.addnext(etree.fromstring(etree.tostring(found)))

    return change


def _add(name: str, text: str, after: str) -> Callable[[etree._Element], None]:
    def change(root: etree._Element) -> None:
        made = etree.SubElement(root, name)
        made.text = text
        network.found(root, after)[0].addnext(made)

    return change


SUPPLIER, CUSTOMER = "cac:AccountingSupplierParty/cac:Party", "cac:AccountingCustomerParty/cac:Party"
FULL_CAC = f".//{CAC}"
#: What is broken in a file as it would be sent, and the rule that names it.
MUTATIONS: dict[str, tuple[str, Callable[[etree._Element], None], str]] = {
    "profile of Billing": (
        "389 several rates", _text("ProfileID", "urn:fdc:peppol.eu:2017:poacc:billing:01:1.0"), "R007",
    ),
    "no profile": ("389 several rates", _drop(f"{CBC}ProfileID"), "R001"),
    "specification of Billing": (
        "389 several rates",
        _text("CustomizationID", "urn:cen.eu:en16931:2017#compliant#urn:fdc:peppol.eu:2017:poacc:billing:3.0"),
        "R004",
    ),
    "type 380": ("389 several rates", _text("InvoiceTypeCode", "380"), "P0100"),
    "type 384": ("389 several rates", _text("InvoiceTypeCode", "384"), "P0100"),
    "type 381": ("261", _text("CreditNoteTypeCode", "381"), "P0101"),
    "two notes": ("389 several rates", _twice(f"{CBC}Note"), "R002"),
    "no reference of the buyer": (
        "389 several rates", _drop(f"{CBC}BuyerReference", f"{CAC}OrderReference"), "R003",
    ),
    "no endpoint of the supplier": (
        "389 several rates", _drop(f"{FULL_CAC}AccountingSupplierParty//{CBC}EndpointID"), "R020",
    ),
    "no endpoint of the customer": (
        "389 several rates", _drop(f"{FULL_CAC}AccountingCustomerParty//{CBC}EndpointID"), "R010",
    ),
    "a mail address as endpoint": ("261", _set(f"{SUPPLIER}/cbc:EndpointID", "schemeID", "EM"), "CL008"),
    "an unknown scheme": ("261", _set(f"{CUSTOMER}/cbc:EndpointID", "schemeID", "9999"), "CL008"),
    "an id that does not fit": ("261", _set(f"{SUPPLIER}/cbc:EndpointID", "schemeID", "0088"), "COMMON"),
    "an empty element": ("261", _text("BuyerReference", " "), "R008"),
    "a date in words": ("389 several rates", _text("IssueDate", "9 November 2026"), "F001"),
    "a line before the period": (
        "389 several rates", _say("cac:InvoiceLine/cac:InvoicePeriod/cbc:StartDate", "2026-09-30"), "R110",
    ),
    "a line after the period": (
        "389 several rates", _say("cac:InvoiceLine/cac:InvoicePeriod/cbc:EndDate", "2026-11-01"), "R111",
    ),
    "another currency": ("389 several rates", _set(".//cbc:PriceAmount", "currencyID", "CHF"), "R051"),
    "quantity times price": ("389 several rates", _text("PriceAmount", "1.00"), "R120"),
    "a base of nothing": ("389 several rates", _text("BaseQuantity", "0"), "R121"),
    "another unit": ("389 several rates", _set(".//cbc:BaseQuantity", "unitCode", "XPP"), "R130"),
    "two breakdowns": ("389 several rates", _twice(f"{CAC}TaxTotal"), "R053"),
    "national VAT is not stated": (
        "389 several rates", _add(f"{CBC}TaxCurrencyCode", "PLN", "cbc:DocumentCurrencyCode"), "R054",
    ),
    "national VAT in the document's currency": ("389 national VAT", _text("TaxCurrencyCode", "PLN"), "R005"),
    "reason of another category": ("389 out of scope", _text("TaxExemptionReasonCode", "VATEX-EU-AE"), "P0107"),
}  # fmt: skip


@pytest.mark.parametrize(("kind", "change", "rule"), MUTATIONS.values(), ids=MUTATIONS.keys())
def test_every_mutation_is_caught(kind: str, change: Callable[[etree._Element], None], rule: str) -> None:
    root = etree.fromstring(write_ubl(SELF_BILLED[kind]()))
    assert network.failed(etree.tostring(root)) == set()
    change(root)
    assert any(rule in name for name in network.failed(etree.tostring(root)))


def _line(**change: object) -> Callable[[InvoiceDocument], dict[str, object]]:
    return lambda made: {"lines": (made.lines[0].model_copy(update=change), *made.lines[1:])}


def _seller(**change: object) -> Callable[[InvoiceDocument], dict[str, object]]:
    return lambda made: {"seller": made.seller.model_copy(update=change)}


def _coded(made: InvoiceDocument) -> dict[str, object]:
    reason = VatReason(text="Reverse charge", code="VATEX-EU-O")
    return {"vat": (made.vat[0].model_copy(update={"reason": reason}),)}


def _national(amount: int, currency: str) -> Callable[[InvoiceDocument], dict[str, object]]:
    tax = NationalTax(tax=Money(amount, currency), rate=Decimal(4), rate_date=date(2026, 11, 6))
    return lambda _: {"national_tax": tax}


FAULTS: dict[str, tuple[str, Callable[[InvoiceDocument], dict[str, object]], str]] = {
    "scheme": ("389 reverse charge", _seller(electronic_scheme="0001"), "seller.electronic_scheme: 0001"),
    "id": (
        "389 reverse charge",
        _seller(electronic_scheme="0208", electronic_address="0403019260"),
        "seller.electronic_address: is no id of scheme 0208",
    ),
    "to itself": (
        "389 reverse charge",
        lambda made: {
            "seller": made.seller.model_copy(
                update={
                    "electronic_scheme": made.buyer.electronic_scheme,
                    "electronic_address": made.buyer.electronic_address,
                }
            )
        },
        "would send the document to itself",
    ),
    "before": ("389 reverse charge", _line(period_start=date(2026, 9, 30)), "lines[0].period_start"),
    "after": ("389 reverse charge", _line(period_end=date(2026, 11, 1)), "lines[0].period_end"),
    "code": ("389 reverse charge", _coded, "belongs to category O"),
    "own currency": ("389 several rates", _national(100, "EUR"), "R005"),
    "sign": ("389 several rates", _national(-100, "PLN"), "R055"),
}


@pytest.mark.parametrize(("kind", "change", "said"), FAULTS.values(), ids=FAULTS.keys())
def test_our_own_checks_name_the_fault_before_a_number_is_taken(
    kind: str, change: Callable[[InvoiceDocument], dict[str, object]], said: str
) -> None:
    made = SELF_BILLED[kind]()
    assert list(peppol.self_billing_faults(made)) == []
    broken = made.model_copy(update=change(made))
    assert any(said in fault for fault in peppol.self_billing_faults(broken))
    assert any(said in fault for fault in checks.missing(broken))
    sold = broken.model_copy(update={"type_code": DocumentType.INVOICE})
    assert list(peppol.self_billing_faults(sold)) == []


def test_the_matrix_has_every_category() -> None:
    found = {row.category for make in SELF_BILLED.values() for row in make().vat}
    assert found == set(VatCategory)
