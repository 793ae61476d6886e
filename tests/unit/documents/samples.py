"""Documents that the tests draw, write and break."""

from __future__ import annotations

import struct
import zlib
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from roamclear.documents.model import (
    Branding,
    Component,
    DocumentType,
    InvoiceDocument,
    Language,
    Line,
    NationalTax,
    Party,
    Payment,
    Preceding,
    Purpose,
    Section,
    SectionKind,
    Unit,
    VatCategory,
    VatReason,
    WindowStatement,
)
from roamclear.documents.totals import totals, vat_breakdown
from roamclear.kernel.money import HALF_UP, Money

REASONS = {
    VatCategory.REVERSE_CHARGE: VatReason(
        text="Reverse charge: the recipient owes the VAT (Art. 195 Directive 2006/112/EC)", code="VATEX-EU-AE"
    ),
    VatCategory.OUT_OF_SCOPE: VatReason(text="Outside the scope of EU VAT (Art. 38)", code="VATEX-EU-O"),
    VatCategory.EXEMPT: VatReason(text="Exempt under Art. 132", code="VATEX-EU-132"),
}

SELLER = Party(
    name="Hellstrom Ladenetz GmbH",
    address_lines=("Am Umspannwerk 7", "Gebäude C"),
    postcode="20457",
    city="Hamburg",
    country="DE",
    vat_id="DE136695976",
    legal_id="HRB 104711",
    electronic_address="DE136695976",
    electronic_scheme="9930",
    contact_name="Accounts receivable",
    contact_phone="+49 40 5550 100",
    contact_email="billing@hellstrom.example",
    website="www.hellstrom.example",
)
BUYER_DE = Party(
    name="Fahrstrom Mobility AG",
    address_lines=("Isarufer 22",),
    postcode="80331",
    city="München",
    country="DE",
    vat_id="DE129274202",
    electronic_address="DE129274202",
    electronic_scheme="9930",
)
BUYER_PL = Party(
    name="Zażółć Elektromobilność Międzynarodowa Spółka z ograniczoną odpowiedzialnością",
    address_lines=("ul. Świętokrzyska 31/33A", "budynek Żuraw, piętro 12"),
    postcode="00-049",
    city="Warszawa",
    country="PL",
    vat_id="PL8567346215",
    electronic_address="PL8567346215",
    electronic_scheme="9945",
)
SUPPLIER_GR = Party(
    name="Ηλεκτροκίνηση Αιγαίου Μονοπρόσωπη Α.Ε.",
    address_lines=("Λεωφόρος Κηφισίας 124",),
    postcode="115 26",
    city="Αθήνα",
    country="GR",
    vat_id="EL094259216",
    electronic_address="EL094259216",
    electronic_scheme="9933",
    contact_name="Γραμματεία",
    contact_phone="+30 210 555 0100",
    contact_email="info@aigaio.example",
)
BUYER_CH = Party(
    name="Alpenstrom Services SA",
    address_lines=("Rue du Rhône 8",),
    postcode="1204",
    city="Genève",
    country="CH",
    legal_id="CHE-123.456.788",
    electronic_address="ap@alpenstrom.example",
    electronic_scheme="EM",
)
PAYMENT = Payment(
    iban="DE89370400440532013000",
    bic="COBADEFFXXX",
    account_name="Hellstrom Ladenetz GmbH",
    bank_name="Commerzbank",
    reference="RF18539007547034",
    terms="30 days net",
)
WINDOW = WindowStatement(
    opened_at_utc=datetime(2026, 11, 1, 23, 0, tzinfo=UTC),
    closed_at_utc=datetime(2026, 11, 8, 23, 0, tzinfo=UTC),
    zone="Europe/Berlin",
    locked_at_utc=datetime(2026, 11, 8, 23, 1, tzinfo=UTC),
    manifest_sha256="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    sessions=812,
    disputed=3,
    not_included=5,
)


def png_logo(width: int = 360, height: int = 96) -> bytes:
    """A small RGB PNG: a rounded bolt-like mark and a bar, made here so that no file is needed."""
    rows = []
    for y in range(height):
        row = bytearray([0])
        for x in range(width):
            inside = x < height and (x - height // 2) ** 2 + (y - height // 2) ** 2 < (height // 2) ** 2
            bar = x > height + 20 and height // 3 < y < 2 * height // 3
            row += bytes((31, 58, 95) if inside else (46, 158, 107) if bar else (255, 255, 255))
        rows.append(bytes(row))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(b"".join(rows), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


BRANDING = Branding(
    primary="#1F3A5F",
    accent="#2E9E6B",
    logo=png_logo(),
    footer_lines=(
        "Hellstrom Ladenetz GmbH · Am Umspannwerk 7 · 20457 Hamburg · Geschäftsführung: siehe Register",
        "Amtsgericht Hamburg HRB 104711 · USt-IdNr. DE136695976 · IBAN DE89 3704 0044 0532 0130 00",
    ),
)


def energy(kwh: str, price: str, **more: Any) -> Line:
    """An energy line whose net is the rounded product; real lines sum rounded sessions instead."""
    amount = Money.from_decimal(Decimal(kwh) * Decimal(price), more.get("currency", "EUR"), rounding=HALF_UP)
    more.pop("currency", None)
    values: dict[str, Any] = {
        "component": Component.ENERGY,
        "quantity": Decimal(kwh),
        "unit": Unit.KWH,
        "net": amount,
        "unit_price": Decimal(price),
        "contract_version": "3",
        "sessions": 40,
        "vat_category": VatCategory.STANDARD,
        "vat_rate": Decimal(19),
        "section": Section(country="DE"),
        "period_start": date(2026, 10, 1),
        "period_end": date(2026, 10, 31),
        **more,
    }
    return Line(**values)


def fee(count: int, price: str, **more: Any) -> Line:
    """A line of session fees."""
    return energy(str(count), price, component=Component.SESSION, unit=Unit.PIECE, **more)


def document(lines: tuple[Line, ...] | None = None, **more: Any) -> InvoiceDocument:
    """A complete invoice; totals and breakdown follow from the lines."""
    if lines is None:
        lines = (energy("2431.118", "0.49"), fee(83, "0.35"), energy("812.4", "0.52", section=Section(country="AT")))
    currency = more.get("currency", "EUR")
    vat = more.pop("vat", None) or vat_breakdown(lines, currency, REASONS)
    values: dict[str, Any] = {
        "type_code": DocumentType.INVOICE,
        "number": "RE-2026-000042",
        "issue_date": date(2026, 11, 9),
        "due_date": date(2026, 12, 9),
        "period_start": date(2026, 10, 1),
        "period_end": date(2026, 10, 31),
        "currency": "EUR",
        "seller": SELLER,
        "buyer": BUYER_DE,
        "payment": PAYMENT,
        "lines": lines,
        "vat": vat,
        "totals": totals(vat, currency),
        "buyer_reference": "PO-77120",
        "contract_reference": "C-2026-014",
        "window": WINDOW,
        "branding": BRANDING,
        **more,
    }
    return InvoiceDocument(**values)


def multi_rate() -> InvoiceDocument:
    """Two rates, two countries, day and night, parking in hours."""
    parking = energy("118.5", "1.20", component=Component.PARKING, unit=Unit.HOUR, vat_rate=Decimal(7))
    return document(
        (energy("12431.118", "0.49", name="Energy, day"), energy("3100.25", "0.39", name="Energy, night"),
         fee(412, "0.35"), parking, energy("812.4", "0.52", section=Section(country="AT"))),
        language=Language.DE,
    )  # fmt: skip


def reverse_charge() -> InvoiceDocument:
    """Cross-border to a Polish taxable dealer."""
    kind = {"vat_category": VatCategory.REVERSE_CHARGE, "vat_rate": Decimal(0)}
    return document((energy("5120.75", "0.47", **kind), fee(230, "0.35", **kind)), buyer=BUYER_PL)


def credit_note() -> InvoiceDocument:
    """A partial credit note."""
    return document(
        (energy("31.2", "0.49", section=Section(kind=SectionKind.ADJUSTMENT), cdr_id="CDR-7712"),),
        type_code=DocumentType.CREDIT_NOTE,
        number="GS-2026-000003",
        due_date=None,
        preceding=(Preceding(number="RE-2026-000042", issue_date=date(2026, 11, 9)),),
        correction_reason="Session CDR-7712 was charged twice",
        language=Language.DE,
    )


def corrected() -> InvoiceDocument:
    """A corrected invoice (384)."""
    return document(
        type_code=DocumentType.CORRECTED_INVOICE,
        number="RE-2026-000050",
        preceding=(Preceding(number="RE-2026-000042", issue_date=date(2026, 11, 9)),),
        language=Language.FR,
    )


def self_billing() -> InvoiceDocument:
    """The operator draws up the invoice of a Greek site owner."""
    kind = {"vat_category": VatCategory.REVERSE_CHARGE, "vat_rate": Decimal(0)}
    return document(
        (energy("902.5", "0.31", section=Section(country="GR"), **kind),),
        type_code=DocumentType.SELF_BILLED_INVOICE,
        number="SB-2026-000007",
        seller=SUPPLIER_GR,
        buyer=SELLER,
        payment=Payment(iban="GR1601101250000000012300695", account_name=SUPPLIER_GR.name, terms="15 days"),
        window=None,
        language=Language.EN,
    )


def self_billed_credit() -> InvoiceDocument:
    """The correction of a self-billing invoice (261)."""
    return document(
        (energy("10", "0.31"),),
        type_code=DocumentType.SELF_BILLED_CREDIT_NOTE,
        number="SC-2026-000001",
        seller=BUYER_DE,
        buyer=SELLER,
        due_date=None,
        preceding=(Preceding(number="SB-2026-000007", issue_date=date(2026, 11, 9)),),
        language=Language.NL,
    )


def out_of_scope() -> InvoiceDocument:
    """A Swiss buyer: category O, the VAT ids stay off the XML."""
    kind = {"vat_category": VatCategory.OUT_OF_SCOPE, "vat_rate": Decimal(0)}
    return document((energy("700", "0.47", **kind),), buyer=BUYER_CH, language=Language.FR)


def exempt() -> InvoiceDocument:
    """Category E beside S."""
    return document((energy("700", "0.47"), fee(3, "5", vat_category=VatCategory.EXEMPT, vat_rate=Decimal(0))))


def zero_rate() -> InvoiceDocument:
    """Category Z."""
    return document((energy("700", "0.47", vat_category=VatCategory.ZERO, vat_rate=Decimal(0)),))


def zero_amount() -> InvoiceDocument:
    """Nothing to pay: an hour given away."""
    return document((energy("0", "0.47"), fee(3, "0")))


def adjustment() -> InvoiceDocument:
    """A negative adjustment of an earlier month beside ordinary lines."""
    back = energy(
        "-31.2",
        "0.49",
        section=Section(kind=SectionKind.ADJUSTMENT),
        preceding=Preceding(number="RE-2026-000031", issue_date=date(2026, 10, 9)),
        cdr_id="CDR-7712",
        period_start=date(2026, 9, 1),
        period_end=date(2026, 9, 30),
    )
    late = energy("55.1", "0.47", section=Section(kind=SectionKind.EARLIER), period_start=date(2026, 9, 1),
                  period_end=date(2026, 9, 30))  # fmt: skip
    return document((energy("812.4", "0.49"), late, back), language=Language.NL)


def fees() -> InvoiceDocument:
    """Electricity under reverse charge beside fees with VAT: a share and a fee in tiers."""
    free = {"vat_category": VatCategory.REVERSE_CHARGE, "vat_rate": Decimal(0)}
    ours = {"section": Section(kind=SectionKind.FEES), "component": Component.SERVICE}
    share = energy("1", "26.92", unit=Unit.PIECE, name="Clearing", description="2.5 % of 1,076.95 EUR", **ours)
    tiers = energy("2291.4", "0.0125", name="Per kWh", description="in tiers", **ours)
    return document((energy("2291.4", "0.47", **free), share, tiers), buyer=BUYER_PL, notes=("Includes 2026-09.",))


def zloty() -> InvoiceDocument:
    """Invoiced in PLN by a German seller: the VAT also in EUR."""
    lines = (energy("812.4", "2.19", currency="PLN"),)
    tax = NationalTax(tax=Money(7867, "EUR"), rate=Decimal("0.23272050"), rate_date=date(2026, 11, 6))
    return document(lines, currency="PLN", national_tax=tax)


def many(count: int = 2000) -> InvoiceDocument:
    """A long document over ten countries."""
    countries = ("DE", "AT", "FR", "NL", "BE", "PL", "GR", "IT", "ES", "CZ")
    lines = tuple(
        energy(
            f"{100 + i % 977}.{i % 1000:03d}", f"0.{40 + i % 20}", section=Section(country=countries[i * 10 // count])
        )
        for i in range(count)
    )
    return document(lines)


MATRIX = {
    f.__name__: f
    for f in (
        multi_rate, reverse_charge, credit_note, corrected, self_billing, self_billed_credit, out_of_scope, exempt,
        zero_rate, zero_amount, adjustment, fees, zloty,
    )
}  # fmt: skip


def hostile() -> InvoiceDocument:
    """Long names, odd characters, no logo, no footer, a bright brand, a draft."""
    party = Party(
        name="Απόστολος Δημητρακόπουλος & Συνεργάτες Διαχείριση Σταθμών Φόρτισης Ηλεκτρικών Οχημάτων Ανώνυμη Ε. 充電",
        address_lines=("Λεωφόρος Βασιλίσσης Σοφίας και Αλεξάνδρου Παπαναστασίου 1234, 3ος όροφος, γραφείο 17Β",),
        postcode="115 26", city="Αθήνα", country="GR", vat_id="EL094259216",
        electronic_address="EL094259216", electronic_scheme="9933",
    )  # fmt: skip
    seller = SELLER.model_copy(
        update={"name": "Stowarzyszenie Użytkowników Ładowarek Żółć i Gęślą Jaźń Sp. z o.o. Sp.k."}
    )
    return document(
        seller=seller,
        buyer=party,
        number=None,
        branding=Branding(primary="#F2C037", accent="#D0342C"),
        language=Language.FR,
        purpose=Purpose.DRAFT,
        buyer_reference="BESTELLREFERENZ-MIT-SEHR-LANGEM-TEXT-OHNE-LEERZEICHEN-0123456789",
    )
