"""Two lists of 10,000 sessions: matching them against reading them, in one run (product.md B1).

The floors read both files: as rows of typed values, and by a bare csv.reader that looks into no cell; matching joins,
judges and sums the rows that were read. One row in ten has no id and is found by EVSE, start and energy; one in a
hundred differs, one is missing on either side.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from roamclear.compare import rules
from roamclear.compare.columns import TITLES
from roamclear.compare.model import Options, Ours, Theirs, Tolerance
from roamclear.compare.reading import read
from roamclear.documents import tables

ROWS = 10_000
LIMIT = 5.0
REPEATS = 5


def run() -> list[tuple[str, float, str, float | None]]:
    """Rows of (name, ratio, floor, limit)."""
    from tests.support.lists import csv_of, ours

    every = [ours(n) for n in range(ROWS + ROWS // 100)]
    here, told = every[:ROWS], every[ROWS // 100 :]
    rows = [_told(n, o) for n, o in enumerate(told)]
    first, second = csv_of(here), csv_of(rows)
    there = _read_csv(second)
    read_s, bare_s, match_s = _best(
        lambda: (_read_csv(first), _read_csv(second)),
        lambda: (list(tables.read_csv(first)[1]), list(tables.read_csv(second)[1])),
        lambda: rules.sums(rules.compared(here, there, Tolerance()), "EUR"),
    )
    sheets = [_sheet(first), _sheet(second)]
    (sheet_s,) = _best(lambda: [_read_xlsx(sheet) for sheet in sheets], repeats=1)
    what = f"match of {ROWS} x {ROWS}"
    return [
        (f"{what}, CSV", match_s / read_s, "reading both CSV files", LIMIT),
        (f"{what}, XLSX", match_s / sheet_s, "reading both XLSX files", LIMIT),
        (f"{what}, bare CSV", match_s / bare_s, "csv.reader over both files, no cell read", LIMIT),
        (f"{what} in ms", match_s * 1000, "CPU time on this machine", None),
    ]


def _told(n: int, o: Ours) -> Ours:
    """What the partner's list says of a session of ours."""
    if n % 10 == 0:
        o = replace(o, cdr_id="", session_id="", start=o.start + 45)
    return replace(o, amount_minor=o.amount_minor - 30) if n % 100 == 1 else o


def _read_csv(data: bytes) -> list[Theirs]:
    mark, table = tables.read_csv(data)
    return read(table, Options(), zone="UTC", currency="EUR", mark=mark).rows


def _read_xlsx(data: bytes) -> list[Theirs]:
    table = tables.read_xlsx(data, max_rows=ROWS + 1, max_columns=len(TITLES))
    return read(table, Options(), zone="UTC", currency="EUR").rows


def _sheet(data: bytes) -> bytes:
    titles, *rows = tables.read_csv(data)[1]
    texts = [str(title) for title in titles]
    return tables.write_xlsx("List", texts, rows, created=datetime(2026, 11, 1, tzinfo=UTC))


def _best(*calls: Callable[[], object], repeats: int = REPEATS) -> list[float]:
    """The least of interleaved repetitions of each, so that a busy neighbour hits all alike."""
    times: list[list[float]] = [[] for _ in calls]
    for _ in range(repeats):
        for place, call in enumerate(calls):
            start = time.process_time()
            call()
            times[place].append(time.process_time() - start)
    return [min(each) for each in times]
