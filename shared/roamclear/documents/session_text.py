"""The twins of the XLSX: CSV (RFC 4180) and NDJSON with the same rows and the same totals."""

from __future__ import annotations

import csv
import hashlib
import io
from abc import ABC, abstractmethod
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from roamclear.documents.session_columns import COLUMNS, LEADING, Kind, SessionColumn, local
from roamclear.documents.session_model import AdjustmentRow, Ending, ExportPart, FeeRow, SessionExport, SessionRow
from roamclear.documents.session_totals import Tally, check_total
from roamclear.documents.xml_tools import amount, number
from roamclear.kernel.numbers_json import dumps
from roamclear.kernel.time import format_instant

#: A spreadsheet takes a text that begins so for a formula; a quote in front keeps it a text (OWASP, CSV injection).
_DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_TEXT_HEADS = [title for title, _ in LEADING]


def safe(text: str) -> str:
    """A text that no spreadsheet runs.

    >>> safe("=1+1"), safe("Berlin")
    ("'=1+1", 'Berlin')
    """
    return f"'{text}" if text.startswith(_DANGEROUS) else text


class TextPart(ABC):
    """One text file of an export, row after row; ``before`` sessions stand in earlier parts."""

    encoding = "utf-8"

    def __init__(self, export: SessionExport, path: Path, index: int = 1, before: int = 0) -> None:
        self.export, self.path, self.index = export, path, index
        self.tally = Tally(export.currency)
        self._before, self._lead = before, _lead(export)
        self._stream = path.open("w", encoding=self.encoding, newline="")

    @abstractmethod
    def add(self, row: SessionRow) -> None:
        """Write one session."""

    def finish(self, tally: Tally, ending: Ending, *, last: bool) -> ExportPart:
        """Write what stands behind the sessions and close the file; ``tally`` as for ``XlsxPart``."""
        with self._stream:
            self._end(tally, ending)
            if last:
                check_total(self.export, tally)
        return _part(self, tally, last=last)

    def abandon(self) -> None:
        """Close the file and leave nothing half-written."""
        self._stream.close()
        self.path.unlink(missing_ok=True)

    @abstractmethod
    def _end(self, tally: Tally, ending: Ending) -> None:
        """Write what stands behind the sessions."""


class CsvPart(TextPart):
    """One CSV file of an export: UTF-8 with BOM (spreadsheets need it), CRLF, points in numbers, ISO 8601 instants.

    Sessions come first, behind them adjustments and fees with Kind ``ADJUSTMENT`` and ``FEE``; the sum of Net is the
    document's net.
    """

    encoding = "utf-8-sig"

    def __init__(self, export: SessionExport, path: Path, index: int = 1, before: int = 0) -> None:
        super().__init__(export, path, index, before)
        self._writer = csv.writer(self._stream, lineterminator="\r\n")
        self._writer.writerow([*_TEXT_HEADS, *(c.title.format(export.currency) for c in COLUMNS), "Kind", "Reason"])

    def add(self, row: SessionRow) -> None:
        """Write one session."""
        self.tally.add(row)
        cells = [_csv_cell(column, value) for column, value in _values(row)]
        self._writer.writerow([self._before + self.tally.rows, *self._lead, *cells, "SESSION", ""])

    def _end(self, tally: Tally, ending: Ending) -> None:
        writer, lead = self._writer, self._lead
        at = tally.rows
        for at, adjustment in enumerate(ending.adjustments, start=tally.rows + 1):
            tally.adjust(adjustment)
            known = {"cdr_id": safe(adjustment.cdr_id), "net": amount(adjustment.net)}
            original = [safe(adjustment.original_document), lead[1]]
            cells = [known.get(c.key, "") for c in COLUMNS]
            writer.writerow([at, *original, *cells, "ADJUSTMENT", safe(adjustment.reason)])
        for place, fee in enumerate(ending.fees, start=at + 1):
            tally.charge(fee)
            known = {"cdr_id": safe(fee.code), "net": amount(fee.net), "vat_category": fee.vat_category}
            known["vat_rate"] = number(fee.vat_rate)
            cells = [known.get(c.key, "") for c in COLUMNS]
            writer.writerow([place, lead[0], f"{fee.period_start}/{fee.period_end}", *cells, "FEE", safe(fee.name)])


def _lead(export: SessionExport) -> list[str]:
    return [safe(export.document_number or ""), f"{export.period_start.isoformat()}/{export.period_end.isoformat()}"]


def _values(row: SessionRow) -> Iterator[tuple[SessionColumn, Any]]:
    """Each column with its value: instants carry their offset, money is still ``Money``."""
    for column in COLUMNS:
        value = getattr(row, column.key)
        if column.kind is Kind.LOCAL and value is not None:
            value = local(value, row.zone).isoformat()
        elif isinstance(value, datetime):
            value = format_instant(value)
        yield column, value


def _csv_cell(column: SessionColumn, value: Any) -> str:
    if value is None:
        return ""
    if column.kind in (Kind.TEXT, Kind.LINK):
        return safe(value)
    if column.kind is Kind.MONEY:
        return amount(value)
    if column.kind is Kind.DECIMAL:
        return number(value)
    if column.kind is Kind.FLAG:
        return "true" if value else "false"
    if column.kind is Kind.DURATION:
        return f"{value // 3600:02d}:{value // 60 % 60:02d}:{value % 60:02d}"
    return str(value)


class NdjsonPart(TextPart):
    """One NDJSON file: an object per line, exact numbers, durations in seconds, empty values left out."""

    def add(self, row: SessionRow) -> None:
        """Write one session."""
        self.tally.add(row)
        item: dict[str, Any] = {"kind": "SESSION", "row": self._before + self.tally.rows}
        item |= {"document": self.export.document_number, "period": self._lead[1], "currency": self.export.currency}
        item |= {_json_key(column): _json_value(value) for column, value in _values(row) if value is not None}
        self._stream.write(dumps(item) + "\n")

    def _end(self, tally: Tally, ending: Ending) -> None:
        for adjustment in ending.adjustments:
            tally.adjust(adjustment)
            self._stream.write(_json_line("ADJUSTMENT", self.export, adjustment))
        for fee in ending.fees:
            tally.charge(fee)
            self._stream.write(_json_line("FEE", self.export, fee))


def _json_line(kind: str, export: SessionExport, row: AdjustmentRow | FeeRow) -> str:
    item = {"kind": kind, "document": export.document_number, "currency": export.currency}
    values = {key: getattr(row, key) for key in type(row).model_fields}
    return dumps(item | {key: _json_value(value) for key, value in values.items() if value is not None}) + "\n"


def _json_key(column: SessionColumn) -> str:
    return column.key.replace("_utc", "_local") if column.kind is Kind.LOCAL else column.key


def _json_value(value: Any) -> Any:
    if hasattr(value, "to_decimal"):
        return value.to_decimal()
    return value.isoformat() if hasattr(value, "isoformat") else value


def _part(made: TextPart, tally: Tally, *, last: bool) -> ExportPart:
    """What one file holds; a whole export is told with everything that stands in it."""
    whole = last and made.index == 1
    return ExportPart(
        path=str(made.path),
        index=made.index,
        last=last,
        rows=made.tally.rows,
        net=tally.net if whole else made.tally.sessions_net,
        size_bytes=made.path.stat().st_size,
    )


def file_sha256(path: Path) -> str:
    """The SHA-256 of a written file, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while piece := stream.read(io.DEFAULT_BUFFER_SIZE * 16):
            digest.update(piece)
    return digest.hexdigest()
