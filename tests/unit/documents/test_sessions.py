"""The session export: typed, complete, safe, equal to the document, and split when it must be."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from roamclear.documents.model import AdjustmentRow, ExcludedRow
from roamclear.documents.sessions import serial
from roamclear.kernel.errors import InvariantBroken
from roamclear.kernel.money import Money
from tests.support.whole_lists import write_csv, write_ndjson, write_xlsx
from tests.unit.documents.session_samples import export, net_of, session, sessions

ANNEX = (
    "#, Invoice no., Period, CDR id, Session id, Credit of, Start (local), Stop (local), Zone, Stop (UTC), "
    "Duration hh:mm:ss, of which charging, of which parking, Country, City, Postal code, Location, EVSE id, Connector, "
    "Power type, Max kW, Token type, Contract id (masked), Auth method, kWh, Meter start, Meter stop, "
    "Tariff/contract version, Tariff name, Time bracket(s), Unit price kWh, Energy EUR, Session fee EUR, Time EUR, "
    "Parking EUR, Other EUR, Min/max cap adj. EUR, Net EUR, VAT cat., VAT %, CDR total_cost excl. VAT, Δ to CDR EUR, "
    "Pricing basis, Dispute no., Dispute outcome, Original EUR, Accepted EUR, Late flag, First seen, Payload SHA-256"
)
HOSTILE = (
    "=1+1", "=HYPERLINK(\"http://x\",\"y\")", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "http://evil.example",
    "mailto:a@b.example", "internal:Sheet1!A1", "external:x.xlsx", "{=1+1}", "\t=1", "\r=1", "＝1+1",
)  # fmt: skip
ADJUSTMENT = AdjustmentRow(
    cdr_id="CDR-OLD", original_document="RE-2026-000031", original_date=date(2026, 10, 9), reason="Dispute accepted",
    original=Money(1500, "EUR"), corrected=Money(1000, "EUR"), net=Money(-500, "EUR"),
)  # fmt: skip
EXCLUDED = ExcludedRow(
    cdr_id="CDR-HELD", evse_id="DE*HEL*E1", start_utc=datetime(2026, 10, 3, 10, 0, tzinfo=UTC), zone="Europe/Berlin",
    state="ON_HOLD", reason="EVSE_UNASSIGNED", claimed=Money(777, "EUR"),
)  # fmt: skip


def _cells(sheet: Any) -> list[tuple[Any, ...]]:
    return list(sheet.iter_rows(values_only=True))


def _stream(path: Path) -> io.StringIO:
    return io.StringIO(path.read_bytes().decode("utf-8-sig"), newline="")


def test_columns_and_sheets_are_those_of_the_annex(tmp_path: Path) -> None:
    write_xlsx(export(net_of(3) - 500), sessions(3), tmp_path, "s", adjustments=[ADJUSTMENT], excluded=[EXCLUDED])
    book = openpyxl.load_workbook(tmp_path / "s.xlsx")
    assert book.sheetnames == ["Summary", "Sessions", "Adjustments", "Not included", "Read me"]
    heads = [c.value for c in book["Sessions"][1]]
    assert heads[:-1] == ANNEX.split(", ")
    assert book["Sessions"].freeze_panes == "E2"
    assert book["Sessions"].auto_filter.ref == "A1:AY4"
    assert _cells(book["Adjustments"])[1][0] == "CDR-OLD"
    assert _cells(book["Not included"])[1][5] == "EVSE_UNASSIGNED"


def test_cells_are_typed_and_sums_are_cached(tmp_path: Path) -> None:
    write_xlsx(export(net_of(200)), sessions(200), tmp_path, "s")
    book = openpyxl.load_workbook(tmp_path / "s.xlsx", data_only=True)
    heads, first, *_, last = _cells(book["Sessions"])
    row, total = dict(zip(heads, first, strict=True)), dict(zip(heads, last, strict=True))
    # 00:15 UTC is 02:15 in summer time, on the night when the clocks go back.
    assert row["Start (local)"] == datetime(2026, 10, 25, 2, 15)  # noqa: DTZ001
    assert row["Stop (UTC)"] == datetime(2026, 10, 25, 0, 58)  # noqa: DTZ001
    assert row["Duration hh:mm:ss"] == timedelta(seconds=2580)
    assert row["Postal code"] == "01067"
    assert (row["kWh"], row["Net EUR"], row["Late flag"]) == (25.4422, 12.82, False)
    assert Decimal(str(total["Net EUR"])) == Decimal(net_of(200)).scaleb(-2)
    formulas = openpyxl.load_workbook(tmp_path / "s.xlsx")["Sessions"]
    assert formulas.cell(202, heads.index("Net EUR") + 1).value == "=SUBTOTAL(109,AL2:AL201)"


def test_a_sum_that_differs_from_the_document_is_refused(tmp_path: Path) -> None:
    for write in (
        lambda: write_xlsx(export(net_of(3) + 1), sessions(3), tmp_path, "s"),
        lambda: write_csv(export(net_of(3) + 1), sessions(3), tmp_path / "s.csv"),
        lambda: write_ndjson(export(net_of(3) + 1), sessions(3), tmp_path / "s.ndjson"),
    ):
        with pytest.raises(InvariantBroken, match="does not sum"):
            write()


def test_a_foreign_currency_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvariantBroken, match="another currency"):
        write_xlsx(export(1282), [session(0, net=Money(1282, "PLN"))], tmp_path, "s")


def test_a_cell_that_was_not_written_is_never_silent(tmp_path: Path) -> None:
    with pytest.raises(InvariantBroken, match="refused"):
        write_xlsx(export(1282), [session(0, location="x" * 40_000)], tmp_path, "s")


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_injects_a_formula_or_a_link(text: str, tmp_path: Path) -> None:
    row = session(0, cdr_id=text, location=text, tariff_name=text, trace_link=text)
    excluded = EXCLUDED.model_copy(update={"reason": text})
    adjustment = ADJUSTMENT.model_copy(update={"reason": text})
    head = export(782, issuer_name=text, document_number=text, trace_base="https://clearing.example/v1/cdrs/")
    write_xlsx(head, [row], tmp_path, "s", adjustments=[adjustment], excluded=[excluded])
    with zipfile.ZipFile(tmp_path / "s.xlsx") as archive:
        parts = {name: archive.read(name).decode() for name in archive.namelist()}
    assert not any("hyperlink" in xml for xml in parts.values())
    formulas = [xml for xml in parts.values() for _ in range(xml.count("<f>"))]
    ours = sum(xml.count("<f>SUBTOTAL(109,") for xml in parts.values())
    assert len(formulas) == ours == 9
    target = tmp_path / "s.csv"
    write_csv(head, [row], target, adjustments=[adjustment])
    for line in csv.reader(_stream(target)):
        assert all(cell[:1] not in "=+@\t\r＝" or not cell for cell in line)
        assert all(not cell.startswith("-") or cell == "-5.00" for cell in line)


OURS = "https://clearing.example/v1/cdrs/"


def test_a_trace_of_ours_is_a_link_and_nothing_else_is(tmp_path: Path) -> None:
    told = [f"{OURS}DEVWK*CDR-1/trace", "https://evil.example/x", f"{OURS}a b", f'{OURS}"><x', f"{OURS}?a={'x' * 300}"]
    rows = [session(0, cdr_id=f"C{n}", trace_link=text) for n, text in enumerate(told)]
    write_xlsx(export(1282 * len(rows), trace_base=OURS), rows, tmp_path, "s")
    sheet = openpyxl.load_workbook(tmp_path / "s.xlsx")["Sessions"]
    cells = [row[-1] for row in sheet.iter_rows(min_row=2, max_row=1 + len(rows))]
    assert [cell.value for cell in cells] == told
    assert [cell.hyperlink.target if cell.hyperlink else None for cell in cells] == [told[0], None, None, None, None]


def test_links_beyond_what_a_sheet_holds_are_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("roamclear.documents.sessions._MOST_LINKS", 2)
    rows = [session(0, cdr_id=f"C{n}", trace_link=f"{OURS}C{n}/trace") for n in range(3)]
    write_xlsx(export(1282 * 3, trace_base=OURS), rows, tmp_path, "s")
    sheet = openpyxl.load_workbook(tmp_path / "s.xlsx")["Sessions"]
    assert [bool(sheet.cell(row, sheet.max_column).hyperlink) for row in (2, 3, 4)] == [True, True, False]


def test_many_rows_are_split_into_parts(tmp_path: Path) -> None:
    parts = write_xlsx(
        export(net_of(25) - 500), sessions(25), tmp_path, "s", adjustments=[ADJUSTMENT], rows_per_part=10
    )
    assert [(p.index, p.rows, p.last) for p in parts] == [(1, 10, False), (2, 10, False), (3, 5, True)]
    assert [Path(p.path).name for p in parts] == ["s-1.xlsx", "s-2.xlsx", "s-3.xlsx"]
    assert sum(p.net.amount_minor for p in parts) == net_of(25)
    numbers = []
    for part in parts:
        sheet = openpyxl.load_workbook(part.path, data_only=True)["Sessions"]
        numbers += [r[0] for r in _cells(sheet)[1:-1]]
    assert numbers == list(range(1, 26))
    assert not list(tmp_path.glob("*.part-*"))


@pytest.mark.parametrize("count", [0, 10, 20])
def test_full_parts_have_no_empty_follower(count: int, tmp_path: Path) -> None:
    parts = write_xlsx(export(net_of(count)), sessions(count), tmp_path, "s", rows_per_part=10)
    assert [p.rows for p in parts] == ([10] * (count // 10) or [0])


def test_two_writes_are_byte_identical(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_xlsx(export(net_of(20)), sessions(20), tmp_path, name)
    assert (tmp_path / "a.xlsx").read_bytes() == (tmp_path / "b.xlsx").read_bytes()


def test_the_twins_hold_the_same_rows_and_sums(tmp_path: Path) -> None:
    head = export(net_of(40) - 500)
    text = write_csv(head, sessions(40), tmp_path / "s.csv", adjustments=[ADJUSTMENT])
    lines = write_ndjson(head, sessions(40), tmp_path / "s.ndjson", adjustments=[ADJUSTMENT])
    assert text.net == lines.net == head.document_net
    rows = list(csv.DictReader(_stream(tmp_path / "s.csv")))
    objects = [json.loads(x, parse_float=Decimal) for x in (tmp_path / "s.ndjson").read_text().splitlines()]
    assert len(rows) == len(objects) == 41
    assert sum(Decimal(r["Net EUR"]) for r in rows) == sum(o["net"] for o in objects) == head.document_net.to_decimal()
    assert rows[0]["Start (local)"] == "2026-10-25T02:15:00+02:00" == objects[0]["start_local"]
    assert rows[0]["Duration hh:mm:ss"] == "00:43:00"
    assert objects[0]["energy_kwh"] == Decimal("25.4422")
    assert rows[-1]["Kind"] == "ADJUSTMENT"
    assert (tmp_path / "s.csv").read_bytes().count(b"\r\n") == 42


def test_a_serial_is_exact_to_the_second() -> None:
    start = datetime(2026, 10, 1)  # noqa: DTZ001
    for seconds in (0, 1, 59, 3599, 86_399):
        fraction = serial(start + timedelta(seconds=seconds)) - serial(start)
        assert round(fraction * 86_400) == seconds
