"""The rules of Peppol BIS Self-Billing 3.0 beside EN 16931, read from the published rule set and said in our words.

Each takes a UBL file as it is sent and names the rules that fail. They know nothing of the model that wrote the file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal

from lxml import etree

from roamclear.kernel.ids import electronic_address

NAMES = {
    "cac": "urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2",
    "cbc": "urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2",
}
Root = etree._Element
SLACK = Decimal("0.02")


def failed(xml: bytes) -> set[str]:
    """The ids of the rules that a file breaks."""
    root = etree.fromstring(xml)
    return {rule for check in CHECKS for rule in check(root)}


def found(root: Root, path: str) -> list[Root]:
    """Elements at a path."""
    return list(root.iterfind(path, NAMES))


def texts(root: Root, path: str) -> list[str]:
    """Their texts without outer blanks."""
    return [(each.text or "").strip() for each in found(root, path)]


def _head(root: Root) -> Iterator[str]:
    if any(len(each) == 0 and not (each.text or "").strip() for each in root.iter(etree.Element)):
        yield "PEPPOL-EN16931-R008"
    profiles = texts(root, "cbc:ProfileID")
    if not profiles:
        yield "PEPPOL-EN16931-R001"
    if not re.fullmatch(r"urn:fdc:peppol\.eu:2017:poacc:selfbilling:\d\d:1\.0", "".join(profiles)):
        yield "PEPPOL-EN16931-R007"
    specification = "urn:cen.eu:en16931:2017#compliant#urn:fdc:peppol.eu:2017:poacc:selfbilling:3.0"
    if not "".join(texts(root, "cbc:CustomizationID")).startswith(specification):
        yield "PEPPOL-EN16931-R004"
    if len(found(root, "cbc:Note")) > 1:
        yield "PEPPOL-EN16931-R002"
    if not (texts(root, "cbc:BuyerReference") or texts(root, "cac:OrderReference/cbc:ID")):
        yield "PEPPOL-EN16931-R003"
    if not set(texts(root, "cbc:InvoiceTypeCode")) <= {"389", "527"}:
        yield "PEPPOL-EN16931-P0100"
    if not set(texts(root, "cbc:CreditNoteTypeCode")) <= {"261"}:
        yield "PEPPOL-EN16931-P0101"
    for name in ("IssueDate", "DueDate", "StartDate", "EndDate", "ActualDeliveryDate"):
        for text in texts(root, f".//cbc:{name}"):
            try:
                date.fromisoformat(text)
            except ValueError:
                yield "PEPPOL-EN16931-F001"


def _parties(root: Root) -> Iterator[str]:
    for role, rule in (("Customer", "R010"), ("Supplier", "R020")):
        if not found(root, f"cac:Accounting{role}Party/cac:Party/cbc:EndpointID"):
            yield f"PEPPOL-EN16931-{rule}"
    for each in (*found(root, ".//cbc:EndpointID"), *found(root, ".//cbc:CompanyID")):
        scheme = each.get("schemeID")
        if scheme is None:
            continue
        if etree.QName(each).localname == "EndpointID" and scheme not in electronic_address.SCHEMES:
            yield "PEPPOL-EN16931-CL008"
        if not electronic_address.is_valid(scheme, each.text or ""):
            yield "PEPPOL-COMMON"


def _taxes(root: Root) -> Iterator[str]:
    currency = "".join(texts(root, "cbc:DocumentCurrencyCode"))
    other = texts(root, "cbc:TaxCurrencyCode")
    totals = found(root, "cac:TaxTotal")
    split = [len(found(each, "cac:TaxSubtotal")) > 0 for each in totals]
    if split.count(True) != 1:
        yield "PEPPOL-EN16931-R053"
    if split.count(False) != len(other):
        yield "PEPPOL-EN16931-R054"
    if currency in other:
        yield "PEPPOL-EN16931-R005"
    amounts = [Decimal(each) for each in texts(root, "cac:TaxTotal/cbc:TaxAmount")]
    if other and min(amounts) < 0 < max(amounts):
        yield "PEPPOL-EN16931-R055"
    for category in found(root, ".//cac:TaxCategory"):
        named = "".join(texts(category, "cbc:ID"))
        for code in texts(category, "cbc:TaxExemptionReasonCode"):
            wanted = {"VATEX-EU-AE": ("AE", "P0107"), "VATEX-EU-O": ("O", "P0105")}.get(code.upper())
            if wanted and wanted[0] != named:
                yield f"PEPPOL-EN16931-{wanted[1]}"
    for each in root.iter(etree.Element):
        stated = each.get("currencyID")
        parent = each.getparent()
        alone = parent is not None and parent in totals and not found(parent, "cac:TaxSubtotal")
        if stated is not None and stated != currency and not alone:
            yield "PEPPOL-EN16931-R051"


def _lines(root: Root) -> Iterator[str]:
    for line in (*found(root, "cac:InvoiceLine"), *found(root, "cac:CreditNoteLine")):
        quantity = (*found(line, "cbc:InvoicedQuantity"), *found(line, "cbc:CreditedQuantity"))[0]
        base = found(line, "cac:Price/cbc:BaseQuantity")[0]
        price, whole = (Decimal(texts(line, p)[0]) for p in ("cac:Price/cbc:PriceAmount", "cbc:LineExtensionAmount"))
        if Decimal(base.text or "0") <= 0:
            yield "PEPPOL-EN16931-R121"
        elif abs(Decimal(quantity.text or "0") * price / Decimal(base.text or "1") - whole) > SLACK:
            yield "PEPPOL-EN16931-R120"
        if base.get("unitCode") != quantity.get("unitCode"):
            yield "PEPPOL-EN16931-R130"
        for name, rule, beyond in (("StartDate", "R110", str.__lt__), ("EndDate", "R111", str.__gt__)):
            bound = texts(root, f"cac:InvoicePeriod/cbc:{name}")
            if bound and any(beyond(day, bound[0]) for day in texts(line, f"cac:InvoicePeriod/cbc:{name}")):
                yield f"PEPPOL-EN16931-{rule}"


CHECKS: tuple[Callable[[Root], Iterator[str]], ...] = (_head, _parties, _taxes, _lines)
