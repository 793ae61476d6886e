"""A whole session list written at once, part after part, as a packed list is written over several calls."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from roamclear.documents.session_model import (
    AdjustmentRow,
    Ending,
    ExcludedRow,
    ExportPart,
    FeeRow,
    SessionExport,
    SessionRow,
)
from roamclear.documents.session_text import CsvPart, NdjsonPart, TextPart
from roamclear.documents.session_totals import Tally
from roamclear.documents.sessions import ROWS_PER_PART, XlsxPart


def write_xlsx(
    export: SessionExport,
    rows: Iterable[SessionRow],
    folder: Path,
    name: str,
    *,
    adjustments: Iterable[AdjustmentRow] = (),
    excluded: Iterable[ExcludedRow] = (),
    fees: Sequence[FeeRow] = (),
    rows_per_part: int = ROWS_PER_PART,
) -> list[ExportPart]:
    """Write ``name.xlsx`` (or ``name-1.xlsx``, ``name-2.xlsx`` ... when it must be split) into ``folder``.

    Adjustments, fees, excluded rows and the grand total stand in the last part; only a document with fees has a sheet
    of them. Equal input gives equal bytes.

    Raises:
        InvariantBroken: the rows, adjustments and fees do not sum to ``export.document_net``, or a cell was refused.
    """
    source, tally, parts = iter(rows), Tally(export.currency), list[ExportPart]()
    ahead = next(source, None)
    last = False
    book: XlsxPart | None = None
    try:
        while not last:
            path = folder / f"{name}.part-{len(parts) + 1}.xlsx"
            book = XlsxPart(export, path, len(parts) + 1, tally.rows, fees=bool(fees))
            while ahead is not None and book.tally.rows < rows_per_part:
                book.add(ahead)
                ahead = next(source, None)
            last = ahead is None
            tally.merge(book.tally)
            ending = Ending(adjustments, excluded, fees) if last else Ending()
            parts.append(book.finish(tally.copy(), ending, last=last))
    except BaseException:
        if book is not None:
            book.abandon()
        for part in parts:
            Path(part.path).unlink(missing_ok=True)
        raise
    return _named(parts, folder, name)


def _named(parts: list[ExportPart], folder: Path, name: str) -> list[ExportPart]:
    named = []
    for part in parts:
        target = folder / (f"{name}.xlsx" if len(parts) == 1 else f"{name}-{part.index}.xlsx")
        Path(part.path).replace(target)
        named.append(part.model_copy(update={"path": str(target)}))
    return named


def write_csv(
    export: SessionExport,
    rows: Iterable[SessionRow],
    target: Path,
    *,
    adjustments: Iterable[AdjustmentRow] = (),
) -> ExportPart:
    """Write the CSV twin."""
    return _one(CsvPart(export, target), rows, Ending(adjustments))


def write_ndjson(
    export: SessionExport,
    rows: Iterable[SessionRow],
    target: Path,
    *,
    adjustments: Iterable[AdjustmentRow] = (),
) -> ExportPart:
    """Write the NDJSON twin."""
    return _one(NdjsonPart(export, target), rows, Ending(adjustments))


def _one(part: TextPart, rows: Iterable[SessionRow], ending: Ending) -> ExportPart:
    """An export in one file."""
    for row in rows:
        part.add(row)
    return part.finish(part.tally.copy(), ending, last=True)
