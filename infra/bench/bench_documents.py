"""Documents against their floors, in one run: the same cells by a bare loop over the same library.

``run()`` returns rows of (name, value, floor, limit); a ratio is the best of interleaved repetitions, so that a busy
machine slows both sides alike.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from datetime import UTC
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
FONTS = ROOT / "build" / "fonts"
PDF_LIMIT = 1.5
XLSX_LIMIT = 1.3
RSS_LIMIT_MB = 120


def run() -> list[tuple[str, float, str, float]]:
    """Measure and return (name, value, what it is compared with, limit)."""
    from infra.fonts import build

    build(FONTS)
    # Writing 300,000 rows takes minutes: it runs beside the others, whose two sides it slows alike.
    large = _start_large(300_000)
    rows: list[tuple[str, float, str, float]] = []
    for lines in (320, 2000):
        rows.append((f"pdf_{lines}_lines", _pdf_ratio(lines), "bare fpdf2 cell() loop, same cells", PDF_LIMIT))
    rows.append(("xlsx_20000_rows", _xlsx_ratio(20_000), "bare xlsxwriter loop, same cells", XLSX_LIMIT))
    rows.append(("xlsx_300000_rows_rss_mb", _peak_mb(large), "resident set of the writing process", RSS_LIMIT_MB))
    return rows


def _ratio(ours: Callable[[], object], floor: Callable[[], object], repetitions: int) -> float:
    ours_s, floor_s = [], []
    ours(), floor()
    for _ in range(repetitions):
        for timed, call in ((floor_s, floor), (ours_s, ours)):
            start = time.perf_counter()
            call()
            timed.append(time.perf_counter() - start)
    return min(ours_s) / min(floor_s)


def _pdf_ratio(lines: int) -> float:
    from roamclear.documents.pdf import render_invoice
    from tests.unit.documents.samples import many

    document = many(lines)
    return _ratio(lambda: render_invoice(document, FONTS), lambda: bare_pdf(_pdf_cells(document)), 5)


def _pdf_cells(document: Any) -> list[tuple[str, ...]]:
    from roamclear.documents.pdf_lines import cells, details
    from roamclear.documents.texts import item_name

    return [
        (item_name(line, document.language), details(line, document), *cells(line, document)) for line in document.lines
    ]


def bare_pdf(rows: Iterable[tuple[str, ...]]) -> bytes:
    """The floor: the texts are there already, one ``cell`` each, same fonts, same PDF/A mode, nothing else."""
    from fpdf import FPDF

    pdf = FPDF(format="A4", enforce_compliance="PDF/A-3U")
    pdf.add_font("f", "", FONTS / "NotoSans-Regular.ttf")
    pdf.add_font("f", "B", FONTS / "NotoSans-Bold.ttf")
    pdf.set_auto_page_break(False)
    widths = (30, 30, 18, 24, 23, 12, 26)
    y = 300
    for row in rows:
        if y > 265:
            pdf.add_page()
            pdf.set_font("f", "", 8)
            y = 20
        pdf.set_xy(25, y)
        for width, text in zip(widths, row, strict=True):
            pdf.cell(width, 6, text)
        y += 6
    return bytes(pdf.output())


def _xlsx_ratio(count: int) -> float:
    from tests.support.whole_lists import write_xlsx
    from tests.unit.documents.session_samples import export, net_of, sessions

    rows = list(sessions(count))
    head = export(net_of(count))
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder)
        plain = [_sheet_cells(row) for row in rows]
        return _ratio(lambda: write_xlsx(head, rows, target, "ours"), lambda: bare_xlsx(plain, target), 2)


def _sheet_cells(row: Any) -> list[object]:
    from roamclear.documents.session_columns import COLUMNS, Kind, local
    from roamclear.kernel.money import Money

    values: list[object] = [1, "RE-2026-000042", "2026-10-01/2026-10-31"]
    for column in COLUMNS:
        value = getattr(row, column.key)
        if isinstance(value, Money):
            value = value.to_decimal()
        elif value is not None and column.kind is Kind.LOCAL:
            value = local(value, row.zone).replace(tzinfo=None)
        elif value is not None and column.kind is Kind.UTC:
            value = value.astimezone(UTC).replace(tzinfo=None)
        values.append(value)
    return values


def bare_xlsx(rows: Iterable[list[object]], folder: Path) -> None:
    """The floor: the values are there already, one typed write each, constant memory, the same formats."""
    from datetime import datetime

    import xlsxwriter

    book: Any = xlsxwriter.Workbook(str(folder / "bare.xlsx"), {"constant_memory": True, "tmpdir": str(folder)})
    sheet: Any = book.add_worksheet()
    text = book.add_format({"num_format": "@"})
    moment = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
    number = book.add_format({"num_format": "#,##0.00"})
    for at, row in enumerate(rows):
        for place, value in enumerate(row):
            if value is None:
                continue
            if isinstance(value, str):
                sheet.write_string(at, place, value, text)
            elif isinstance(value, bool):
                sheet.write_boolean(at, place, value, number)
            elif isinstance(value, datetime):
                sheet.write_datetime(at, place, value, moment)
            else:
                sheet.write_number(at, place, value, number)
    book.close()


def _start_large(count: int) -> subprocess.Popen[str]:
    """A process of its own that writes ``count`` rows one by one and prints its peak RSS in MB."""
    code = f"import sys; sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / 'shared')!r}]\n"
    code += f"from infra.bench.bench_documents import write_many; print(write_many({count}))"
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


def _peak_mb(process: subprocess.Popen[str]) -> float:
    out, _ = process.communicate(timeout=1200)
    if process.returncode:
        raise RuntimeError("writing the large export failed")
    return float(out.split()[-1])


def write_many(count: int) -> float:
    """Write ``count`` generated sessions and return this process's peak RSS in MB."""
    from tests.support.whole_lists import write_xlsx
    from tests.unit.documents.session_samples import export, net_of, sessions

    with tempfile.TemporaryDirectory() as folder:
        write_xlsx(export(net_of(count)), sessions(count), Path(folder), "many")
    # Not ru_maxrss: a process inherits that of the one it was forked from, even through exec.
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024


if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "shared")]
    for name, value, floor, limit in run():
        print(f"{name:28} {value:8.2f}  <= {limit:6.1f}  ({floor})")
