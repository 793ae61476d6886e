"""Reading the first sheet of an XLSX file that a stranger made."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

from openpyxl import load_workbook

from roamclear.kernel.errors import InvalidInput
from roamclear.ocpi.backfill import MAX_COLUMNS, MAX_ROWS, Cell

#: A zip file can promise little and unpack to much.
MAX_UNPACKED = 200_000_000
_MAX_MEMBERS = 1_000


def read_sheet(data: bytes) -> Iterator[list[Cell]]:
    """The rows of the first sheet; ``InvalidInput`` where the file is no XLSX or too large."""
    _check(data)
    try:
        book = load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
        try:
            # What a file says of its own size may be wrong: one row and column more than taken is read.
            sheet = book.worksheets[0]
            sheet.reset_dimensions()
            for row in sheet.iter_rows(max_row=MAX_ROWS + 2, max_col=MAX_COLUMNS + 1, values_only=True):
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
    if isinstance(value, float):
        return Decimal(repr(value))
    return str(value)
