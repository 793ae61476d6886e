"""Tables of strangers: read whatever their spreadsheet wrote, write what no spreadsheet runs."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from decimal import Decimal

import openpyxl
import pytest

from roamclear.documents import tables
from roamclear.kernel.errors import InvalidInput

NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
TITLES = ("id", "kWh", "at", "ok")
ROWS = [["=1+1", Decimal("12.50"), NOW, True], ["München", 7, None, False]]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_a_csv_is_read_in_any_encoding_and_with_any_delimiter(encoding: str, mark: str) -> None:
    text = f'id{mark}city\r\n1{mark}München\r\n2{mark}"a{mark}b"\r\n'
    found, rows = tables.read_csv(text.encode(encoding))
    assert (found, list(rows)) == (mark, [["id", "city"], ["1", "München"], ["2", f"a{mark}b"]])


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(InvalidInput, match="no text"):
        tables.read_csv(b"PK\x03\x04\x00\x00")


def test_what_is_written_is_text_to_a_spreadsheet_and_typed_otherwise() -> None:
    data = tables.write_csv(TITLES, ROWS)
    assert data.decode("utf-8-sig").splitlines() == [
        "id,kWh,at,ok",
        "'=1+1,12.5,2026-11-02T09:30:00+00:00,True",
        "München,7,,False",
    ]
    made = tables.write_xlsx("Result", TITLES, ROWS, created=NOW)
    assert made == tables.write_xlsx("Result", TITLES, ROWS, created=NOW)
    sheet = openpyxl.load_workbook(io.BytesIO(made))["Result"]
    assert [c.value for c in sheet[2]] == ["=1+1", 12.5, NOW.replace(tzinfo=None), True]
    assert sheet["A2"].data_type == "s"


def test_a_sheet_is_read_back_within_its_limits() -> None:
    made = tables.write_xlsx("Result", TITLES, ROWS, created=NOW)
    assert list(tables.read_xlsx(made, max_rows=1, max_columns=2))[1] == [
        "=1+1",
        Decimal("12.5"),
        NOW.replace(tzinfo=None),
    ]
    assert len(list(tables.read_xlsx(made, max_rows=1, max_columns=2))) == 2
    with pytest.raises(InvalidInput, match="no XLSX"):
        list(tables.read_xlsx(made[:100], max_rows=1, max_columns=2))
