"""The first sheet of an XLSX file of CDRs, within the limits of a backfill."""

from __future__ import annotations

from collections.abc import Iterator

from roamclear.documents import tables
from roamclear.ocpi.backfill import MAX_COLUMNS, MAX_ROWS, Cell


def read_sheet(data: bytes) -> Iterator[list[Cell]]:
    """The rows of the first sheet; ``InvalidInput`` where the file is no XLSX or too large."""
    # One row more for the titles.
    return tables.read_xlsx(data, max_rows=MAX_ROWS + 1, max_columns=MAX_COLUMNS)
