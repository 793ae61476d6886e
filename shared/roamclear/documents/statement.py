"""The payout statement as PDF/A and XLSX: balance, movements, every session, and what is under review.

The sums are recomputed first; a statement that does not add up is not drawn.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, time
from pathlib import Path
from typing import Any

from roamclear.documents.canvas import GREY, LEFT, RIGHT, WIDTH, Canvas, Column, colour, readable_on
from roamclear.documents.invoice_model import Language, Purpose
from roamclear.documents.letterhead import Letterhead, draw_first_page, draw_footers, draw_next_page
from roamclear.documents.sessions import serial
from roamclear.documents.statement_model import PayoutExcluded, PayoutRow, PayoutStatement
from roamclear.documents.texts import (
    amount_text,
    instant_text,
    long_date,
    money_text,
    number_text,
    period_text,
    short_date,
)
from roamclear.documents.words import word
from roamclear.kernel.errors import InvariantBroken
from roamclear.kernel.ids import iban
from roamclear.kernel.money import Money, minor_digits, total
from roamclear.kernel.time import zone

ROW = 50
#: Rows drawn on paper; the XLSX always holds all of them.
MOST_ROWS = 7_000


def statement_problems(statement: PayoutStatement, rows: Iterable[PayoutRow]) -> list[str]:
    """What does not add up: per row, over the rows, and from opening to closing balance."""
    found, nets, count = [], Money.zero(statement.currency), 0
    for row in rows:
        count += 1
        if row.share != row.gross - row.fee - row.commission or row.net != row.share + row.vat:
            found.append(f"row {count}: net is not gross - fee - commission + VAT")
        nets += row.net
    if count != statement.sessions:
        found.append(f"sessions: {statement.sessions} stated, {count} given")
    if nets != statement.sessions_net:
        found.append("sessions_net: is not the sum of the rows")
    moved = total((m.amount for m in statement.movements), statement.currency)
    if statement.opening + statement.sessions_net + moved - statement.payout != statement.closing:
        found.append("closing: is not opening + sessions + movements - payout")
    return found


def _refuse(statement: PayoutStatement, rows: Sequence[PayoutRow]) -> None:
    problems = statement_problems(statement, rows)
    if problems:
        raise InvariantBroken("the statement does not add up", number=statement.number, problems=problems[:10])


def render_statement(
    statement: PayoutStatement, rows: Sequence[PayoutRow], excluded: Sequence[PayoutExcluded], fonts: Path
) -> bytes:
    """Draw a statement as PDF/A-3U; equal input gives equal bytes.

    Raises:
        InvariantBroken: the rows and balances do not add up.
    """
    _refuse(statement, rows)
    with Canvas(statement.branding, fonts, language=statement.language.value) as canvas:
        return _draw(canvas, statement, rows, excluded)


def _draw(
    canvas: Canvas, statement: PayoutStatement, rows: Sequence[PayoutRow], excluded: Sequence[PayoutExcluded]
) -> bytes:
    head = _letterhead(statement)

    def frame(page: int) -> None:
        draw_first_page(canvas, head) if page == 1 else draw_next_page(canvas, head)

    canvas.frame = frame
    canvas.new_page()
    _balance(canvas, statement)
    _sessions(canvas, statement, rows)
    _excluded(canvas, statement, excluded)
    for note in statement.notes:
        canvas.pen(8, ink=GREY)
        for line in canvas.wrap(note, WIDTH):
            if canvas.need(40):
                canvas.pen(8, ink=GREY)
            canvas.text(LEFT, canvas.y, WIDTH, 40, line)
            canvas.y += 40
    draw_footers(canvas, head, statement.branding.footer_lines or (statement.issuer.name,))
    return canvas.finish(
        title=head.title,
        author=statement.issuer.name,
        subject=head.subtitle,
        day=statement.issue_date,
        with_invoice=False,
    )


def _letterhead(statement: PayoutStatement) -> Letterhead:
    language = statement.language
    marks = {Purpose.DRAFT: "watermark.DRAFT", Purpose.COPY: "watermark.COPY"}
    mark = marks.get(statement.purpose)
    period = period_text(statement.period_start, statement.period_end, language)
    return Letterhead(
        issuer=statement.issuer,
        recipient=statement.holder,
        title=f"{word('title.statement', language)} {statement.number}",
        subtitle=f"{word('period', language)}: {period}",
        badges=(),
        meta=tuple(_meta(statement)),
        language=language,
        watermark=word(mark, language) if mark else None,
    )


def _meta(statement: PayoutStatement) -> Iterator[tuple[str, str]]:
    language = statement.language
    yield word("number", language), statement.number
    yield word("issue_date", language), long_date(statement.issue_date, language)
    yield word("st.account", language), statement.account_name
    if statement.payment.iban:
        yield word("iban", language), iban.format(statement.payment.iban)
    if statement.self_billing_number:
        yield word("st.self_billing", language), statement.self_billing_number
    if statement.payout_date is not None:
        yield word("st.payout_date", language), long_date(statement.payout_date, language)
    if statement.rule_text:
        yield word("st.rule", language), statement.rule_text


def _balance(canvas: Canvas, statement: PayoutStatement) -> None:
    language = statement.language
    canvas.pen(9, bold=True, ink=canvas.heading)
    canvas.text(LEFT, canvas.y, WIDTH, 50, word("st.balance", language))
    canvas.y += 56
    rows = [(word("st.opening", language), statement.opening)]
    rows.append((word("st.sessions", language).format(count=statement.sessions), statement.sessions_net))
    for move in statement.movements:
        day = f"{short_date(move.day, language)}  " if move.day else ""
        rows.append((day + move.text, move.amount))
    for label, amount in rows:
        canvas.pen(9)
        lines = canvas.wrap(label, 1200)
        if canvas.need(46 * len(lines) + 10):
            canvas.pen(9)
        canvas.text(LEFT, canvas.y, WIDTH, 50, money_text(amount, language), "R")
        for line in lines:
            canvas.text(LEFT, canvas.y, 1200, 50, line)
            canvas.y += 46
        canvas.rule(LEFT, canvas.y + 4, WIDTH)
        canvas.y += 10
    _payout_box(canvas, statement)


def _payout_box(canvas: Canvas, statement: PayoutStatement) -> None:
    language, ink = statement.language, readable_on(canvas.primary)
    canvas.need(190)
    y = canvas.y + 10
    canvas.box(LEFT, y, WIDTH, 100, canvas.primary)
    canvas.box(LEFT, y, 8, 100, canvas.accent)
    canvas.pen(11, bold=True, ink=ink)
    canvas.text(LEFT + 30, y, 800, 100, word("st.payout", language))
    canvas.pen(16, bold=True, ink=ink)
    canvas.text(LEFT, y, WIDTH - 24, 100, money_text(statement.payout, language), "R")
    canvas.pen(9)
    canvas.text(LEFT, y + 112, 1200, 50, word("st.closing", language))
    canvas.text(LEFT, y + 112, WIDTH, 50, money_text(statement.closing, language), "R")
    canvas.y = y + 190


def _columns(language: Language) -> tuple[Column, ...]:
    return (
        Column(word("st.stop", language), 250),
        Column(word("st.evse", language), 310),
        Column(word("st.energy", language), 130, "R"),
        Column(word("st.gross", language), 160, "R"),
        Column(word("st.fee", language), 170, "R"),
        Column(word("st.commission", language), 180, "R"),
        Column(word("st.share", language), 150, "R"),
        Column(word("st.vat", language), 130, "R"),
        Column(word("st.net", language), 170, "R"),
    )


def _sessions(canvas: Canvas, statement: PayoutStatement, rows: Sequence[PayoutRow]) -> None:
    if not rows:
        return
    language, cols = statement.language, _columns(statement.language)
    canvas.need(4 * ROW)
    canvas.pen(9, bold=True, ink=canvas.heading)
    canvas.text(LEFT, canvas.y, WIDTH, 50, word("st.list", language))
    canvas.y += 58
    canvas.head(cols)
    for place, row in enumerate(rows[:MOST_ROWS]):
        if canvas.need(ROW):
            canvas.head(cols)
        if place % 2 == 0:
            canvas.box(LEFT, canvas.y, WIDTH, ROW, canvas.zebra)
        canvas.pen(7)
        amounts = (row.gross, -row.fee, -row.commission, row.share, row.vat, row.net)
        texts = (
            instant_text(row.stop_utc, row.zone, language),
            canvas.cut(row.evse_id or row.cdr_id, 298),
            "" if row.energy_kwh is None else number_text(row.energy_kwh, language, places=2),
            *(amount_text(a, language) for a in amounts),
        )
        canvas.row(cols, texts, ROW)
    if len(rows) > MOST_ROWS:
        canvas.pen(8, ink=GREY)
        canvas.text(LEFT, canvas.y, WIDTH, 50, word("st.more", language).format(count=len(rows) - MOST_ROWS))
        canvas.y += 50
    _sum_row(canvas, statement, cols, rows)


def _sum_row(canvas: Canvas, statement: PayoutStatement, cols: tuple[Column, ...], rows: Sequence[PayoutRow]) -> None:
    currency = statement.currency
    if canvas.need(2 * ROW):
        canvas.head(cols)
    canvas.rule(LEFT, canvas.y + 4, WIDTH, canvas.primary, 4)
    canvas.y += 10
    sums = [
        total((r.gross for r in rows), currency),
        -total((r.fee for r in rows), currency),
        -total((r.commission for r in rows), currency),
        total((r.share for r in rows), currency),
        total((r.vat for r in rows), currency),
        total((r.net for r in rows), currency),
    ]
    canvas.pen(7, bold=True)
    label = word("subtotal", statement.language)
    canvas.row(cols, (label, "", "", *(amount_text(s, statement.language) for s in sums)), ROW)
    canvas.y += 50


def _excluded(canvas: Canvas, statement: PayoutStatement, rows: Sequence[PayoutExcluded]) -> None:
    if not rows:
        return
    language = statement.language
    cols = (
        Column(word("st.stop", language), 250),
        Column(word("st.evse", language), 400),
        Column(word("st.reason", language), 800),
        Column(word("st.amount", language), 200, "R"),
    )
    canvas.need(4 * ROW)
    canvas.pen(9, bold=True, ink=canvas.heading)
    canvas.text(LEFT, canvas.y, WIDTH, 50, word("st.excluded", language))
    canvas.y += 58
    canvas.head(cols)
    for row in rows[:MOST_ROWS]:
        if canvas.need(ROW):
            canvas.head(cols)
        canvas.pen(7)
        texts = (
            "" if row.stop_utc is None else instant_text(row.stop_utc, row.zone, language),
            canvas.cut(row.evse_id or row.cdr_id, 368),
            canvas.cut(row.reason, 768),
            "" if row.amount is None else amount_text(row.amount, language),
        )
        canvas.row(cols, texts, ROW)
        canvas.rule(LEFT, canvas.y, RIGHT - LEFT)
    canvas.y += 40


def write_statement_xlsx(
    statement: PayoutStatement, rows: Sequence[PayoutRow], excluded: Sequence[PayoutExcluded], target: Path
) -> None:
    """Write the sheets Statement, Sessions and Under review; typed cells, equal input gives equal bytes.

    Raises:
        InvariantBroken: the rows and balances do not add up, or a cell was refused.
    """
    import xlsxwriter

    _refuse(statement, rows)
    safe = {"strings_to_formulas": False, "strings_to_urls": False, "constant_memory": True}
    book: Any = xlsxwriter.Workbook(str(target), {**safe, "tmpdir": str(target.parent)})
    created = datetime.combine(statement.issue_date, time(0))
    book.set_properties({"title": statement.number, "author": statement.issuer.name, "created": created})
    places = minor_digits(statement.currency)
    ink = "#{:02X}{:02X}{:02X}".format(*readable_on(colour(statement.branding.primary)))
    forms = {
        "money": book.add_format({"num_format": "#,##0" + (f".{'0' * places}" if places else "")}),
        "number": book.add_format({"num_format": "#,##0.####"}),
        "moment": book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"}),
        "head": book.add_format({"bold": True, "font_color": ink, "bg_color": statement.branding.primary}),
        "text": book.add_format({"num_format": "@"}),
    }
    try:
        _sheets(book, statement, rows, excluded, forms)
    except BaseException:
        book.close()
        target.unlink(missing_ok=True)
        raise
    book.close()


def _sheets(
    book: Any,
    statement: PayoutStatement,
    rows: Sequence[PayoutRow],
    excluded: Sequence[PayoutExcluded],
    forms: dict[str, Any],
) -> None:
    _fill(book.add_worksheet("Statement"), ("Item", f"Amount {statement.currency}"), _head_rows(statement), forms)
    money = [f"{name} {statement.currency}" for name in ("Gross", "Fee", "Commission", "Share", "VAT", "Net")]
    _fill(
        book.add_worksheet("Sessions"),
        ("CDR id", "EVSE id", "Location", "Stop (local)", "Zone", "kWh", *money, "Invoice no."),
        (_session_cells(row) for row in rows),
        forms,
    )
    heads = ("CDR id", "EVSE id", "Stop (local)", "Zone", "Reason", f"Amount {statement.currency}")
    _fill(book.add_worksheet("Under review"), heads, (_excluded_cells(row) for row in excluded), forms)


def _head_rows(statement: PayoutStatement) -> Iterator[tuple[object, ...]]:
    yield f"Statement {statement.number}", None
    yield f"Account {statement.account_name}", None
    yield f"Period {statement.period_start.isoformat()} to {statement.period_end.isoformat()}", None
    yield "Opening balance", statement.opening
    yield f"{statement.sessions} sessions", statement.sessions_net
    for move in statement.movements:
        yield f"{move.day.isoformat() + ' ' if move.day else ''}{move.kind}: {move.text}", move.amount
    yield "Payout", -statement.payout
    yield "Closing balance", statement.closing


def _wall(value: datetime | None, zone_name: str) -> datetime | None:
    return None if value is None else value.astimezone(zone(zone_name)).replace(tzinfo=None)


def _session_cells(row: PayoutRow) -> tuple[object, ...]:
    return (
        row.cdr_id, row.evse_id, row.location, _wall(row.stop_utc, row.zone), row.zone, row.energy_kwh,
        row.gross, row.fee, row.commission, row.share, row.vat, row.net, row.invoice_number,
    )  # fmt: skip


def _excluded_cells(row: PayoutExcluded) -> tuple[object, ...]:
    return row.cdr_id, row.evse_id, _wall(row.stop_utc, row.zone), row.zone, row.reason, row.amount


def _fill(sheet: Any, heads: Sequence[str], rows: Iterable[Sequence[object]], forms: dict[str, Any]) -> None:
    codes = [sheet.write_string(0, place, head, forms["head"]) for place, head in enumerate(heads)]
    sheet.set_column(0, len(heads) - 1, 20)
    sheet.set_column(0, 0, 38)
    sheet.freeze_panes(1, 1)
    at = 0
    for at, row in enumerate(rows, start=1):
        for place, value in enumerate(row):
            if isinstance(value, Money):
                codes.append(sheet.write_number(at, place, value.to_decimal(), forms["money"]))
            elif isinstance(value, datetime):
                codes.append(sheet.write_number(at, place, serial(value), forms["moment"]))
            elif isinstance(value, str):
                codes.append(sheet.write_string(at, place, value, forms["text"]))
            elif value is not None:
                codes.append(sheet.write_number(at, place, value, forms["number"]))
        if any(codes):
            raise InvariantBroken("a cell of the statement was refused", row=at)
        codes.clear()
    sheet.autofilter(0, 0, at, len(heads) - 1)
