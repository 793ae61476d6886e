"""The invoice on paper: PDF/A-3U with the CII inside (Factur-X, profile EN 16931).

Nothing is looked up and nothing is computed but positions: every number comes from the ``InvoiceDocument``. Equal
documents give equal bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from roamclear.documents.canvas import Canvas
from roamclear.documents.cii import write_cii
from roamclear.documents.invoice_model import InvoiceDocument, Party, Purpose
from roamclear.documents.letterhead import Letterhead, draw_first_page, draw_footers, draw_next_page
from roamclear.documents.pdf_lines import draw_lines
from roamclear.documents.pdf_sums import draw_payment, draw_statements, draw_sums
from roamclear.documents.texts import long_date, mentions, period_text, short_date, title
from roamclear.documents.words import word


def render_invoice(
    document: InvoiceDocument, fonts: Path, *, xml: bytes | None = None, purpose: Purpose | None = None
) -> bytes:
    """Draw a document; ``fonts`` is the folder that the font build made, ``xml`` the CII if it is there already.

    ``purpose`` stands in for the document's own: COPY, DRAFT and PROFORMA are written across every page. Previews
    carry neither number nor XML: nothing may take one for an invoice. Copies carry the original's.
    """
    purpose = purpose or document.purpose
    number = None if purpose.is_preview else document.number
    document = document.model_copy(update={"purpose": purpose, "number": number})
    with Canvas(document.branding, fonts, language=document.language.value) as canvas:
        return _draw(canvas, document, xml)


def _draw(canvas: Canvas, document: InvoiceDocument, xml: bytes | None) -> bytes:
    head = _letterhead(document)

    def frame(page: int) -> None:
        draw_first_page(canvas, head) if page == 1 else draw_next_page(canvas, head)

    canvas.frame = frame
    canvas.new_page()
    draw_lines(canvas, document)
    draw_sums(canvas, document)
    draw_payment(canvas, document)
    draw_statements(canvas, document)
    draw_footers(canvas, head, document.branding.footer_lines or _default_footer(document))
    final = not document.purpose.is_preview
    if final:
        canvas.attach("factur-x.xml", xml or write_cii(document), document.issue_date, "EN 16931 invoice (CII)")
    issuer = issuer_of(document).name
    return canvas.finish(
        title=f"{title(document)} {document.number or ''}".strip(),
        author=issuer,
        subject=f"{issuer}: {period_text(document.period_start, document.period_end, document.language)}",
        day=document.issue_date,
        with_invoice=final,
    )


def issuer_of(document: InvoiceDocument) -> Party:
    """Who writes the document: the buyer where it is self-billed."""
    return document.buyer if document.type_code.is_self_billed else document.seller


def recipient_of(document: InvoiceDocument) -> Party:
    """Who receives it."""
    return document.seller if document.type_code.is_self_billed else document.buyer


def _letterhead(document: InvoiceDocument) -> Letterhead:
    language = document.language
    marked = document.purpose is not Purpose.ORIGINAL
    return Letterhead(
        issuer=issuer_of(document),
        recipient=recipient_of(document),
        title=_full_title(document),
        subtitle=_subtitle(document),
        badges=tuple(mentions(document)),
        meta=tuple(_meta(document)),
        language=language,
        watermark=word(f"watermark.{document.purpose}", language) if marked else None,
    )


def _full_title(document: InvoiceDocument) -> str:
    if document.number:
        return f"{title(document)} {document.number}"
    if document.purpose.is_preview and document.type_code.value == "380":
        return word("title.draft" if document.purpose is Purpose.DRAFT else "title.proforma", document.language)
    return title(document)


def _subtitle(document: InvoiceDocument) -> str:
    language = document.language
    parts = [f"{word('period', language)}: {period_text(document.period_start, document.period_end, language)}"]
    for reference in document.preceding[:3]:
        day = f" {word('dated', language)} {short_date(reference.issue_date, language)}" if reference.issue_date else ""
        parts.append(f"{word('preceding', language)}: {reference.number}{day}")
    if document.correction_reason:
        parts.append(f"{word('reason', language)}: {document.correction_reason}")
    return "  ·  ".join(parts)


def _meta(document: InvoiceDocument) -> Iterator[tuple[str, str]]:
    language, issuer, recipient = document.language, issuer_of(document), recipient_of(document)
    yield word("number", language), document.number or word("no_number", language)
    yield word("issue_date", language), long_date(document.issue_date, language)
    if document.due_date and not document.type_code.is_credit:
        yield word("due_date", language), long_date(document.due_date, language)
    for key in ("buyer_reference", "order_reference", "contract_reference"):
        if value := getattr(document, key):
            yield word(key, language), value
    yield from _identity(recipient, "your_vat_id", document)
    yield from _identity(issuer, "vat_id", document)
    if document.tax_representative is not None:
        fiscal = document.tax_representative
        place = f"{fiscal.postcode or ''} {fiscal.city}".strip()
        yield (
            word("fiscal_representative", language),
            ", ".join(p for p in (fiscal.name, *fiscal.address_lines, place, fiscal.vat_id) if p),
        )


def _identity(party: Party, key: str, document: InvoiceDocument) -> Iterator[tuple[str, str]]:
    """VAT id, else what stands for it; on paper they are printed for category O too (rules.md 7)."""
    language = document.language
    if party.vat_id:
        yield word(key, language), party.vat_id
    elif party.tax_number:
        yield word("tax_number", language), party.tax_number
    if party.legal_id and (key == "vat_id" or not party.vat_id):
        yield word("register", language), party.legal_id


def _default_footer(document: InvoiceDocument) -> tuple[str, ...]:
    issuer, language = issuer_of(document), document.language
    place = f"{issuer.postcode or ''} {issuer.city}".strip()
    first = " · ".join([issuer.name, *issuer.address_lines, place])
    ids = [
        f"{word('register', language)} {issuer.legal_id}" if issuer.legal_id else "",
        f"{word('vat_id', language)} {issuer.vat_id}" if issuer.vat_id else "",
    ]
    return tuple(line for line in (first, " · ".join(i for i in ids if i)) if line)
