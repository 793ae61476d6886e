"""The PDF: PDF/A structure, the XML inside, equal bytes, everything printed, pages for any number of lines."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path

import pikepdf
import pypdf
import pytest

from roamclear.documents.canvas import Canvas
from roamclear.documents.cii import write_cii
from roamclear.documents.giro_code import giro_code
from roamclear.documents.model import Branding, InvoiceDocument, Language, Purpose, Typeface, VatReason
from roamclear.documents.pdf import render_invoice
from tests.unit.documents import samples

FX = "urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#"
PDFA = "http://www.aiim.org/pdfa/ns/id/"


def words_of(pdf: bytes) -> str:
    """All text with blanks made equal."""
    pages = pypdf.PdfReader(io.BytesIO(pdf)).pages
    return re.sub(r"\s+", " ", " ".join(page.extract_text() for page in pages).replace("\u00a0", " "))


@pytest.mark.parametrize("make", samples.MATRIX.values(), ids=samples.MATRIX.keys())
def test_every_kind_is_a_pdf_a3u_with_its_invoice_inside(make: Callable[[], InvoiceDocument], fonts: Path) -> None:
    document = make()
    with pikepdf.open(io.BytesIO(render_invoice(document, fonts))) as pdf:
        root = pdf.Root
        assert root.OutputIntents[0].S == "/GTS_PDFA1"
        assert "/Info" not in pdf.trailer
        (attached,) = root.AF
        assert attached.AFRelationship == "/Alternative"
        assert attached.EF.F.Subtype == "/text/xml"
        assert pdf.attachments["factur-x.xml"].get_file().read_bytes() == write_cii(document)
        meta = pdf.open_metadata()
        assert (meta[f"{{{PDFA}}}part"], meta[f"{{{PDFA}}}conformance"]) == ("3", "U")
        assert meta[f"{{{FX}}}ConformanceLevel"] == "EN 16931"
        assert meta[f"{{{FX}}}DocumentFileName"] == "factur-x.xml"
        assert b"pdfaExtension:schemas" in root.Metadata.read_bytes()
        _fonts_are_embedded(pdf)


def _fonts_are_embedded(pdf: pikepdf.Pdf) -> None:
    fonts = {name: font for page in pdf.pages for name, font in page.Resources.Font.items()}
    assert len(fonts) == 2
    for font in fonts.values():
        assert "/ToUnicode" in font
        assert "/FontFile2" in font.DescendantFonts[0].FontDescriptor


def test_two_renders_are_byte_identical(fonts: Path) -> None:
    assert render_invoice(samples.multi_rate(), fonts) == render_invoice(samples.multi_rate(), fonts)


def test_what_the_law_asks_for_is_printed(fonts: Path) -> None:
    text = words_of(render_invoice(samples.reverse_charge(), fonts))
    for expected in (
        "Invoice RE-2026-000042", "9 November 2026", "01/10/2026 – 31/10/2026", "DE136695976", "PL8567346215",
        "Am Umspannwerk 7", "20457 Hamburg", "Świętokrzyska 31/33A", "POLAND", "5,120.750 kWh", "0.47 / kWh",
        "2,487.25 EUR", "Reverse charge: the recipient owes the VAT", "DE89 3704 0044 0532 0130 00",
        "RF18 5390 0754 7034", "Page 1 of 1", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    ):  # fmt: skip
        assert expected in text, expected


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        (Language.EN, ("Self-billing invoice", "Self-billing", "Reverse charge", "Charging in Greece")),
        (Language.DE, ("Gutschrift SB", "Steuerschuldnerschaft des Leistungsempfängers", "Laden in Griechenland")),
        (Language.FR, ("Autofacture", "Autofacturation", "Autoliquidation", "Recharge : Grèce")),
        (Language.NL, ("Factuur uitgereikt door afnemer", "Btw verlegd", "Laden in Griekenland")),
    ],
)
def test_mentions_stand_in_the_language_of_the_document(
    language: Language, expected: tuple[str, ...], fonts: Path
) -> None:
    document = samples.self_billing().model_copy(update={"language": language})
    text = words_of(render_invoice(document, fonts))
    for mention in expected:
        assert mention in text, mention


def test_a_self_billed_document_is_its_drawers_paper(fonts: Path) -> None:
    document = samples.self_billing()
    text = words_of(render_invoice(document, fonts))
    assert text.index("Hellstrom Ladenetz GmbH") < text.index("Ηλεκτροκίνηση Αιγαίου")
    assert giro_code(document) is None


def test_out_of_scope_prints_the_vat_id_that_the_xml_leaves_out(fonts: Path) -> None:
    assert "DE136695976" in words_of(render_invoice(samples.out_of_scope(), fonts))


def test_a_draft_has_a_watermark_and_no_invoice_inside(fonts: Path) -> None:
    pdf = render_invoice(samples.hostile(), fonts)
    assert "PROJET" in words_of(pdf)
    with pikepdf.open(io.BytesIO(pdf)) as opened:
        assert "/AF" not in opened.Root
        assert not opened.attachments


@pytest.mark.parametrize(
    ("purpose", "expected"),
    [(Purpose.DRAFT, ("Draft invoice", "DRAFT")), (Purpose.PROFORMA, ("Pro-forma invoice", "PRO FORMA"))],
)
def test_a_preview_has_no_number_no_xml_and_no_way_to_pay(
    purpose: Purpose, expected: tuple[str, ...], fonts: Path
) -> None:
    issued = samples.reverse_charge()
    preview = render_invoice(issued, fonts, purpose=purpose)
    text = words_of(preview)
    assert all(word in text for word in (*expected, "not assigned yet", "This is a preview, not an invoice"))
    assert issued.number is not None
    assert issued.number not in text
    assert "GiroCode" not in text
    with pikepdf.open(io.BytesIO(preview)) as pdf:
        assert "/AF" not in pdf.Root
        assert not pdf.attachments


def test_a_copy_differs_by_its_watermark_only(fonts: Path) -> None:
    original = samples.document(language=Language.NL)
    copy = original.model_copy(update={"purpose": Purpose.COPY})
    assert words_of(render_invoice(copy, fonts)).replace(" KOPIE", "") == words_of(render_invoice(original, fonts))


@pytest.mark.parametrize(("lines", "pages"), [(0, (1, 1)), (1, (1, 1)), (60, (2, 4)), (2000, (40, 80))])
def test_any_number_of_lines_fills_its_pages(lines: int, pages: tuple[int, int], fonts: Path) -> None:
    document = samples.document(()) if lines == 0 else samples.many(max(lines, 1))
    pdf = render_invoice(document, fonts)
    reader = pypdf.PdfReader(io.BytesIO(pdf))
    count = len(reader.pages)
    assert pages[0] <= count <= pages[1]
    for number in (1, count):
        assert f"Page {number} of {count}" in re.sub(r"\s+", " ", reader.pages[number - 1].extract_text())
    if count > 2:
        assert "Description" in reader.pages[1].extract_text()


def test_a_long_window_address_loses_nothing(fonts: Path) -> None:
    text = words_of(render_invoice(samples.hostile(), fonts))
    for word in ("Ανώνυμη", "γραφείο 17Β", "115 26 Αθήνα", "GRÈCE", "Sp.k."):
        assert word in text
    # Characters that no European font has become a question mark; PDF/A forbids the missing glyph.
    assert "Ε. ??" in text


def test_long_legal_texts_are_printed_whole(fonts: Path) -> None:
    reason = "Steuerschuldnerschaft des Leistungsempfängers nach Artikel 195 der Richtlinie 2006/112/EG " * 4 + "END-R"
    why = "The energy of eleven sessions was metered twice by the same charger " * 4 + "END-C"
    footer = "Sitz der Gesellschaft, Registergericht, Handelsregister, Geschäftsführung, Aufsichtsrat, Bank END-F"
    terms = "Payable within thirty days of the issue date without any deduction whatsoever " * 4 + "END-T"
    document = samples.reverse_charge()
    row = document.vat[0].model_copy(update={"reason": VatReason(text=reason, code="VATEX-EU-AE")})
    document = document.model_copy(
        update={
            "vat": (row,),
            "correction_reason": why,
            "branding": Branding(footer_lines=(footer,)),
            "payment": samples.PAYMENT.model_copy(update={"terms": terms}),
        }
    )
    text = words_of(render_invoice(document, fonts))
    for end in ("END-R (VATEX-EU-AE)", "END-C", "END-F", "END-T"):
        assert end in text, end


BROKEN_LOGOS = {
    "text": b"not an image",
    "cut png": samples.png_logo()[:80],
    "svg with a script": b"<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>",
    "svg with an entity": b"<!DOCTYPE svg [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><svg>&x;</svg>",
    "html": b"<html><body>no</body></html>",
    "broken svg": b"<svg xmlns='http://www.w3.org/2000/svg' viewBox='a b'><path d='M'/>",
}


@pytest.mark.parametrize("logo", BROKEN_LOGOS.values(), ids=BROKEN_LOGOS.keys())
def test_a_logo_that_cannot_be_drawn_never_stops_a_document(logo: bytes, fonts: Path) -> None:
    document = samples.document(branding=Branding(logo=logo))
    text = words_of(render_invoice(document, fonts))
    assert (
        text.count("Hellstrom Ladenetz GmbH")
        > words_of(render_invoice(samples.document(), fonts)).count("Hellstrom Ladenetz GmbH") - 3
    )


def test_an_svg_logo_is_drawn(fonts: Path) -> None:
    svg = (
        b"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 40 10'><rect width='40' height='10' fill='#c00'/></svg>"
    )
    with_logo = render_invoice(samples.document(branding=Branding(logo=svg)), fonts)
    assert with_logo != render_invoice(samples.document(branding=Branding()), fonts)


def test_an_issuer_may_choose_a_serif(fonts: Path) -> None:
    document = samples.document(branding=Branding(typeface=Typeface.SERIF))
    with pikepdf.open(io.BytesIO(render_invoice(document, fonts))) as pdf:
        names = {str(font.BaseFont) for font in pdf.pages[0].Resources.Font.values()}
        assert len(names) == 2
        assert all("NotoSerif" in name for name in names)
        _fonts_are_embedded(pdf)


def test_no_name_of_the_software_is_anywhere(fonts: Path) -> None:
    pdf = render_invoice(samples.multi_rate(), fonts)
    with pikepdf.open(io.BytesIO(pdf)) as opened:
        meta = opened.Root.Metadata.read_bytes().lower()
    for name in (b"roamclear", b"fpdf"):
        assert name not in meta
        assert name not in pdf.lower()


def test_the_giro_code_stands_for_euro_amounts_due_only() -> None:
    assert giro_code(samples.multi_rate()) is not None
    assert giro_code(samples.credit_note()) is None
    assert giro_code(samples.zloty()) is None
    assert giro_code(samples.zero_amount()) is None
    assert giro_code(samples.hostile()) is None


def test_wrapping_loses_no_character(fonts: Path) -> None:
    text = "a " + "Donaudampfschifffahrtsgesellschaft" * 6 + " and the rest of it"
    with Canvas(Branding(), fonts, language="EN") as canvas:
        canvas.new_page()
        canvas.pen(8)
        lines = canvas.wrap(text, 400)
        assert "".join(lines).replace(" ", "") == text.replace(" ", "")
        assert all(canvas.width(line) <= 400 for line in lines)
