"""Plain tables from and for strangers: CSV and XLSX in, row by row and bounded; CSV and XLSX out, harmless to open."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from numbers import Real
from typing import Any

from roamclear.documents.session_text import safe
from roamclear.documents.xml_tools import number
from roamclear.kernel.errors import InvalidInput, InvariantBroken

#: A cell as a table gives it.
Cell = str | int | Decimal | bool | datetime | None
#: A zip file can promise little and unpack to much.
MAX_UNPACKED = 200_000_000
_MAX_MEMBERS = 1_000
_DELIMITERS = ";,\t|"


# ---- in ------------------------------------------------------------------------------------------------------------
def delimiter_of(text: str) -> str:
    """What parts the cells of a CSV text: the mark that its first line holds most often outside quotes.

    >>> delimiter_of('"a,b,c";d;e'), delimiter_of("one")
    (';', ',')
    """
    bare = "".join(text.split("\n", 1)[0].split('"')[::2])
    best = max(_DELIMITERS, key=bare.count)
    return best if best in bare else ","


def read_csv(data: bytes) -> tuple[str, Iterator[list[Cell]]]:
    """The delimiter and the rows of a CSV file in UTF-8, UTF-16 with its mark, or else Windows-1252.

    Raises:
        InvalidInput: the bytes are no text; while reading: the text is no CSV.
    """
    text = _text(data)
    mark = delimiter_of(text)
    return mark, _csv_rows(text, mark)


def _text(data: bytes) -> str:
    marked = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    for encoding in ("utf-16",) if marked else ("utf-8-sig", "cp1252"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\x00" not in text:
            return text
    raise InvalidInput("the file is no text", field="file")


def _csv_rows(text: str, mark: str) -> Iterator[list[Cell]]:
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=mark):
            yield [*row]
    except csv.Error as error:
        raise InvalidInput(f"the file is no CSV: {error}", field="file") from error


def read_xlsx(data: bytes, *, max_rows: int, max_columns: int) -> Iterator[list[Cell]]:
    """The rows of the first sheet, at most one row and one column more than the limits.

    Raises:
        InvalidInput: the file is no XLSX, unpacks to too much, or holds a document type.
    """
    from openpyxl import load_workbook

    _check(data)
    try:
        book = load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
        try:
            # What a file says of its own size may be wrong: one row and column more than taken is read.
            sheet = book.worksheets[0]
            sheet.reset_dimensions()
            for row in sheet.iter_rows(max_row=max_rows + 1, max_col=max_columns + 1, values_only=True):
                yield [_cell(value) for value in row]
        finally:
            book.close()
    except InvalidInput:
        raise
    except Exception as error:
        # openpyxl answers a broken file with whatever its parts raise.
        raise InvalidInput("the file is no XLSX that can be read", field="file") from error


def _check(data: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            members = packed.infolist()
            if len(members) > _MAX_MEMBERS or sum(m.file_size for m in members) > MAX_UNPACKED:
                raise InvalidInput("the file unpacks to too much", field="file")
            for member in members:
                # A sheet has no use for a document type; entities are made in one.
                if member.filename.endswith((".xml", ".rels")):
                    with packed.open(member) as part:
                        if b"<!DOCTYPE" in part.read(4_096).upper():
                            raise InvalidInput("the file holds a document type", field="file")
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError, EOFError) as error:
        raise InvalidInput("the file is no XLSX", field="file") from error


def _cell(value: Any) -> Cell:
    """A cell's value; numbers by the shortest text that means the same double, which is what the sheet shows."""
    if value is None or isinstance(value, str | bool | int | datetime):
        return value
    return Decimal(repr(value)) if isinstance(value, Real) else str(value)


# ---- out -----------------------------------------------------------------------------------------------------------
def write_csv(titles: Sequence[str], rows: Iterable[Sequence[Cell]]) -> bytes:
    """A CSV file (UTF-8 with mark, CRLF, points in numbers) in which no text is taken for a formula."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(titles)
    writer.writerows([_plain(value) for value in row] for row in rows)
    return b"\xef\xbb\xbf" + text.getvalue().encode()


def _plain(value: Cell) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return safe(value)
    if isinstance(value, Decimal):
        return number(value)
    return value.isoformat() if isinstance(value, datetime) else str(value)


def write_xlsx(title: str, titles: Sequence[str], rows: Iterable[Sequence[Cell]], *, created: datetime) -> bytes:
    """An XLSX file of one sheet (``write_book``)."""
    return write_book([(title, titles, rows)], created=created)


def write_book(sheets: Sequence[tuple[str, Sequence[str], Iterable[Sequence[Cell]]]], *, created: datetime) -> bytes:
    """An XLSX file of sheets (name, titles, rows) with typed cells, named after its first.

    Equal input gives equal bytes. Instants are written in UTC.

    Raises:
        InvariantBroken: the writer refused a cell.
    """
    import xlsxwriter

    target = io.BytesIO()
    safe_ways = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    book: Any = xlsxwriter.Workbook(target, {"constant_memory": True, **safe_ways})
    book.set_properties({"title": sheets[0][0], "created": created.astimezone(UTC).replace(tzinfo=None)})
    for title, titles, rows in sheets:
        _write_sheet(book, title, titles, rows)
    book.close()
    return target.getvalue()


def _write_sheet(book: Any, title: str, titles: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    sheet = book.add_worksheet(title)
    bold, moment = book.add_format({"bold": True}), book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
    sheet.freeze_panes(1, 0)
    for place, text in enumerate(titles):
        _put(sheet.write_string(0, place, text, bold))
    at = 0
    for at, row in enumerate(rows, start=1):
        for place, value in enumerate(row):
            if isinstance(value, datetime):
                _put(sheet.write_datetime(at, place, value.astimezone(UTC).replace(tzinfo=None), moment))
            elif isinstance(value, str):
                _put(sheet.write_string(at, place, value))
            elif isinstance(value, bool):
                _put(sheet.write_boolean(at, place, value))
            elif value is not None:
                _put(sheet.write_number(at, place, value))
    sheet.set_column(0, len(titles) - 1, 20)
    sheet.autofilter(0, 0, at, len(titles) - 1)


def _put(code: int) -> None:
    """xlsxwriter answers a code where others raise: 0 is written, anything else is lost."""
    if code:
        raise InvariantBroken("a cell of the table was refused", code=code)
