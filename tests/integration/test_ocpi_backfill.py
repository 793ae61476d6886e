"""CDRs from files dropped into the inbox (product.md row 15)."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import xlsxwriter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.import_bank_file import handler as bank
from functions.import_cdr_file import handler as function
from functions.import_cdr_file.sheet import read_sheet
from roamclear.cdrs import service as cdrs
from roamclear.documents import tables
from roamclear.kernel import numbers_json
from roamclear.kernel.errors import InvalidInput, NotFound
from roamclear.ocpi import backfill, store
from roamclear.partners import service as partners
from tests.support import builders as b
from tests.support import memory_stage
from tests.support.moto_stack import Stage
from tests.support.ocpi_partner import connect

NOW = datetime(2026, 10, 20, 12, tzinfo=UTC)
EVENTS = Path(__file__).parents[2] / "events" / "import_cdr_file"
NAME = "cdrs/voltwerk/partner-devwk/october 2026+a.csv"
COLUMNS = (
    "country_code", "party_id", "id", "start_date_time", "end_date_time", "session_id", "cdr_token.country_code",
    "cdr_token.party_id", "cdr_token.uid", "cdr_token.type", "cdr_token.contract_id", "auth_method", "cdr_location.id",
    "cdr_location.address", "cdr_location.city", "cdr_location.country", "cdr_location.coordinates.latitude",
    "cdr_location.coordinates.longitude", "cdr_location.evse_uid", "cdr_location.evse_id",
    "cdr_location.connector_id", "cdr_location.connector_standard", "cdr_location.connector_format",
    "cdr_location.connector_power_type", "currency", "total_cost.excl_vat", "total_energy", "total_time",
)  # fmt: skip
LAMBDA = SimpleNamespace(
    function_name="import_cdr_file", memory_limit_in_mb=512, invoked_function_arn="arn", aws_request_id="r",
    get_remaining_time_in_millis=lambda: 900_000,
)  # fmt: skip


@pytest.fixture(autouse=True)
def _connected(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.clock.set(NOW)
    connect(stage.ctx)
    monkeypatch.setattr(function, "compose", lambda: stage.ctx)


def cells(raw: dict[str, Any]) -> list[Any]:
    """The row of a CDR."""
    found = []
    for name in COLUMNS:
        value: Any = raw
        for part in name.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        found.append(value)
    return found


def csv_of(rows: list[list[Any]], delimiter: str = ",", columns: tuple[str, ...] = COLUMNS) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter).writerows([columns, *rows])
    return text.getvalue().encode()


def xlsx_of(rows: list[list[Any]]) -> bytes:
    data = io.BytesIO()
    book = xlsxwriter.Workbook(data, {"in_memory": True})
    page = book.add_worksheet()
    moment = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
    page.write_row(0, 0, COLUMNS)
    for number, row in enumerate(rows, start=1):
        for column, value in enumerate(row):
            if isinstance(value, datetime):
                page.write_datetime(number, column, value.replace(tzinfo=None), moment)
            elif value is not None:
                page.write(number, column, value)
    book.close()
    return data.getvalue()


def drop(stage: Stage, data: bytes, name: str = NAME) -> list[dict[str, str]]:
    """Drop a file, import it, read its result."""
    stage.ctx.objects.put("inbox", name, data, "text/plain")
    done = backfill.import_file(stage.ctx, name, read_sheet)
    kept = stage.ctx.objects.get("inbox", done.result_key)
    assert kept is not None
    return list(csv.DictReader(io.StringIO(kept.decode())))


def outcomes(result: list[dict[str, str]]) -> list[tuple[str, str, str]]:
    return [(r["row"], r["cdr_id"], r["outcome"]) for r in result]


def kept(stage: Stage, cdr_id: str) -> dict[str, Any] | None:
    found = cdrs.original(stage.ctx, b.ISSUER, f"DEVWK*{cdr_id}")
    if found is None:
        return None
    assert found.source == "file"
    from roamclear.ocpi.intake import body_of

    value: dict[str, Any] = numbers_json.loads(body_of(found))
    return value


def test_each_row_has_its_result(stage: Stage) -> None:
    good, bad, foreign = b.cdr(1), b.cdr(2, currency="EURO"), b.cdr(3, party_id="XXX")
    rows = [cells(good), [], cells(bad), cells(foreign), cells(good), cells(b.cdr(1, kwh="21"))]
    result = drop(stage, csv_of(rows))
    assert outcomes(result) == [
        ("2", "CDR-000001", "NEW"),
        ("4", "CDR-000002", "REFUSED"),
        ("5", "CDR-000003", "REFUSED"),
        ("6", "CDR-000001", "REPEAT"),
        ("7", "CDR-000001", "DIFFERS"),
    ]
    assert [r["field"] for r in result] == ["", "currency", "party_id", "", "id"]
    body = kept(stage, "CDR-000001")
    assert body is not None
    assert body["total_cost"] == {"excl_vat": Decimal("8.30")}
    assert body["charging_periods"] == [
        {
            "start_date_time": good["start_date_time"],
            "dimensions": [{"type": "ENERGY", "volume": 20}, {"type": "TIME", "volume": 1}],
        }
    ]
    assert body["last_updated"] == good["end_date_time"]
    logged = list(store.refused(stage.ctx.db, b.ISSUER, "partner-devwk", NOW))
    assert {entry.field for entry in logged} == {"currency", "party_id"}


def test_a_file_that_was_imported_changes_nothing(stage: Stage) -> None:
    first = drop(stage, csv_of([cells(b.cdr(1))]))
    assert drop(stage, csv_of([cells(b.cdr(1))])) == first
    second = drop(stage, csv_of([cells(b.cdr(1)), cells(b.cdr(2))]))
    assert outcomes(second) == [("2", "CDR-000001", "REPEAT"), ("3", "CDR-000002", "NEW")]


def test_a_table_with_semicolons_may_have_commas_in_numbers(stage: Stage) -> None:
    row = cells(b.cdr(1, kwh="20.125", total=Decimal("8.35")))
    text = [str(value).replace(".", ",") if isinstance(value, Decimal) else value for value in row]
    assert outcomes(drop(stage, b"\xef\xbb\xbf" + csv_of([text], ";"))) == [("2", "CDR-000001", "NEW")]
    body = kept(stage, "CDR-000001")
    assert body is not None
    assert (body["total_energy"], body["total_cost"]["excl_vat"]) == (Decimal("20.125"), Decimal("8.35"))


def test_a_comma_among_commas_is_no_number(stage: Stage) -> None:
    row = ["20,5" if name == "total_energy" else cell for name, cell in zip(COLUMNS, cells(b.cdr(1)), strict=True)]
    assert [r["outcome"] for r in drop(stage, csv_of([row]))] == ["REFUSED"]


def test_sheets_are_read_with_dates_and_exact_numbers(stage: Stage) -> None:
    raw = b.cdr(1, kwh="20.1", total=Decimal("8.34"))
    row = [
        datetime.fromisoformat(cell) if str(name).endswith("date_time") else cell
        for name, cell in zip(COLUMNS, cells(raw), strict=True)
    ]
    assert outcomes(drop(stage, xlsx_of([row]), NAME.replace("csv", "xlsx"))) == [("2", "CDR-000001", "NEW")]
    body = kept(stage, "CDR-000001")
    assert body is not None
    assert (body["total_energy"], body["total_cost"]["excl_vat"]) == (Decimal("20.1"), Decimal("8.34"))
    assert body["start_date_time"] == raw["start_date_time"]


def test_lines_are_kept_byte_for_byte(stage: Stage) -> None:
    line = numbers_json.dumps(b.cdr(1)).replace('"total_energy":20', '"total_energy":20.100').encode()
    result = drop(stage, b"\xef\xbb\xbf" + line + b"\r\n\n{\n7\n" + line, "cdrs/voltwerk/partner-devwk/a.ndjson")
    assert [(r["row"], r["outcome"]) for r in result] == [
        ("1", "NEW"), ("3", "REFUSED"), ("4", "REFUSED"), ("5", "REPEAT"),
    ]  # fmt: skip
    original = cdrs.original(stage.ctx, b.ISSUER, "DEVWK*CDR-000001")
    assert original is not None
    from roamclear.ocpi.intake import body_of

    assert body_of(original) == line


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("cdrs/voltwerk/a.csv", b"id\n1", "a file lies in"),
        ("cdrs/voltwerk/nobody/a.csv", b"id\n1", "no such credential"),
        ("cdrs/other/partner-devwk/a.csv", b"id\n1", "no such credential"),
        ("cdrs/voltwerk/partner-devwk/a.pdf", b"id\n1", "CSV, XLSX or NDJSON"),
        ("cdrs/voltwerk/partner-devwk/a.csv", b"", "the first row"),
        ("cdrs/voltwerk/partner-devwk/a.csv", b"\xff\xfe", "UTF-8"),
        ("cdrs/voltwerk/partner-devwk/a.csv", b"id,ID\n1,2", "the same as another"),
        ("cdrs/voltwerk/partner-devwk/a.csv", b"id,cdr_token,cdr_token.uid\n1,2,3", "the same as another"),
        ("cdrs/voltwerk/partner-devwk/a.csv", b"id,what is this\n1,2", "no field of a CDR"),
        ("cdrs/voltwerk/partner-devwk/a.xlsx", b"PK", "no XLSX"),
        ("cdrs/voltwerk/partner-devwk/a.xlsx", b"", "no XLSX"),
    ],
)
def test_a_file_that_cannot_be_read_says_so(stage: Stage, name: str, data: bytes, words: str) -> None:
    (row,) = drop(stage, data, name)
    assert (row["row"], row["outcome"], row["field"]) == ("0", "REFUSED", "file")
    assert words in row["message"]


def test_a_broken_sheet_takes_in_nothing(stage: Stage) -> None:
    data = xlsx_of([cells(b.cdr(1))])
    broken = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(broken, "w") as new:
        for item in old.infolist():
            body = old.read(item)
            new.writestr(item, body[: len(body) // 2] if "sheet1" in item.filename else body)
    (row,) = drop(stage, broken.getvalue(), NAME.replace("csv", "xlsx"))
    assert (row["outcome"], row["message"]) == ("REFUSED", "the file is no XLSX that can be read")
    assert kept(stage, "CDR-000001") is None


def test_sheets_that_unpack_to_too_much_or_hold_entities_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    data = xlsx_of([cells(b.cdr(1))])
    with zipfile.ZipFile(evil := io.BytesIO(data), "a") as packed:
        packed.writestr("xl/evil.xml", "<?xml version='1.0'?><!DOCTYPE x [<!ENTITY a 'b'>]><x/>")
    with pytest.raises(InvalidInput, match="document type"):
        list(read_sheet(evil.getvalue()))
    monkeypatch.setattr(tables, "MAX_UNPACKED", 1_000)
    with pytest.raises(InvalidInput, match="too much"):
        list(read_sheet(data))


def test_limits_of_rows_and_bytes(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backfill, "MAX_ROWS", 2)
    (row,) = drop(stage, csv_of([cells(b.cdr(n)) for n in range(1, 4)]))
    assert "more than 2 rows" in row["message"]
    assert kept(stage, "CDR-000001") is None, "nothing of it was taken"
    monkeypatch.setattr(backfill, "MAX_BYTES", 10)
    (row,) = drop(stage, csv_of([cells(b.cdr(1))]))
    assert "bytes" in row["message"]


def test_whose_file_it_is(stage: Stage) -> None:
    other = connect(stage.ctx, "DEVWK")
    (row,) = drop(stage, csv_of([cells(b.cdr(1))]))
    assert "several credentials" in row["message"]
    name = f"cdrs/voltwerk/{other.credential.credential_id}/a.csv"
    assert outcomes(drop(stage, csv_of([cells(b.cdr(1))]), name)) == [("2", "CDR-000001", "NEW")]
    partners.unregister(stage.ctx, other.credential)
    (row,) = drop(stage, csv_of([cells(b.cdr(2))]), name)
    assert "no such credential" in row["message"]


def test_a_sandbox_takes_no_files(stage: Stage) -> None:
    bench = connect(stage.ctx, "DEVWK", sandbox=True)
    (row,) = drop(stage, csv_of([cells(b.cdr(1))]), f"cdrs/voltwerk/{bench.credential.credential_id}/a.csv")
    assert "sandbox" in row["message"]


def test_no_cell_of_a_result_is_a_formula(stage: Stage) -> None:
    result = drop(stage, csv_of([cells(b.cdr(1, id="=cmd()"))]))
    assert result[0]["cdr_id"] == "'=cmd()"


@pytest.mark.parametrize("name", ["object_created.json", "s3_notification.json", "schedule.json"])
def test_every_event_imports_the_file_once(stage: Stage, name: str) -> None:
    stage.ctx.objects.put("inbox", NAME, csv_of([cells(b.cdr(1))]), "text/csv")
    event = json.loads((EVENTS / name).read_text())
    assert [f["rows"] for f in function.handler(event, LAMBDA)["files"]] == [1]
    assert sum(f["rows"] for f in function.handler(event, LAMBDA)["files"]) == 0
    result = next(key for key in stage.ctx.objects.keys("inbox") if key.endswith(backfill.RESULT))
    own = {"detail-type": "Object Created", "detail": {"object": {"key": result}}}
    assert function.handler(own, LAMBDA)["files"] == []


def test_the_bank_import_leaves_files_of_cdrs_alone(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.ctx.objects.put("inbox", NAME, b"x", "text/csv")
    monkeypatch.setattr(bank, "compose", lambda: stage.ctx)
    assert bank.handler({"reason": "schedule"}, LAMBDA)["files"] == []


def test_a_file_that_is_gone(stage: Stage) -> None:
    with pytest.raises(NotFound):
        backfill.import_file(stage.ctx, "cdrs/voltwerk/partner-devwk/none.csv", read_sheet)


@given(data=st.binary(max_size=400) | st.text(max_size=200).map(lambda t: ("id,total_energy\n" + t).encode()),
       kind=st.sampled_from(["csv", "ndjson", "xlsx"]))  # fmt: skip
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_bytes_have_a_result(data: bytes, kind: str) -> None:
    with memory_stage.stage(NOW) as made:
        connect(made.ctx)
        result = drop(made, data, f"cdrs/voltwerk/partner-devwk/a.{kind}")
    assert {row["outcome"] for row in result} <= {"NEW", "REPEAT", "REFUSED"}
