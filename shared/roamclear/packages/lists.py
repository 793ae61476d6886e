"""Lists of sessions as files: the same rows and the same totals in every format (product.md rows 60-62).

The rows go by once and are written to the files of all formats on their way; a part of ``MOST_ROWS`` sessions is given
out before the next one begins. So memory grows neither with the sessions nor with the parts, and a list that takes
longer than one call goes on with its next part in the next one.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from roamclear.billing import service as billing
from roamclear.billing.model import Run
from roamclear.cdrs import service as cdrs
from roamclear.cdrs.adjustments import before_each, body_ref
from roamclear.documents.model import AdjustmentRow, ExcludedRow, ExportPart, FeeRow, SessionExport, SessionRow
from roamclear.documents.session_model import Ending
from roamclear.documents.session_text import CsvPart, NdjsonPart
from roamclear.documents.session_totals import Tally
from roamclear.documents.sessions import ROWS_PER_PART, XlsxPart
from roamclear.kernel import numbers_json
from roamclear.kernel.context import Context
from roamclear.kernel.retry import TimeLeft, always
from roamclear.packages import rows

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
#: Sessions of one file in every format.
MOST_ROWS = ROWS_PER_PART
#: Format -> content type, in the order in which the files are named.
FORMATS = {"xlsx": XLSX, "csv": "text/csv; charset=utf-8", "ndjson": "application/x-ndjson"}

#: A row of a list with the place from which on the next ones are read.
Drawn = tuple[billing.Place | None, SessionRow | AdjustmentRow]


@dataclass(frozen=True, slots=True)
class Listing:
    """What a list says. The excluded rows stand in the XLSX alone: no total counts them.

    ``rows`` gives the rows from the first one on or behind a place, sessions and adjustments as they stand in the run.
    """

    export: SessionExport
    rows: Callable[[billing.Place | None], Iterable[Drawn]]
    excluded: Iterable[ExcludedRow] = ()
    fees: Sequence[FeeRow] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """Where the files of a list go: their bucket, folder and name without ending, and until when they are locked."""

    bucket: str
    folder: str
    name: str
    retain_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The keys of the files that stand; ``state`` says where to go on while there are more."""

    keys: list[str]
    state: dict[str, Any] | None = None


class Aside(Protocol):
    """Keeps files between two calls."""

    def put_file(self, path: Path) -> str:
        """Keep a file; returns its name."""
        ...

    def get_file(self, key: str, path: Path) -> bool:
        """The file of a name again."""
        ...


class _Writer(Protocol):
    tally: Tally

    def add(self, row: SessionRow) -> None: ...
    def finish(self, tally: Tally, ending: Ending, *, last: bool) -> ExportPart: ...
    def abandon(self) -> None: ...


def drawn(ctx: Context, run: Run, source: billing.Rows, behind: billing.Place | None, basis: str) -> Iterator[Drawn]:
    """The rows of a document as lists say them, chunk by chunk: a body is many times a row, so few are held at once."""
    traces = rows.trace_base(ctx)
    for chunk in source.chunks(behind):
        sessions = [s for s, _, section in chunk if section != "ADJUSTMENT"]
        bodies = cdrs.originals(ctx, run.issuer_id, [body_ref(s) for s in sessions])
        corrections = [s for s, _, _ in chunk if s.credit_of]
        billed = before_each(ctx, run.issuer_id, corrections) if corrections else {}
        documents = billing.documents_of(ctx, run.issuer_id, {s.credit_of for s in corrections if s.credit_of})
        for row in chunk:
            session, rating, section = row
            if section == "ADJUSTMENT":
                corrected = documents.get(session.credit_of or "")
                yield source.place_of(row), rows.adjustment_row(session, rating, billed.get(session.cdr_ref), corrected)
            else:
                original = bodies[body_ref(session)]
                yield source.place_of(row), rows.session_row(session, rating, original, basis, section, traces)


def write(
    ctx: Context,
    target: Target,
    listing: Listing,
    formats: Iterable[str],
    *,
    state: dict[str, Any] | None = None,
    aside: Aside | None = None,
    time_left: TimeLeft = always,
) -> Outcome:
    """Write a list in the given formats, or its next parts where ``state`` says how far it is.

    The time is looked at between two parts. The same list gives the same files, whatever the calls were.

    Raises:
        InvariantBroken: the rows do not sum to the total of the list; no file of its last part is given out.
    """
    wanted = tuple(formats)
    with tempfile.TemporaryDirectory() as folder:
        made = _Going(ctx, target, listing, wanted, Path(folder))
        if state is not None and not (aside is not None and made.load(state, aside)):
            made = _Going(ctx, target, listing, wanted, Path(folder))
        with made:
            for place, row in listing.rows(made.behind):
                if isinstance(row, AdjustmentRow):
                    made.adjust(row)
                else:
                    if made.is_full():
                        made.close(last=False)
                        if aside is not None and not time_left():
                            return Outcome(made.keys, made.dump(aside))
                    made.add(row)
                made.behind = place
            made.close(last=True)
    return Outcome(sorted(made.keys, key=lambda key: wanted.index(key.rpartition(".")[2])))


@dataclass
class _Going:
    """A list on its way: the files of the part that is open, and what stands in those that are given out."""

    ctx: Context
    target: Target
    listing: Listing
    formats: tuple[str, ...]
    folder: Path
    keys: list[str] = field(default_factory=list)
    behind: billing.Place | None = None
    part: int = 1
    _open: dict[str, _Writer] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.tally = Tally(self.listing.export.currency)
        self._adjusted = self.folder / "adjustments"
        self._adjusted.touch()

    def __enter__(self) -> _Going:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """After a failure nothing half-written stays open."""
        for writer in self._open.values():
            writer.abandon()

    def is_full(self) -> bool:
        """Whether the open part holds all the sessions that a file may hold."""
        return any(writer.tally.rows >= MOST_ROWS for writer in self._open.values())

    def add(self, row: SessionRow) -> None:
        """Write a session to the files of the open part."""
        for writer in self._open.values() or self._begin():
            writer.add(row)

    def adjust(self, row: AdjustmentRow) -> None:
        """Put a correction aside: those stand behind all sessions, in the last part."""
        with self._adjusted.open("a", encoding="utf-8", newline="\n") as stream:
            stream.write(numbers_json.dumps(row.dump()) + "\n")

    def close(self, *, last: bool) -> None:
        """Finish the files of the open part and give them out, all or none."""
        writers = self._open if self._open else dict(zip(self.formats, self._begin(), strict=True))
        fees = tuple(self.listing.fees)
        self.tally.merge(next(iter(writers.values())).tally)
        found = {}
        for kind, writer in writers.items():
            excluded = self.listing.excluded if kind == "xlsx" else ()
            ending = Ending(self._adjustments(), excluded, fees) if last else Ending()
            found[kind] = writer.finish(self.tally.copy(), ending, last=last)
        whole = last and self.part == 1
        for kind, piece in found.items():
            name = f"{self.target.name}.{kind}" if whole else f"{self.target.name}-{self.part}.{kind}"
            self._give_out(Path(piece.path), name, FORMATS[kind])
        self._open, self.part = {}, self.part + 1

    def _give_out(self, path: Path, name: str, content_type: str) -> None:
        target = self.target
        stored = self.ctx.objects.put_file(
            target.bucket, f"{target.folder}/{name}", path, content_type, retain_until=target.retain_until
        )
        self.keys.append(stored.key)
        path.unlink()

    def _begin(self) -> list[_Writer]:
        export, before = self.listing.export, self.tally.rows
        for kind in self.formats:
            path = self.folder / f"part-{self.part}.{kind}"
            if kind == "xlsx":
                self._open[kind] = XlsxPart(export, path, self.part, before, fees=bool(self.listing.fees))
            else:
                self._open[kind] = (CsvPart if kind == "csv" else NdjsonPart)(export, path, self.part, before)
        return list(self._open.values())

    def _adjustments(self) -> Iterator[AdjustmentRow]:
        with self._adjusted.open(encoding="utf-8", newline="\n") as stream:
            for line in stream:
                yield AdjustmentRow.load(numbers_json.loads(line))

    def dump(self, aside: Aside) -> dict[str, Any]:
        """What the next call has to know."""
        place = self.behind
        return {
            "part": self.part,
            "keys": self.keys,
            "behind": place.dump() if place else None,
            "tally": self.tally.dump(),
            "adjustments": aside.put_file(self._adjusted),
        }

    def load(self, state: dict[str, Any], aside: Aside) -> bool:
        """Go on from there; False where something of it is gone, and the list begins anew."""
        if not aside.get_file(state["adjustments"], self._adjusted):
            return False
        self.part, self.keys = state["part"], list(state["keys"])
        self.tally = Tally.load(self.listing.export.currency, state["tally"])
        self.behind = billing.Place.load(state["behind"])
        return True
