"""The one pass over the sessions of a run that its documents need, in memory that does not grow with their number.

It takes as many calls as it needs. What it comes to, the sums of each document and the sessions that are on none, is
kept once and for ever: whatever is drawn later says the same.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from roamclear.billing import chain, store, vat_reasons
from roamclear.billing.model import Run
from roamclear.billing.steps import Step
from roamclear.billing.sums import Row, Sums
from roamclear.cdrs import service as cdrs
from roamclear.cdrs.model import Session
from roamclear.contracts import service as contracts
from roamclear.kernel import numbers_json
from roamclear.kernel.context import Context
from roamclear.kernel.errors import InvariantBroken
from roamclear.kernel.record import plain
from roamclear.kernel.retry import TimeLeft, always
from roamclear.kernel.spool import Sorter
from roamclear.kernel.time import local_midnight, sort_instant
from roamclear.retention import service as retention

#: Members that are read and let go together; it changes nothing of what comes out.
PAGE = 100
_STEP = "ISSUE"
#: Category O never shares a document with other categories (rules.md 7).
OUTSIDE = "O"


class Chunk(NamedTuple):
    """A page whose members stand with their ratings."""

    after: tuple[datetime, str]
    rows: list[Row]
    gone: list[Session]


class Found(NamedTuple):
    """What a scan comes to. ``left_out`` sessions of the period are on no document; they lie in an object."""

    inside: Sums
    outside: Sums
    not_included: str | None
    left_out: int


class Page(NamedTuple):
    """Some members of a run in order of their stop: those that belong to it, and those that left."""

    after: tuple[datetime, str]
    kept: list[tuple[Session, str]]
    gone: list[Session]


def pages(ctx: Context, run: Run, behind: tuple[datetime, str] | None = None) -> Iterator[Page]:
    """The members of a run with their sections, from the first one on or behind a place."""
    members = store.members(ctx.db, run.issuer_id, run.run_id, behind)
    while page := list(islice(members, PAGE)):
        known = cdrs.sessions(ctx, run.issuer_id, [member.cdr_ref for member in page])
        found = [(known[m.cdr_ref], m.section) for m in page if m.cdr_ref in known]
        kept = [(session, section) for session, section in found if session.run_id == run.run_id]
        # A row whose session never took the run's name (it was credited while the window opened) says nothing.
        gone = [s for s, _ in found if s.run_id != run.run_id and s.left_run_id == run.run_id]
        yield Page((page[-1].stop_utc, page[-1].cdr_ref), kept, gone)


def chunks(ctx: Context, run: Run, behind: tuple[datetime, str] | None = None) -> Iterator[Chunk]:
    """``pages`` with the ratings that count."""
    for page in pages(ctx, run, behind):
        ratings = cdrs.ratings(ctx, run.issuer_id, [session for session, _ in page.kept])
        rows = [(session, ratings[session.cdr_ref], section) for session, section in page.kept]
        yield Chunk(page.after, rows, page.gone)


def as_carried(rows: Sequence[Row]) -> list[Row]:
    """The sessions of a carried run as they stand on the documents of the one that bills it."""
    return [(session, rating, "EARLIER" if section == "PERIOD" else section) for session, rating, section in rows]


def known(ctx: Context, runs: Sequence[Run]) -> Found:
    """What the scan of a run came to, or, where it was never kept, what it comes to now.

    ``runs`` are the run and those it carries, in the order in which they stand on its documents.
    """
    step = Step(ctx, runs[0], _STEP)
    if step.result is not None:
        return _load(ctx, runs[0], step.result)
    state = _State(ctx, runs)
    for chunk in state.rest():
        state.take(chunk)
    return Found(state.inside, state.outside, None, 0)


def scan(ctx: Context, runs: Sequence[Run], time_left: TimeLeft = always) -> Found | None:
    """Go on with the scan of a locked run and keep what it comes to; None where the time ran out.

    Raises:
        InvariantBroken: the locked list and its lines differ.
    """
    run, step = runs[0], Step(ctx, runs[0], _STEP)
    if step.result is not None:
        return _load(ctx, run, step.result)
    with tempfile.TemporaryDirectory() as folder:
        state = _State(ctx, runs, step.state())
        gone = _Gone(Path(folder))
        for chunk in state.rest():
            state.take(chunk)
            gone.add(chunk.gone if state.at == 0 else [])
            if not time_left():
                state.pieces += [step.put_file(path) for path in gone.files()]
                step.keep(state.dump())
                return None
        if not gone.take_up(step, state.pieces):
            step.begin_anew()
            return None
        frozen, count = _frozen(ctx, run, gone)
    found = Found(state.inside, state.outside, frozen, count)
    if step.finish(_keep(ctx, run, found)):
        return found
    return _load(ctx, run, step.result) if step.result is not None else None


def not_included(ctx: Context, run: Run) -> Iterator[Session]:
    """Sessions of the period that are not on its documents: those that left, and those that waited at the issue."""
    result = Step(ctx, run, _STEP).result
    key = _load(ctx, run, result).not_included if result is not None else _early_key(run)
    if key is None:
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "not-included"
        if not ctx.objects.get_file("documents", key, path):
            return
        if key == _early_key(run):
            yield from (Session.load(item) for item in numbers_json.loads(path.read_bytes()))
            return
        with path.open("rb") as stream:
            for line in stream:
                yield Session.load(numbers_json.loads(line))


class _State:
    """How far the scan is, and what it found."""

    def __init__(self, ctx: Context, runs: Sequence[Run], kept: Any = None) -> None:
        self._ctx, self._runs = ctx, runs
        run = runs[0]
        self._chain = chain.Issued(ctx, run.issuer_id)
        every = contracts.versions(ctx, run.issuer_id, run.contract_id)
        self._versions = {version.version: version for version in every}
        self.at = 0
        self._after: tuple[datetime, str] | None = None
        self._count = 0
        self._net_minor = 0
        self.pieces: list[str] = []
        self.inside, self.outside = Sums(run.currency), Sums(run.currency)
        if kept is not None:
            self.at, self._count, self._net_minor = kept["at"], kept["count"], kept["net_minor"]
            self._after = (datetime.fromisoformat(kept["after"][0]), kept["after"][1])
            self.pieces = list(kept["pieces"])
            self.inside, self.outside = (Sums.load(run.currency, kept[name]) for name in ("inside", "outside"))

    def rest(self) -> Iterator[Chunk]:
        """What was not read yet; each run is compared with its lock when it ends."""
        while self.at < len(self._runs):
            run = self._runs[self.at]
            for chunk in chunks(self._ctx, run, self._after):
                self._after = chunk.after
                yield chunk
            if run.locked_net is None or (self._net_minor, self._count) != (run.locked_net.amount_minor, run.locked):
                raise InvariantBroken("the locked list and its lines differ", run_id=run.run_id)
            self.at, self._after, self._count, self._net_minor = self.at + 1, None, 0, 0

    def take(self, chunk: Chunk) -> None:
        """Add a chunk to the sums of the documents."""
        rows = as_carried(chunk.rows) if self.at else chunk.rows
        for session, rating, section in rows:
            self._count += 1
            self._net_minor += rating.net.amount_minor
            sums = self.outside if session.vat_category == OUTSIDE else self.inside
            sums.add(session, rating, section)
            vat_reasons.note(sums, session, rating, self._versions)
        for sums, outside in ((self.inside, False), (self.outside, True)):
            self._chain.note(sums, [s for s, _, _ in rows if (s.vat_category == OUTSIDE) is outside])

    def dump(self) -> dict[str, Any]:
        """Plain values to go on with."""
        after = [sort_instant(self._after[0]), self._after[1]] if self._after else None
        return {
            "at": self.at,
            "after": after,
            "count": self._count,
            "net_minor": self._net_minor,
            "pieces": self.pieces,
            "inside": self.inside.dump(),
            "outside": self.outside.dump(),
        }


class _Gone:
    """Sessions that left, on disk as lines that can be sorted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._path = folder / "left"
        self._any = False

    def add(self, sessions: Sequence[Session]) -> None:
        if sessions:
            self._any = True
            with self._path.open("a", encoding="utf-8", newline="\n") as stream:
                stream.writelines(f"{key}\t{text}\n" for key, text in map(_line, sessions))

    def files(self) -> list[Path]:
        """The file of what was added, or none."""
        return [self._path] if self._any else []

    def take_up(self, step: Step, pieces: Sequence[str]) -> bool:
        """Put what earlier calls put aside before it; False where the bucket has forgotten some of it."""
        if not pieces:
            return True
        whole = self.folder / "whole"
        with whole.open("wb") as target:
            for key in pieces:
                part = self.folder / "piece"
                if not step.get_file(key, part):
                    return False
                _append(part, target)
            for own in self.files():
                _append(own, target)
        self._path, self._any = whole, True
        return True

    def lines(self) -> Iterator[tuple[str, str]]:
        """All lines, as they were added."""
        for path in self.files():
            with path.open(encoding="utf-8", newline="\n") as stream:
                for line in stream:
                    key, _, text = line.removesuffix("\n").partition("\t")
                    yield key, text


def _line(session: Session) -> tuple[str, str]:
    return f"{sort_instant(session.stop_utc)}#{session.cdr_ref}", numbers_json.dumps(plain(session.dump()))


def _frozen(ctx: Context, run: Run, gone: _Gone) -> tuple[str | None, int]:
    """Keep which sessions of the period are on no document, and how many, so that every rendering says the same."""
    if run.corrects is not None:
        return None, 0  # a correction bills no period, so nothing can be missing from it
    early = ctx.objects.get("documents", _early_key(run))
    if early is not None:
        return _early_key(run), len(numbers_json.loads(early))
    found = Sorter(gone.folder)
    for key, text in gone.lines():
        found.add(key, text)
    end = local_midnight(run.end, run.zone)
    for session in cdrs.waiting(ctx, run.issuer_id, run.contract_id):
        if session.stop_utc < end:
            found.add(*_line(session))
    target = gone.folder / "not-included.ndjson"
    count, digest = _written(found, target)
    key = f"{run.issuer_id}/{run.run_id}/not-included-{digest[:16]}.ndjson"
    term = retention.until(ctx, run.issuer_id)
    return ctx.objects.put_file("documents", key, target, "application/x-ndjson", retain_until=term).key, count


def _append(path: Path, target: BinaryIO) -> None:
    with path.open("rb") as source:
        shutil.copyfileobj(source, target)


def _written(found: Sorter, target: Path) -> tuple[int, str]:
    """The lines in their order, of each session the one that was added last; how many, and the digest."""
    count, digest, last = 0, hashlib.sha256(), None
    with target.open("wb") as stream:

        def write(pair: tuple[str, str]) -> None:
            line = f"{pair[1]}\n".encode()
            digest.update(line)
            stream.write(line)

        for pair in found:
            if last is not None and last[0] != pair[0]:
                write(last)
                count += 1
            last = pair
        if last is not None:
            write(last)
            count += 1
    return count, digest.hexdigest()


def _keep(ctx: Context, run: Run, found: Found) -> str:
    kept = {
        "inside": found.inside.dump(),
        "outside": found.outside.dump(),
        "not_included": found.not_included,
        "left_out": found.left_out,
    }
    body = numbers_json.dumps(kept, sort_keys=True).encode()
    key = f"{run.issuer_id}/{run.run_id}/sums-{hashlib.sha256(body).hexdigest()[:16]}.json"
    return retention.put(ctx, run.issuer_id, "documents", key, body, "application/json").key


def _load(ctx: Context, run: Run, key: str) -> Found:
    body = ctx.objects.get("documents", key)
    if body is None:
        raise InvariantBroken("the sums of an issued run are gone", run_id=run.run_id, key=key)
    kept = numbers_json.loads(body)
    inside, outside = (Sums.load(run.currency, kept[name]) for name in ("inside", "outside"))
    return Found(inside, outside, kept["not_included"], kept["left_out"])


def _early_key(run: Run) -> str:
    """Where the sessions on no document lay before there was a scan."""
    return f"{run.issuer_id}/{run.run_id}/not-included.json"
