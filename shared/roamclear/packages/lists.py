"""Lists of sessions as files: the same rows and the same totals in every format (product.md rows 60-62)."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from roamclear.billing import service as billing
from roamclear.billing.model import Run
from roamclear.cdrs import service as cdrs
from roamclear.cdrs.adjustments import before_each, body_ref
from roamclear.documents.model import AdjustmentRow, ExcludedRow, ExportPart, FeeRow, SessionExport, SessionRow
from roamclear.documents.session_text import write_csv, write_ndjson
from roamclear.documents.sessions import write_xlsx
from roamclear.kernel.context import Context
from roamclear.packages import rows

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_CHUNK = 100
#: Format -> content type, in the order in which the files are written.
FORMATS = {"xlsx": XLSX, "csv": "text/csv; charset=utf-8", "ndjson": "application/x-ndjson"}


@dataclass(frozen=True, slots=True)
class Listing:
    """What a list says. The excluded rows stand in the XLSX alone: no total counts them."""

    export: SessionExport
    sessions: Sequence[SessionRow]
    adjustments: Sequence[AdjustmentRow]
    excluded: Sequence[ExcludedRow]
    fees: Sequence[FeeRow] = ()


def collect(
    ctx: Context, run: Run, part: Iterable[billing.Row], basis: str
) -> tuple[list[SessionRow], list[AdjustmentRow]]:
    """The rows of a list, sessions and adjustments apart."""
    part = list(part)
    corrected = {s.credit_of for s, _, _ in part if s.credit_of}
    billed = before_each(ctx, run.issuer_id, [s for s, _, _ in part if s.credit_of])
    documents = billing.documents_of(ctx, run.issuer_id, corrected)
    plain = iter([row for row in part if row[2] != "ADJUSTMENT"])
    sessions = []
    traces = rows.trace_base(ctx)
    while chunk := list(islice(plain, _CHUNK)):
        # A body is many times a row: those of a chunk are let go before the next ones come.
        bodies = cdrs.originals(ctx, run.issuer_id, [body_ref(s) for s, _, _ in chunk])
        sessions += [
            rows.session_row(s, rating, bodies[body_ref(s)], basis, section, traces) for s, rating, section in chunk
        ]
    adjustments = [
        rows.adjustment_row(s, rating, billed.get(s.cdr_ref), documents.get(s.credit_of or ""))
        for s, rating, section in part
        if section == "ADJUSTMENT"
    ]
    return sessions, adjustments


def write(ctx: Context, bucket: str, folder: str, name: str, listing: Listing, formats: Iterable[str]) -> list[str]:
    """Write a list in the given formats below a folder of a bucket; returns the keys.

    Raises:
        InvariantBroken: the rows do not sum to the total of the list; nothing of that format is written.
    """
    keys = []
    with tempfile.TemporaryDirectory() as place:
        for kind in formats:
            for piece in _pieces(kind, listing, Path(place), name):
                path = Path(piece.path)
                key = f"{folder}/{path.name}"
                keys.append(ctx.objects.put(bucket, key, path.read_bytes(), FORMATS[kind]).key)
                path.unlink()
    return keys


def _pieces(kind: str, listing: Listing, place: Path, name: str) -> list[ExportPart]:
    export, sessions, adjustments, fees = listing.export, listing.sessions, listing.adjustments, listing.fees
    if kind == "xlsx":
        return write_xlsx(export, sessions, place, name, adjustments=adjustments, excluded=listing.excluded, fees=fees)
    writer = write_csv if kind == "csv" else write_ndjson
    return [writer(export, sessions, place / f"{name}.{kind}", adjustments=adjustments, fees=fees)]
