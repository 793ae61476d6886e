"""What stands under the lines of an invoice: VAT summary, total, payment card, window and lock, notes."""

from __future__ import annotations

from collections.abc import Iterator

from roamclear.documents.canvas import BOTTOM, GREY, LEFT, RIGHT, WIDTH, Canvas, readable_on
from roamclear.documents.giro_code import giro_code
from roamclear.documents.invoice_model import InvoiceDocument, VatCategory, VatTotal
from roamclear.documents.texts import (
    amount_text,
    long_date,
    money_text,
    number_text,
    percent_text,
    short_date,
    window_sentences,
)
from roamclear.documents.words import word
from roamclear.kernel.ids import iban, rf_reference

_VAT_WIDTH = 960


def draw_sums(canvas: Canvas, document: InvoiceDocument) -> None:
    canvas.pen(7)
    reasons = sum(len(canvas.wrap(_reason_text(row), _VAT_WIDTH)) for row in document.vat if row.reason is not None)
    vat_height = 120 + 54 * len(document.vat) + 34 * reasons + (80 if document.national_tax else 0)
    canvas.need(max(vat_height, 330))
    top = canvas.y
    left_end = _vat_summary(canvas, document, top)
    right_end = _total_box(canvas, document, top)
    canvas.y = max(left_end, right_end) + 50


def _vat_summary(canvas: Canvas, document: InvoiceDocument, top: int) -> int:
    language, width, y = document.language, _VAT_WIDTH, top
    canvas.pen(9, bold=True, ink=canvas.heading)
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
            y = canvas.block(LEFT, y, width, _reason_text(row), leading=34) + 6
    if document.national_tax is not None:
        tax = document.national_tax
        canvas.pen(7, ink=GREY)
        text = word("national_tax", language).format(
            base=document.currency,
            currency=tax.tax.currency,
            tax=money_text(tax.tax, language),
            rate=number_text(tax.rate, language, least=4),
            source=tax.source,
            date=short_date(tax.rate_date, language),
        )
        y = canvas.block(LEFT, y, width, text, leading=34)
    return y


def _reason_text(row: VatTotal) -> str:
    """The reason with its VATEX code; it is never cut, for the law asks for it (Art. 226(11))."""
    if row.reason is None:
        return ""
    return row.reason.text + (f" ({row.reason.code})" if row.reason.code else "")


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


def draw_payment(canvas: Canvas, document: InvoiceDocument) -> None:
    if document.type_code.is_credit or document.purpose.is_preview:
        credited = "credit_text.bought" if document.type_code.is_self_billed else "credit_text"
        text = word("preview_text" if document.purpose.is_preview else credited, document.language)
        canvas.need(110)
        canvas.pen(9)
        canvas.y = canvas.block(LEFT, canvas.y, WIDTH, text, leading=44) + 30
        return
    if document.totals.due.amount_minor <= 0:
        return
    code = giro_code(document)
    canvas.pen(9, bold=True)
    rows = [(label, canvas.wrap(value, 790)) for label, value in _payment_rows(document)]
    canvas.pen(8)
    sentence = canvas.wrap(_payment_sentence(document), 1090)
    terms = canvas.wrap(document.payment.terms, 1090)[:8] if document.payment.terms else []
    height = max(
        110 + 40 * (len(sentence) + len(terms)) + 46 * sum(len(lines) for _, lines in rows), 400 if code else 0
    )
    canvas.need(height + 20)
    top = canvas.y
    canvas.panel_box(LEFT, top, WIDTH, height)
    canvas.pen(9, bold=True, ink=canvas.heading)
    canvas.text(LEFT + 36, top + 20, 900, 46, word("payment", document.language))
    canvas.pen(8)
    y = _lines(canvas, LEFT + 36, top + 70, sentence) + 8
    for label, lines in rows:
        canvas.pen(8, ink=GREY)
        canvas.text(LEFT + 36, y, 300, 44, label)
        canvas.pen(9, bold=True)
        for line in lines:
            canvas.text(LEFT + 336, y, 790, 44, line)
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


def draw_statements(canvas: Canvas, document: InvoiceDocument) -> None:
    language = document.language
    canvas.pen(7, ink=GREY)
    lines = canvas.wrap(" ".join(window_sentences(document)), WIDTH) if document.window else []
    if document.window is not None and document.window.manifest_sha256:
        lines.append(f"{word('manifest', language)}: {document.window.manifest_sha256}")
    if lines:
        canvas.need(48 + 36 * len(lines))
        canvas.pen(8, bold=True, ink=canvas.heading)
        canvas.text(LEFT, canvas.y, WIDTH, 44, word("window", language))
        canvas.pen(7, ink=GREY)
        canvas.y += 48
        for line in lines:
            canvas.text(LEFT, canvas.y, WIDTH, 36, line)
            canvas.y += 36
        canvas.y += 24
    if document.notes:
        canvas.need(48 + 40)
        canvas.pen(8, bold=True, ink=canvas.heading)
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
