"""The session export as XLSX: typed writes only, rows streamed to disk, totals proven before the file is given out.

``constant_memory`` keeps one row in memory and spools the raw sheet (about 2.5 KB a row) into ``folder``; a file
holds at most ``ROWS_PER_PART`` sessions. Every write returns a code instead of raising: each is looked at.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from decimal import Decimal
from operator import attrgetter
from pathlib import Path
from typing import Any

from roamclear.documents.canvas import colour, readable_on
from roamclear.documents.session_columns import COLUMNS, LEADING, Kind, SessionColumn
from roamclear.documents.session_model import (
    AdjustmentRow,
    Ending,
    ExcludedRow,
    ExportPart,
    FeeRow,
    SessionExport,
    SessionRow,
)
from roamclear.documents.session_summary import read_me, summary_rows
from roamclear.documents.session_totals import Tally, check_total
from roamclear.kernel.errors import InvariantBroken
from roamclear.kernel.money import Money, minor_digits
from roamclear.kernel.time import zone

ROWS_PER_PART = 300_000
#: Serial 0 of the 1900 date system as Excel really counts it (ECMA-376, 18.17.4.1).
_EPOCH = datetime(1899, 12, 30, tzinfo=UTC).replace(tzinfo=None)
_DAY = Decimal(86_400)
#: A sheet may hold 65,530 links; what comes after them is text.
_MOST_LINKS = 65_000
#: What an address behind our own base may be made of.
_TAIL = re.compile(r"[A-Za-z0-9._*/-]{1,200}", re.ASCII)
_SAFE = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}

_MOMENT = "yyyy-mm-dd hh:mm:ss"
_NUMBER_FORMATS = {
    Kind.TEXT: "@",
    Kind.WHOLE: "0",
    Kind.DECIMAL: "#,##0.####",
    Kind.LOCAL: _MOMENT,
    Kind.UTC: _MOMENT,
    Kind.DURATION: "[h]:mm:ss",
    Kind.FLAG: "General",
    Kind.LINK: "@",
}


def serial(value: datetime) -> Decimal:
    """A naive wall-clock instant as an Excel serial, exact to the second.

    >>> serial(datetime(2026, 10, 1, 12, 0))
    Decimal('46296.5')
    """
    delta = value - _EPOCH
    return delta.days + Decimal(delta.seconds) / _DAY


class XlsxPart:
    """One workbook of an export, row after row; ``before`` sessions stand in earlier parts.

    Sheets are written top down, each in row order; the raw rows stand in a file beside ``path``, never in memory.
    """

    def __init__(self, export: SessionExport, path: Path, index: int, before: int, *, fees: bool) -> None:
        import xlsxwriter

        self.export, self.path, self.index = export, path, index
        self.book: Any = xlsxwriter.Workbook(str(path), {**_SAFE, "tmpdir": str(path.parent)})
        created = export.created_at_utc.astimezone(UTC).replace(tzinfo=None)
        self.book.set_properties({"title": "Sessions", "author": export.issuer_name, "created": created})
        self.has_fees = fees
        sheets = ("Summary", "Sessions", "Adjustments", *(("Fees",) if fees else ()), "Not included", "Read me")
        self.sheet: dict[str, Any] = {title: self.book.add_worksheet(title) for title in sheets}
        places = minor_digits(export.currency)
        money = "#,##0" + (f".{'0' * places}" if places else "")
        add = self.book.add_format
        ink = "#{:02X}{:02X}{:02X}".format(*readable_on(colour(export.primary)))
        head = {"bold": True, "font_color": ink, "bg_color": export.primary, "text_wrap": True, "valign": "top"}
        self.head = add(head)
        self.bold = add({"bold": True})
        self.wrap = add({"text_wrap": True, "valign": "top"})
        codes = {**_NUMBER_FORMATS, Kind.MONEY: money}
        self.formats: dict[Kind, Any] = {kind: add({"num_format": code}) for kind, code in codes.items()}
        self.left: dict[Kind, Any] = {kind: add({"num_format": c, "align": "left"}) for kind, c in codes.items()}
        self.money_total = add({"num_format": money, "bold": True, "top": 1})
        self.decimal_total = add({"num_format": "#,##0.####", "bold": True, "top": 1})
        self.tally = Tally(export.currency)
        self._before, self._closed = before, False
        self._begin()

    def _begin(self) -> None:
        """The heads of the sessions, and how each cell of a row is written."""
        sheet, export = self.sheet["Sessions"], self.export
        self._titles = [*LEADING, *((c.title.format(export.currency), c.width) for c in COLUMNS)]
        self._heads(sheet, self._titles, freeze=4)
        plan = [self._writer(sheet, place, column) for place, column in enumerate(COLUMNS, start=len(LEADING))]
        period = f"{export.period_start.isoformat()}/{export.period_end.isoformat()}"
        document = export.document_number or ""
        number, text = sheet.write_number, sheet.write_string
        whole, plain = self.formats[Kind.WHOLE], self.formats[Kind.TEXT]
        before, tally = self._before, self.tally

        def add(row: SessionRow) -> None:
            at = tally.rows + 1
            failed = number(at, 0, before + at, whole) or text(at, 1, document, plain) or text(at, 2, period, plain)
            for place, read, write, form in plan:
                value = read(row)
                if value is not None and write(at, place, value, form):
                    failed = -1
            if failed:
                raise InvariantBroken("a cell of the export was refused", row=before + at, cdr_id=row.cdr_id)
            tally.add(row)

        self._add = add

    def add(self, row: SessionRow) -> None:
        """Write one session."""
        self._add(row)

    def _end(self) -> None:
        sheet, at = self.sheet["Sessions"], self.tally.rows
        self._total_row(sheet, at, self.tally)
        sheet.autofilter(0, 0, at, len(self._titles) - 1)
        sheet.ignore_errors({"number_stored_as_text": f"A1:BC{at + 2}"})

    def _writer(
        self, sheet: Any, place: int, column: SessionColumn
    ) -> tuple[int, Callable[[SessionRow], Any], Callable[..., int], Any]:
        ways = {Kind.TEXT: sheet.write_string, Kind.FLAG: sheet.write_boolean, Kind.LINK: self._linker(sheet)}
        write = ways.get(column.kind, sheet.write_number)
        return place, _reader(column), write, self.formats[column.kind]

    def _linker(self, sheet: Any) -> Callable[..., int]:
        """Writes a link where a text is an address below our own base, and else the text."""
        base, left = self.export.trace_base, _MOST_LINKS

        def write(at: int, place: int, text: str, form: Any) -> int:
            nonlocal left
            if base is None or left == 0 or not text.startswith(base) or not _TAIL.fullmatch(text[len(base) :]):
                return int(sheet.write_string(at, place, text, form))
            left -= 1
            return int(sheet.write_url(at, place, text, form))

        return write

    def _total_row(self, sheet: Any, rows: int, part: Tally) -> None:
        """Sums that follow the filter, with their values cached for readers that do not calculate."""
        last = rows + 1
        _must(sheet.write_string(last, 0, "Total", self.bold))
        for place, column in enumerate(COLUMNS, start=len(LEADING)):
            if column.summed:
                letter = _letter(place)
                form = self.money_total if column.kind is Kind.MONEY else self.decimal_total
                formula = f"=SUBTOTAL(109,{letter}2:{letter}{rows + 1})" if rows else "=0"
                _must(sheet.write_formula(last, place, formula, form, part.sums[column.key]))

    def adjustments(self, rows: Iterable[AdjustmentRow], tally: Tally) -> None:
        """The corrections of earlier documents."""
        sheet, currency = self.sheet["Adjustments"], self.export.currency
        self._heads(
            sheet,
            [("CDR id", 38), ("Original document", 20), ("Dated", 12), ("Reason", 40), (f"Original {currency}", 14),
             (f"Corrected {currency}", 14), (f"Net {currency}", 14)],
            freeze=1,
        )  # fmt: skip
        at = 0
        for at, row in enumerate(rows, start=1):
            dated = row.original_date.isoformat() if row.original_date else None
            self._texts(sheet, at, (row.cdr_id, row.original_document, dated, row.reason))
            for place, amount in enumerate((row.original, row.corrected, row.net), start=4):
                _must(sheet.write_number(at, place, amount.to_decimal(), self.formats[Kind.MONEY]))
            tally.adjust(row)
        self._net_total(sheet, at, 6, tally.adjustments_net)

    def fees(self, rows: Iterable[FeeRow], tally: Tally) -> None:
        """The fees of the document."""
        sheet, currency = self.sheet["Fees"], self.export.currency
        self._heads(
            sheet,
            [("Code", 20), ("Fee", 40), ("First day", 12), ("Last day", 12), ("VAT cat.", 8), ("Counted", 14),
             ("VAT %", 8), (f"Net {currency}", 14)],
            freeze=1,
        )  # fmt: skip
        at = 0
        for at, row in enumerate(rows, start=1):
            days = (row.period_start.isoformat(), row.period_end.isoformat())
            self._texts(sheet, at, (row.code, row.name, *days, row.vat_category))
            if row.counted is not None:
                _must(sheet.write_number(at, 5, row.counted, self.formats[Kind.DECIMAL]))
            _must(sheet.write_number(at, 6, row.vat_rate, self.formats[Kind.DECIMAL]))
            _must(sheet.write_number(at, 7, row.net.to_decimal(), self.formats[Kind.MONEY]))
            tally.charge(row)
        self._net_total(sheet, at, 7, tally.fees_net)

    def _net_total(self, sheet: Any, rows: int, place: int, net: Money) -> None:
        _must(sheet.write_string(rows + 1, 0, "Total", self.bold))
        letter = _letter(place)
        formula = f"=SUBTOTAL(109,{letter}2:{letter}{rows + 1})" if rows else "=0"
        _must(sheet.write_formula(rows + 1, place, formula, self.money_total, net.to_decimal()))

    def excluded(self, rows: Iterable[ExcludedRow]) -> None:
        """Sessions of the period that are not billed here, and why."""
        sheet = self.sheet["Not included"]
        self._heads(
            sheet,
            [("CDR id", 38), ("EVSE id", 24), ("Start (local)", 19), ("Zone", 16), ("State", 16), ("Reason", 40),
             (f"Claimed {self.export.currency}", 14)],
            freeze=1,
        )  # fmt: skip
        for at, row in enumerate(rows, start=1):
            self._texts(sheet, at, (row.cdr_id, row.evse_id))
            if row.start_utc is not None:
                wall = row.start_utc.astimezone(zone(row.zone)).replace(tzinfo=None)
                _must(sheet.write_number(at, 2, serial(wall), self.formats[Kind.LOCAL]))
            self._texts(sheet, at, (row.zone, row.state, row.reason), first=3)
            if row.claimed is not None:
                _must(sheet.write_number(at, 6, row.claimed.to_decimal(), self.formats[Kind.MONEY]))

    def _texts(self, sheet: Any, at: int, texts: Iterable[str | None], first: int = 0) -> None:
        for place, text in enumerate(texts, start=first):
            if text:
                _must(sheet.write_string(at, place, text, self.formats[Kind.TEXT]))

    def _heads(self, sheet: Any, titles: list[tuple[str, int]], *, freeze: int) -> None:
        sheet.freeze_panes(1, freeze)
        for place, (title, width) in enumerate(titles):
            sheet.set_column(place, place, width)
            _must(sheet.write_string(0, place, title, self.head))

    def abandon(self) -> None:
        """Close the spool files and leave nothing half-written."""
        if not self._closed:
            self._closed = True
            self.book.close()
        self.path.unlink(missing_ok=True)

    def finish(self, tally: Tally, ending: Ending, *, last: bool) -> ExportPart:
        """Write what stands behind the sessions, Summary and Read me, and close the file.

        ``tally`` holds the sessions of this and all earlier parts; what stands in ``ending`` is added to it.
        """
        self._end()
        self.adjustments(ending.adjustments, tally)
        if self.has_fees:
            self.fees(ending.fees, tally)
        self.excluded(ending.excluded)
        if last:
            check_total(self.export, tally)
        self._summary(tally, last=last)
        sheet = self.sheet["Read me"]
        sheet.set_column(0, 0, 110)
        for at, line in enumerate(read_me(self.export)):
            _must(sheet.write_string(at, 0, line, self.wrap))
        self._closed = True
        self.book.close()
        return ExportPart(
            path=str(self.path),
            index=self.index,
            last=last,
            rows=self.tally.rows,
            net=self.tally.sessions_net,
            size_bytes=self.path.stat().st_size,
        )

    def _summary(self, tally: Tally, *, last: bool) -> None:
        sheet, left = self.sheet["Summary"], self.left
        sheet.set_column(0, 0, 34)
        sheet.set_column(1, 1, 70)
        for at, (label, value) in enumerate(summary_rows(self.export, tally, self.index, last=last)):
            _must(sheet.write_string(at, 0, label, self.bold))
            if isinstance(value, Money):
                _must(sheet.write_number(at, 1, value.to_decimal(), left[Kind.MONEY]))
            elif isinstance(value, Decimal):
                _must(sheet.write_number(at, 1, value, left[Kind.DECIMAL]))
            elif isinstance(value, int):
                _must(sheet.write_number(at, 1, value, left[Kind.WHOLE]))
            else:
                _must(sheet.write_string(at, 1, value, left[Kind.TEXT]))


def _must(code: int) -> None:
    """xlsxwriter answers a code where others raise: 0 is written, anything else is lost."""
    if code:
        raise InvariantBroken("a cell of the export was refused", code=code)


def _letter(place: int) -> str:
    """Column letters from a zero-based place.

    >>> _letter(0), _letter(25), _letter(26)
    ('A', 'Z', 'AA')
    """
    letters = ""
    place += 1
    while place:
        place, rest = divmod(place - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


def _reader(column: SessionColumn) -> Callable[[SessionRow], Any]:
    """What the sheet gets: texts, booleans and Decimals."""
    get = attrgetter(column.key)
    if column.kind in (Kind.TEXT, Kind.DECIMAL, Kind.FLAG, Kind.WHOLE, Kind.LINK):
        return get
    if column.kind is Kind.MONEY:
        return lambda row: None if (amount := get(row)) is None else amount.to_decimal()
    if column.kind is Kind.DURATION:
        return lambda row: None if (seconds := get(row)) is None else Decimal(seconds) / _DAY
    if column.kind is Kind.UTC:
        return lambda row: None if (at := get(row)) is None else serial(at.astimezone(UTC).replace(tzinfo=None))
    return lambda row: None if (at := get(row)) is None else serial(at.astimezone(zone(row.zone)).replace(tzinfo=None))
