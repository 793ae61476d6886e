"""What forbids issuing a document is named; a complete document passes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from roamclear.documents.checks import missing
from roamclear.documents.model import (
    DocumentType,
    InvoiceDocument,
    NationalTax,
    Party,
    Payment,
    Preceding,
    Purpose,
    VatCategory,
)
from roamclear.kernel.money import Money
from tests.unit.documents import samples


@pytest.mark.parametrize("make", samples.MATRIX.values(), ids=samples.MATRIX.keys())
def test_complete_documents_may_be_issued(make: Callable[[], InvoiceDocument]) -> None:
    assert missing(make()) == []


def test_a_draft_needs_no_number() -> None:
    assert missing(samples.document(number=None, purpose=Purpose.DRAFT)) == []


def _party(**more: Any) -> Party:
    return samples.SELLER.model_copy(update=more)


def _totals(document: InvoiceDocument, **more: int) -> InvoiceDocument:
    amounts = {name: Money(minor, "EUR") for name, minor in more.items()}
    return document.model_copy(update={"totals": document.totals.model_copy(update=amounts)})


def _line(document: InvoiceDocument, **more: Any) -> InvoiceDocument:
    first, *rest = document.lines
    return document.model_copy(update={"lines": (first.model_copy(update=more), *rest)})


def _vat(document: InvoiceDocument, **more: Any) -> InvoiceDocument:
    first, *rest = document.vat
    return document.model_copy(update={"vat": (first.model_copy(update=more), *rest)})


O_KIND = {"vat_category": VatCategory.OUT_OF_SCOPE, "vat_rate": Decimal(0)}
CASES: dict[str, tuple[InvoiceDocument, str]] = {
    "number": (samples.document(number=None), "number: "),
    "no lines": (samples.document(()), "lines: there is no line"),
    "period": (samples.document(period_end=date(2026, 9, 1)), "period_end: "),
    "due before issue": (samples.document(due_date=date(2026, 1, 1)), "due_date: is before"),
    "seller name": (samples.document(seller=_party(name=" ")), "seller.name"),
    "seller address": (samples.document(seller=_party(address_lines=(), postcode=None)), "seller.address_lines"),
    "seller city": (samples.document(seller=_party(city="")), "seller.city"),
    "seller country": (samples.document(seller=_party(country="Germany")), "seller.country"),
    "seller VAT id": (samples.document(seller=_party(vat_id=None)), "seller.vat_id"),
    "seller VAT id without country": (samples.document(seller=_party(vat_id="136695976")), "seller.vat_id: does"),
    "Peppol R020": (samples.document(seller=_party(electronic_address=None)), "PEPPOL-EN16931-R020"),
    "Peppol R010": (samples.document(buyer=_party(electronic_scheme=None)), "PEPPOL-EN16931-R010"),
    "Peppol R003": (samples.document(buyer_reference=None), "PEPPOL-EN16931-R003"),
    "Peppol R120": (_line(samples.document(), quantity=Decimal("-5")), "PEPPOL-EN16931-R120"),
    "buyer VAT id under reverse charge": (
        samples.reverse_charge().model_copy(update={"buyer": samples.BUYER_PL.model_copy(update={"vat_id": None})}),
        "buyer.vat_id",
    ),
    "category O without legal id": (
        samples.document((samples.energy("7", "0.47", **O_KIND),), seller=_party(legal_id=None)), "seller.legal_id",
    ),
    "category O beside S": (
        samples.document((samples.energy("7", "0.47", **O_KIND), samples.energy("7", "0.47"))), "BR-O-11",
    ),
    "reason": (_vat(samples.reverse_charge(), reason=None), "vat[AE].reason: is missing"),
    "reason on S": (
        _vat(samples.document(), reason=samples.REASONS[VatCategory.EXEMPT]), "vat[S].reason: must not",
    ),
    "rate of S": (_line(samples.document(), vat_rate=Decimal(0)), "BR-S-05"),
    "rate of AE": (_line(samples.reverse_charge(), vat_rate=Decimal(19)), "BR-AE-05"),
    "tax not on the sum": (_vat(samples.document(), tax=Money(1, "EUR")), "BR-CO-17"),
    "breakdown incomplete": (samples.document().model_copy(update={"vat": ()}), "BR-CO-18"),
    "net": (_totals(samples.document(), net=1), "totals.net"),
    "tax": (_totals(samples.document(), tax=1), "totals.tax"),
    "gross": (_totals(samples.document(), gross=1), "totals.gross"),
    "due": (_totals(samples.document(), due=1), "totals.due"),
    "negative invoice": (samples.document((samples.energy("-7", "0.47"),)), "totals.gross: is negative"),
    "garbage IBAN": (
        samples.document(payment=samples.PAYMENT.model_copy(update={"iban": "DE00370400440532013000"})),
        "payment.iban: the check",
    ),
    "no IBAN": (samples.document(payment=Payment(reference="RF18539007547034", terms="x")), "payment.iban: is"),
    "wrong RF": (
        samples.document(payment=samples.PAYMENT.model_copy(update={"reference": "RF19539007547034"})),
        "payment.reference: the check",
    ),
    "no RF": (
        samples.document(payment=samples.PAYMENT.model_copy(update={"reference": None})), "payment.reference: the RF",
    ),
    "no due date": (
        samples.document(due_date=None, payment=samples.PAYMENT.model_copy(update={"terms": None})), "BR-CO-25",
    ),
    "381 without its original": (samples.credit_note().model_copy(update={"preceding": ()}), "preceding: the"),
    "384 without its original": (
        samples.document(type_code=DocumentType.CORRECTED_INVOICE), "preceding: the",
    ),
    "381 without the date": (
        samples.credit_note().model_copy(update={"preceding": (Preceding(number="RE-1"),)}), "preceding[0]",
    ),
    "other currency in a line": (
        _line(samples.document(), net=Money(100, "PLN")), "lines[0].net: is in PLN",
    ),
    "VAT in the national currency": (samples.zloty().model_copy(update={"national_tax": None}), "Art. 230"),
    "VAT in the wrong currency": (
        samples.zloty().model_copy(
            update={"national_tax": NationalTax(tax=Money(1, "SEK"), rate=Decimal(1), rate_date=date(2026, 1, 1))}
        ),
        "national_tax: is not in EUR",
    ),
    "VAT at another rate": (
        samples.zloty().model_copy(
            update={"national_tax": NationalTax(tax=Money(1, "EUR"), rate=Decimal("0.23"), rate_date=date(2026, 1, 1))}
        ),
        "national_tax.tax: is not the VAT at the stated rate",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("document", "expected"), CASES.values(), ids=CASES.keys())
def test_each_gap_is_named(document: InvoiceDocument, expected: str) -> None:
    found = missing(document)
    assert any(expected in finding for finding in found), found
