"""The invoice on paper: PDF/A-3U with the CII inside (Factur-X, profile EN 16931).

Nothing is looked up and nothing is computed but positions: every number comes from the ``InvoiceDocument``. Equal
documents give equal bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from roamclear.documents.canvas import BOTTOM, GREY, LEFT, RIGHT, WIDTH, Canvas, Column, readable_on
from roamclear.documents.cii import write_cii
from roamclear.documents.giro_code import giro_code
from roamclear.documents.invoice_model import (
    InvoiceDocument,
    Line,
    Party,
    Purpose,
    Section,
    SectionKind,
    VatCategory,
    VatTotal,
)
from roamclear.documents.letterhead import Letterhead, draw_first_page, draw_footers, draw_next_page
from roamclear.documents.texts import (
    amount_text,
    item_name,
    long_date,
    mentions,
    money_text,
    number_text,
    percent_text,
    period_text,
    section_title,
    short_date,
    title,
    window_sentences,
)
from roamclear.documents.words import word
from roamclear.kernel.ids import iban, rf_reference
from roamclear.kernel.money import Money, total

ROW = 58
_SECTIONS = {SectionKind.COUNTRY: 0, SectionKind.EARLIER: 1, SectionKind.ADJUSTMENT: 2}


def render_invoice(document: InvoiceDocument, fonts: Path, *, xml: bytes | None = None) -> bytes:
    """Draw a document; ``fonts`` is the folder that the font build made, ``xml`` the CII if it is there already.

    Drafts carry no XML: nothing may take a preview for an invoice. Copies carry the original's.
    """
    canvas = Canvas(document.branding, fonts, language=document.language.value)
    head = _letterhead(document)

    def frame(page: int) -> None:
        draw_first_page(canvas, head) if page == 1 else draw_next_page(canvas, head)

    canvas.frame = frame
    canvas.new_page()
    _table(canvas, document)
    _sums(canvas, document)
    _payment(canvas, document)
    _statements(canvas, document)
    draw_footers(canvas, head, document.branding.footer_lines or _default_footer(document))
    final = document.purpose is not Purpose.DRAFT
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


# head ----------------------------------------------------------------------------------------------------------
def _letterhead(document: InvoiceDocument) -> Letterhead:
    language = document.language
    marks = {Purpose.DRAFT: "watermark.DRAFT", Purpose.COPY: "watermark.COPY"}
    mark = marks.get(document.purpose)
    return Letterhead(
        issuer=issuer_of(document),
        recipient=recipient_of(document),
        title=_full_title(document),
        subtitle=_subtitle(document),
        badges=tuple(mentions(document)),
        meta=tuple(_meta(document)),
        language=language,
        watermark=word(mark, language) if mark else None,
    )


def _full_title(document: InvoiceDocument) -> str:
    if document.number:
        return f"{title(document)} {document.number}"
    if document.purpose is Purpose.DRAFT and document.type_code.value == "380":
        return word("title.proforma", document.language)
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


# lines ---------------------------------------------------------------------------------------------------------
def columns(document: InvoiceDocument) -> tuple[Column, ...]:
    """The line table: 165 mm in six columns."""
    language = document.language
    return (
        Column(word("col.description", language), 600),
        Column(word("col.sessions", language), 180, "R"),
        Column(word("col.quantity", language), 245, "R"),
        Column(word("col.price", language), 235, "R"),
        Column(word("col.vat", language), 125, "R"),
        Column(f"{word('col.net', language)} {document.currency}", 265, "R"),
    )


def ordered(document: InvoiceDocument) -> list[tuple[Section, list[Line]]]:
    """Lines by section: countries as they come first, then earlier periods, then adjustments."""
    places: dict[Section, int] = {}
    for line in document.lines:
        places.setdefault(line.section, len(places))
    lines = sorted(document.lines, key=lambda line: (_SECTIONS[line.section.kind], places[line.section]))
    return [(section, list(group)) for section, group in groupby(lines, key=lambda line: line.section)]


def _table(canvas: Canvas, document: InvoiceDocument) -> None:
    cols, language = columns(document), document.language
    canvas.head(cols)
    sections = ordered(document)
    if not sections:
        canvas.pen(9, ink=GREY)
        canvas.text(LEFT + 16, canvas.y + 20, WIDTH, 60, word("no_lines", language))
        canvas.y += 100
    for section, lines in sections:
        if canvas.need(3 * ROW):
            canvas.head(cols)
        canvas.pen(9, bold=True, ink=canvas.primary)
        canvas.text(LEFT + 16, canvas.y + 10, WIDTH, ROW, section_title(section, language))
        canvas.y += ROW + 12
        for place, line in enumerate(lines):
            _row(canvas, cols, line, document, shaded=place % 2 == 0)
        if len(sections) > 1:
            _subtotal(canvas, cols, document, total((line.net for line in lines), document.currency))
    canvas.rule(LEFT, canvas.y + 6, WIDTH, canvas.primary, 4)
    canvas.y += 50


def cells(line: Line, document: InvoiceDocument) -> tuple[str, ...]:
    """The texts of a line behind its description."""
    language = document.language
    places = 0 if line.quantity == line.quantity.to_integral_value() and line.unit.value != "KWH" else 3
    unit = word(f"unit.{line.unit}", language)
    price = "" if line.unit_price is None else number_text(line.unit_price, language, least=2)
    per = word(f"per.{line.unit}", language)
    return (
        "" if line.sessions is None else number_text_int(line.sessions, document),
        f"{number_text(line.quantity, language, places=places)} {unit}",
        f"{price} / {per}" if price else "",
        percent_text(line.vat_rate, language) if line.vat_category is VatCategory.STANDARD else line.vat_category.value,
        amount_text(line.net, language),
    )


def number_text_int(value: int, document: InvoiceDocument) -> str:
    """A count with the separators of the language."""
    return amount_text(Money(value, "JPY"), document.language)


def details(line: Line, document: InvoiceDocument) -> str:
    """What tells lines of equal name apart: tariff, price version, other period, the document adjusted."""
    language, parts = document.language, []
    if line.tariff_name:
        parts.append(line.tariff_name)
    if line.contract_version:
        parts.append(f"{word('price_version', language)} {line.contract_version}")
    own = (line.period_start, line.period_end) == (document.period_start, document.period_end)
    if line.period_start and line.period_end and not own:
        parts.append(period_text(line.period_start, line.period_end, language))
    if line.preceding is not None:
        parts.append(f"{word('preceding', language)} {line.preceding.number}")
    if line.cdr_id:
        parts.append(line.cdr_id)
    if line.description:
        parts.append(line.description)
    return " · ".join(parts)


def _row(canvas: Canvas, cols: tuple[Column, ...], line: Line, document: InvoiceDocument, *, shaded: bool) -> None:
    room = cols[0].width - 32
    name, detail = canvas.clean(item_name(line, document.language)), canvas.clean(details(line, document))
    canvas.pen(8)
    names = [name] if canvas.width(name) <= room else canvas.wrap(name, room)
    beside = canvas.width(name) + 20 if len(names) == 1 else room
    canvas.pen(7, ink=GREY)
    inline = bool(detail) and beside + canvas.width(detail) <= room
    below = [] if inline or not detail else canvas.wrap(detail, room)
    height = ROW + 38 * (len(names) - 1) + 34 * len(below)
    if canvas.need(height + (ROW if document.lines[-1] is line else 0)):
        canvas.head(cols)
    top = canvas.y
    if shaded:
        canvas.box(LEFT, top, WIDTH, height, canvas.zebra)
    if inline:
        canvas.pen(7, ink=GREY)
        canvas.text(LEFT + 16 + beside, top + 2, room, ROW, detail)
    elif below:
        canvas.pen(7, ink=GREY)
        for place, text in enumerate(below):
            canvas.text(LEFT + 16, top + ROW - 10 + 38 * (len(names) - 1) + 34 * place, room, 34, text)
    canvas.pen(8)
    for place, text in enumerate(names[1:], start=1):
        canvas.text(LEFT + 16, top + 38 * place, room, ROW, text)
    canvas.row(cols, (names[0], *cells(line, document)), ROW)
    canvas.y = top + height


def _subtotal(canvas: Canvas, cols: tuple[Column, ...], document: InvoiceDocument, amount: Money) -> None:
    if canvas.need(ROW):
        canvas.head(cols)
    canvas.rule(LEFT, canvas.y, WIDTH)
    canvas.pen(8, bold=True)
    label = word("subtotal", document.language)
    canvas.row(cols, (label, "", "", "", "", amount_text(amount, document.language)), ROW)
    canvas.y += 14


# sums ----------------------------------------------------------------------------------------------------------
def _sums(canvas: Canvas, document: InvoiceDocument) -> None:
    reasons = [row for row in document.vat if row.reason is not None]
    vat_height = 120 + 50 * len(document.vat) + 90 * len(reasons) + (60 if document.national_tax else 0)
    canvas.need(max(vat_height, 330))
    top = canvas.y
    left_end = _vat_summary(canvas, document, top)
    right_end = _total_box(canvas, document, top)
    canvas.y = max(left_end, right_end) + 50


def _vat_summary(canvas: Canvas, document: InvoiceDocument, top: int) -> int:
    language, width, y = document.language, 960, top
    canvas.pen(9, bold=True, ink=canvas.primary)
    canvas.text(LEFT, y, width, 50, word("vat_summary", language))
    y += 58
    cols = ((0, 360, "L"), (360, 90, "R"), (450, 300, "R"), (750, 210, "R"))
    heads = (word("category", language), word("rate", language), word("taxable", language), word("tax", language))
    canvas.pen(7, bold=True, ink=GREY)
    for (x, w, align), text in zip(cols, heads, strict=True):
        canvas.text(LEFT + x, y, w, 40, canvas.cut(text, w), align)
    y += 42
    canvas.rule(LEFT, y, width)
    y += 6
    for row in document.vat:
        canvas.pen(8)
        for (x, w, align), text in zip(cols, _vat_cells(row, document), strict=True):
            canvas.text(LEFT + x, y, w, 46, canvas.cut(text, w), align)
        y += 48
        if row.reason is not None:
            canvas.pen(7, ink=GREY)
            code = f" ({row.reason.code})" if row.reason.code else ""
            y = canvas.block(LEFT, y, width, row.reason.text + code, leading=34, most=3) + 6
    if document.national_tax is not None:
        tax = document.national_tax
        canvas.pen(7, ink=GREY)
        text = word("national_tax", language).format(
            currency=tax.tax.currency,
            tax=money_text(tax.tax, language),
            rate=number_text(tax.rate, language, least=4),
            source=tax.source,
            date=short_date(tax.rate_date, language),
        )
        y = canvas.block(LEFT, y, width, text, leading=34)
    return y


def _vat_cells(row: VatTotal, document: InvoiceDocument) -> tuple[str, str, str, str]:
    language = document.language
    return (
        f"{row.category.value} · {word(f'category.{row.category}', language)}",
        "" if row.category is VatCategory.OUT_OF_SCOPE else percent_text(row.rate, language),
        amount_text(row.taxable, language),
        amount_text(row.tax, language),
    )


def _total_box(canvas: Canvas, document: InvoiceDocument, top: int) -> int:
    language, totals, x = document.language, document.totals, LEFT + 1030
    width, y = RIGHT - x, top
    rows = [(word("net_total", language), totals.net), (word("tax_total", language), totals.tax)]
    if totals.prepaid:
        rows += [(word("gross_total", language), totals.gross), (word("prepaid", language), -totals.prepaid)]
    for label, amount in rows:
        canvas.pen(9, ink=GREY)
        canvas.text(x + 20, y, width, 54, label)
        canvas.pen(9)
        canvas.text(x, y, width - 20, 54, money_text(amount, language), "R")
        y += 56
    y += 8
    canvas.box(x, y, width, 130, canvas.primary)
    canvas.box(x, y, 8, 130, canvas.accent)
    ink = readable_on(canvas.primary)
    canvas.pen(8, ink=ink)
    canvas.text(x + 28, y + 12, width, 42, _due_label(document))
    canvas.pen(16, bold=True, ink=ink)
    text = money_text(totals.due, language)
    if canvas.width(canvas.clean(text)) > width - 50:
        canvas.pen(11, bold=True, ink=ink)
    canvas.text(x, y + 50, width - 24, 70, text, "R")
    return y + 130


def _due_label(document: InvoiceDocument) -> str:
    if document.type_code.is_credit:
        return word("credited", document.language)
    if document.type_code.is_self_billed:
        return word("paid_out", document.language)
    return word("due" if document.totals.prepaid else "gross_total", document.language)


# payment -------------------------------------------------------------------------------------------------------
def _payment(canvas: Canvas, document: InvoiceDocument) -> None:
    if document.type_code.is_credit or document.totals.due.amount_minor <= 0:
        if document.type_code.is_credit:
            canvas.need(70)
            canvas.pen(9)
            canvas.y = canvas.block(LEFT, canvas.y, WIDTH, word("credit_text", document.language), leading=44) + 30
        return
    code = giro_code(document)
    rows = list(_payment_rows(document))
    canvas.pen(8)
    sentence = canvas.wrap(_payment_sentence(document), 1090)
    terms = canvas.wrap(document.payment.terms, 1090)[:3] if document.payment.terms else []
    height = max(110 + 40 * (len(sentence) + len(terms)) + 46 * len(rows), 400 if code else 0)
    canvas.need(height + 20)
    top = canvas.y
    canvas.panel_box(LEFT, top, WIDTH, height)
    canvas.pen(9, bold=True, ink=canvas.primary)
    canvas.text(LEFT + 36, top + 20, 900, 46, word("payment", document.language))
    canvas.pen(8)
    y = _lines(canvas, LEFT + 36, top + 70, sentence) + 8
    for label, value in rows:
        canvas.pen(8, ink=GREY)
        canvas.text(LEFT + 36, y, 300, 44, label)
        canvas.pen(9, bold=True)
        canvas.text(LEFT + 336, y, 800, 44, canvas.cut(value, 800))
        y += 46
    canvas.pen(8, ink=GREY)
    _lines(canvas, LEFT + 36, y, terms)
    if code:
        canvas.box(RIGHT - 380, top + 25, 350, 350, (255, 255, 255))
        module = 310 // len(code)
        inset = (350 - module * len(code)) // 2
        canvas.qr(RIGHT - 380 + inset, top + 25 + inset - 12, 310, code)
        canvas.pen(6, ink=GREY)
        canvas.text(RIGHT - 380, top + 340, 350, 30, word("scan", document.language) + " · GiroCode", "C")
    canvas.y = top + height + 40


def _lines(canvas: Canvas, x: int, y: int, lines: list[str]) -> int:
    for line in lines:
        canvas.text(x, y, 1090, 40, line)
        y += 40
    return y


def _payment_sentence(document: InvoiceDocument) -> str:
    language = document.language
    if document.type_code.is_self_billed:
        return word("payout_text", language)
    if document.due_date is None:
        return ""
    amount, day = money_text(document.totals.due, language), long_date(document.due_date, language)
    return word("pay_by", language).format(amount=amount, date=day)


def _payment_rows(document: InvoiceDocument) -> Iterator[tuple[str, str]]:
    payment, language = document.payment, document.language
    if payment.account_name:
        yield word("account_name", language), payment.account_name
    if payment.iban:
        yield word("iban", language), iban.format(payment.iban)
    if payment.bic:
        bank = f" · {payment.bank_name}" if payment.bank_name else ""
        yield word("bic", language), payment.bic + bank
    if payment.reference:
        yield word("reference", language), rf_reference.format(payment.reference)


# window and notes ----------------------------------------------------------------------------------------------
def _statements(canvas: Canvas, document: InvoiceDocument) -> None:
    language = document.language
    lines = list(window_sentences(document))
    if lines:
        canvas.need(60 + 36 * (len(lines) + 2))
        canvas.pen(8, bold=True, ink=canvas.primary)
        canvas.text(LEFT, canvas.y, WIDTH, 44, word("window", language))
        canvas.y += 48
        canvas.pen(7, ink=GREY)
        canvas.y = canvas.block(LEFT, canvas.y, WIDTH, " ".join(lines), leading=36)
        if document.window is not None and document.window.manifest_sha256:
            text = f"{word('manifest', language)}: {document.window.manifest_sha256}"
            canvas.y = canvas.block(LEFT, canvas.y, WIDTH, text, leading=36)
        canvas.y += 24
    if document.notes:
        canvas.need(140)
        canvas.pen(8, bold=True, ink=canvas.primary)
        canvas.text(LEFT, canvas.y, WIDTH, 44, word("notes", language))
        canvas.y += 48
        for note in document.notes:
            canvas.pen(8)
            for text in canvas.wrap(note, WIDTH):
                if canvas.y + 40 > BOTTOM:
                    canvas.new_page()
                    canvas.pen(8)
                canvas.text(LEFT, canvas.y, WIDTH, 40, text)
                canvas.y += 40
            canvas.y += 10
