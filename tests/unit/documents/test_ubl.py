"""The UBL of every kind of document passes schema and CEN rules and says the same as the CII."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from lxml import etree

from roamclear.documents.cii import write_cii
from roamclear.documents.model import InvoiceDocument
from roamclear.documents.ubl import write_ubl
from tests.unit.documents import samples
from tests.unit.documents.conftest import Judge, rules_folder

CAC = "{urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2}"
CBC = "{urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2}"


@pytest.mark.parametrize("make", samples.MATRIX.values(), ids=samples.MATRIX.keys())
def test_every_kind_passes_schema_and_schematron(make: Callable[[], InvoiceDocument], ubl_judge: Judge) -> None:
    document = make()
    name = "CreditNote" if document.type_code.is_credit else "Invoice"
    schema = etree.XMLSchema(etree.parse(str(rules_folder() / "ubl-2.1" / "maindoc" / f"UBL-{name}-2.1.xsd")))
    xml = write_ubl(document)
    assert schema.validate(etree.fromstring(xml)), schema.error_log
    fired, failed = ubl_judge(xml)
    assert fired > 50
    assert failed == set()


def test_a_wrong_total_is_caught(ubl_judge: Judge) -> None:
    root = etree.fromstring(write_ubl(samples.multi_rate()))
    payable = root.find(f".//{CBC}PayableAmount")
    assert payable is not None
    payable.text = "1.00"
    assert "BR-CO-16" in ubl_judge(etree.tostring(root))[1]


@pytest.mark.parametrize("make", samples.MATRIX.values(), ids=samples.MATRIX.keys())
def test_both_files_state_the_same_amounts(make: Callable[[], InvoiceDocument]) -> None:
    document = make()
    for xml in (write_ubl(document), write_cii(document)):
        for amount in (document.totals.net, document.totals.gross, document.totals.due):
            assert f">{amount.to_decimal():f}<".encode() in xml


def test_peppol_allows_one_note_only() -> None:
    document = samples.document(notes=("one", "two"))
    root = etree.fromstring(write_ubl(document))
    assert len([e for e in root if e.tag == f"{CBC}Note"]) == 1


def test_two_thousand_lines_pass(ubl_judge: Judge) -> None:
    fired, failed = ubl_judge(write_ubl(samples.many(2000)))
    assert fired > 10_000
    assert failed == set()


def _text(name: str, value: str, at: int = 0) -> Callable[[etree._Element], None]:
    def change(root: etree._Element) -> None:
        root.findall(f".//{CBC}{name}")[at].text = value

    return change


def _drop(*paths: str) -> Callable[[etree._Element], None]:
    def change(root: etree._Element) -> None:
        for found in [element for path in paths for element in root.findall(path)]:
            parent = found.getparent()
            assert parent is not None
            parent.remove(found)

    return change


CUSTOMER = f".//{CAC}AccountingCustomerParty"
#: Kind of document, what is broken, a rule that names it (``""``: any).
MUTATIONS: dict[str, tuple[Callable[[], InvoiceDocument], Callable[[etree._Element], None], str]] = {
    "gross": (samples.multi_rate, _text("TaxInclusiveAmount", "1.00"), "BR-CO-15"),
    "tax total": (samples.multi_rate, _text("TaxAmount", "1.00"), "BR-CO-14"),
    "category tax": (samples.multi_rate, _text("TaxAmount", "1.00", at=1), "BR-S-09"),
    "line sum": (samples.multi_rate, _text("LineExtensionAmount", "1.00"), "BR-CO-10"),
    "line net": (samples.multi_rate, _text("LineExtensionAmount", "1.00", at=1), "BR-S-08"),
    "credited gross": (samples.credit_note, _text("TaxInclusiveAmount", "1.00"), "BR-CO-15"),
    "corrected line": (samples.corrected, _text("LineExtensionAmount", "1.00", at=1), "BR-S-08"),
    "self-billed sum": (samples.self_billing, _text("PayableAmount", "1.00"), "BR-CO-16"),
    "negative price": (samples.adjustment, _text("PriceAmount", "-5"), "BR-27"),
    "reason missing": (
        samples.reverse_charge,
        _drop(f".//{CBC}TaxExemptionReason", f".//{CBC}TaxExemptionReasonCode"),
        "BR-AE-10",
    ),
    "reverse charge with a rate": (samples.reverse_charge, _text("Percent", "19", at=-1), "BR-AE-05"),
    "reverse charge without buyer VAT id": (
        samples.reverse_charge, _drop(f"{CUSTOMER}//{CAC}PartyTaxScheme"), "BR-AE-02",
    ),
    "outside scope with a rate": (samples.out_of_scope, _text("TaxAmount", "1.00", at=1), "BR-O-09"),
    "exempt without reason": (
        samples.exempt, _drop(f".//{CBC}TaxExemptionReason", f".//{CBC}TaxExemptionReasonCode"), "BR-E-10",
    ),
    "zero rate with tax": (samples.zero_rate, _text("TaxAmount", "1.00", at=1), "BR-Z-09"),
    "national tax in another currency": (samples.zloty, _text("TaxCurrencyCode", "SEK"), "BR-53"),
    "type code": (samples.multi_rate, _text("InvoiceTypeCode", "999"), "BR-CL-01"),
    "currency": (samples.multi_rate, _text("DocumentCurrencyCode", "EUX"), "BR-CL-04"),
    "three decimals": (samples.multi_rate, _text("LineExtensionAmount", "8009.201"), "BR-DEC-09"),
    "period backwards": (samples.multi_rate, _text("EndDate", "2020-01-01"), "BR-29"),
}  # fmt: skip


@pytest.mark.parametrize(("make", "change", "rule"), MUTATIONS.values(), ids=MUTATIONS.keys())
def test_every_mutation_is_caught(
    make: Callable[[], InvoiceDocument], change: Callable[[etree._Element], None], rule: str, ubl_judge: Judge
) -> None:
    root = etree.fromstring(write_ubl(make()))
    change(root)
    _, failed = ubl_judge(etree.tostring(root))
    assert failed
    assert rule == "" or any(rule in name for name in failed), failed
