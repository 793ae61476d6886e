"""The line table of an invoice: sections, rows of one or more text lines, subtotals, heads repeated on each page."""

from __future__ import annotations

from itertools import groupby

from roamclear.documents.canvas import GREY, LEFT, WIDTH, Canvas, Column
from roamclear.documents.invoice_model import InvoiceDocument, Line, Section, SectionKind, VatCategory
from roamclear.documents.texts import (
    amount_text,
    item_name,
    number_text,
    percent_text,
    period_text,
    section_title,
)
from roamclear.documents.words import word
from roamclear.kernel.money import Money, total

ROW = 58
_SECTIONS = {SectionKind.COUNTRY: 0, SectionKind.EARLIER: 1, SectionKind.ADJUSTMENT: 2, SectionKind.FEES: 3}


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
    """Lines by section: countries as they come first, then earlier periods, adjustments and fees."""
    places: dict[Section, int] = {}
    for line in document.lines:
        places.setdefault(line.section, len(places))
    lines = sorted(document.lines, key=lambda line: (_SECTIONS[line.section.kind], places[line.section]))
    return [(section, list(group)) for section, group in groupby(lines, key=lambda line: line.section)]


def draw_lines(canvas: Canvas, document: InvoiceDocument) -> None:
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
        canvas.pen(9, bold=True, ink=canvas.heading)
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
        canvas.pen(8, bold=True, ink=canvas.heading)
        again = f"{section_title(line.section, document.language)} ({word('continued', document.language)})"
        canvas.row(cols[:1], (canvas.cut(again, WIDTH - 32),), ROW)
    top = canvas.y
    if shaded:
        canvas.box(LEFT, top, WIDTH, height, canvas.zebra)
    if inline:
        canvas.pen(7, ink=GREY)
        canvas.text(LEFT + 16 + beside, top + 1, room, ROW, detail)
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
