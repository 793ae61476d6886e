"""Which sessions and fees stand together on which document of a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from roamclear.billing import carry, charges, scan
from roamclear.billing.charges import fees_net
from roamclear.billing.model import Run
from roamclear.billing.runs import members
from roamclear.billing.sums import Row, Sums
from roamclear.cdrs.model import Session
from roamclear.contracts import service as contracts
from roamclear.contracts.fees import FeeCharge
from roamclear.kernel.context import Context
from roamclear.kernel.retry import TimeLeft, always
from roamclear.kernel.time import sort_instant

__all__ = ["Part", "Place", "Row", "Rows", "documents", "documents_within", "fees_by_place", "fees_now", "parts"]


class Place(NamedTuple):
    """Where a row stands among the rows of a document: which of its runs, and the member's own place in it."""

    run: int
    stop_utc: datetime
    cdr_ref: str

    def dump(self) -> list[Any]:
        """Plain values."""
        return [self.run, sort_instant(self.stop_utc), self.cdr_ref]

    @classmethod
    def load(cls, kept: list[Any] | None) -> Place | None:
        """What ``dump`` said; None is the beginning."""
        return cls(kept[0], datetime.fromisoformat(kept[1]), kept[2]) if kept else None


@dataclass(frozen=True, slots=True)
class Rows:
    """The sessions of a document, read anew in chunks whenever somebody goes through them.

    ``outside`` says whether those of category O are meant, or the others; None means all.
    """

    ctx: Context
    runs: tuple[Run, ...]
    outside: bool | None

    def __iter__(self) -> Iterator[Row]:
        for chunk in self.chunks():
            yield from chunk

    def chunks(self, behind: Place | None = None) -> Iterator[list[Row]]:
        """The rows in their order, some at a time, from the first one on or behind a place."""
        first = behind.run if behind else 0
        for at, run in enumerate(self.runs[first:], start=first):
            inner = (behind.stop_utc, behind.cdr_ref) if behind and behind.run == at else None
            for chunk in scan.chunks(self.ctx, run, inner):
                rows = scan.as_carried(chunk.rows) if at else chunk.rows
                kept = [row for row in rows if self.outside in (None, row[0].vat_category == scan.OUTSIDE)]
                if kept:
                    yield kept

    def sessions(self, behind: Place | None = None) -> Iterator[tuple[Place, list[Session]]]:
        """The sessions alone, without their prices, some at a time, each time with the place behind which to go on."""
        first = behind.run if behind else 0
        for at, run in enumerate(self.runs[first:], start=first):
            inner = (behind.stop_utc, behind.cdr_ref) if behind and behind.run == at else None
            for page in scan.pages(self.ctx, run, inner):
                kept = [s for s, _ in page.kept if self.outside in (None, s.vat_category == scan.OUTSIDE)]
                yield Place(at, *page.after), kept

    def place_of(self, row: Row) -> Place:
        """The place of a row."""
        names = [run.run_id for run in self.runs]
        return Place(names.index(row[0].run_id or ""), row[0].stop_utc, row[0].cdr_ref)


class Part(NamedTuple):
    """What one document bills: sessions with their rating and section, what they come to, and fees."""

    rows: Rows
    sums: Sums
    fees: list[FeeCharge]


def documents(ctx: Context, run: Run) -> list[Part]:
    """What stands on each document of a run, its own and what it carries; the same whenever it is asked."""
    runs = tuple(carry.runs_of(ctx, run))
    return _parts(ctx, runs, scan.known(ctx, runs))


def documents_within(ctx: Context, run: Run, time_left: TimeLeft = always) -> tuple[list[Part], int] | None:
    """``documents`` for the first time, with the number of sessions that are on none; None where time ran out."""
    runs = tuple(carry.runs_of(ctx, run))
    found = scan.scan(ctx, runs, time_left)
    return (_parts(ctx, runs, found), found.left_out) if found is not None else None


def parts(ctx: Context, run: Run) -> list[Rows]:
    """The sessions of each document, by its place; a document of fees alone has none."""
    return [part.rows for part in documents(ctx, run)]


def fees_by_place(ctx: Context, run: Run) -> list[list[FeeCharge]]:
    """The fees of each document, by its place."""
    return [part.fees for part in documents(ctx, run)]


def fees_now(ctx: Context, run: Run) -> Sequence[FeeCharge]:
    """The fees of a run: frozen from the lock on, before it what its members would be charged now (row 69)."""
    if run.locked_at_utc is not None:
        return run.fees
    return charges.fees(ctx, run, (session for session, _ in members(ctx, run)))


def _parts(ctx: Context, runs: tuple[Run, ...], found: scan.Found) -> list[Part]:
    """Category O never shares a document with other categories (rules.md 7): not with sessions, and not with fees.

    A part that comes to nothing, in its sessions, its fees and its VAT, makes no document unless the contract wants
    zero invoices and something was charged for.
    """
    run = runs[0]
    fees = [fee for each in runs for fee in each.fees]
    made = [
        Part(Rows(ctx, runs, outside), sums, [fee for fee in fees if (fee.vat_category == scan.OUTSIDE) is outside])
        for outside, sums in ((False, found.inside), (True, found.outside))
    ]
    terms = contracts.version(ctx, run.issuer_id, run.contract_id, run.contract_version).terms
    wants_zero = terms.zero_invoices and run.kind == "CLOSE"
    return [p for p in made if _counts(p, run.currency) or (wants_zero and p.sums.lines.has_any())]


def _counts(part: Part, currency: str) -> bool:
    """Whether anything is to be documented: fees that just undo sessions are, for both have their own accounts."""
    return any(part.sums.lines.balance(part.fees)) or bool(fees_net(part.fees, currency))
