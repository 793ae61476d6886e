"""Which sessions of a document a correction credits, and by how much, read some at a time.

Nothing is kept in memory per session: what an amount is spread over lies on disk while it is shared out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from roamclear.billing import chain, store
from roamclear.billing.model import Correction, CorrectionKind, Document
from roamclear.billing.parts import Part, Place, documents
from roamclear.cdrs import adjustments
from roamclear.cdrs import service as cdrs
from roamclear.cdrs.model import PricedLine, Session
from roamclear.cdrs.pricing import by_vat
from roamclear.kernel import numbers_json
from roamclear.kernel.context import Context
from roamclear.kernel.errors import Busy, InvariantBroken
from roamclear.kernel.money import Money
from roamclear.kernel.spread import Spread

_TRIES = 8
_CHUNK = 100
Placed = tuple[Place | None, list[Session]]


class Credit(NamedTuple):
    """One session that is credited: by a row that stands already, or by lines.

    ``place`` is where the session stands on the document, None where sessions were named one by one.
    """

    place: Place | None
    session: Session
    row: Session | None
    lines: tuple[PricedLine, ...] = ()


def part_of(ctx: Context, header: Document) -> Part:
    """What stands on a document."""
    run = store.run(ctx.db, header.issuer_id, header.run_id)
    if run is None:
        raise InvariantBroken("a document without its run", number=header.number)
    return documents(ctx, run)[header.place]


def left_of(ctx: Context, header: Document, refs: Sequence[str] = ()) -> Iterator[tuple[Session, Money]]:
    """The sessions of a document, or those named of it, with what is still billed of each."""
    left = _Left(ctx, header, refs)
    for _, sessions in _sessions(ctx, header, refs):
        for session, amount in adjustments.outstanding_each(ctx, header.issuer_id, sessions):
            yield session, left.of(session, amount)


def credits_of(
    ctx: Context, wanted: Correction, header: Document, folder: Path, behind: Place | None
) -> Iterator[Credit]:
    """The credits of a correction in the order of the document, from the first one on or behind a place.

    An amount is spread over what was left of each session before this correction (largest remainder), so that a second
    worker and a second try come to the same parts; where a credit CDR took some of it since, it is what is left.
    """
    if wanted.kind is CorrectionKind.AMOUNT and wanted.amount is not None:
        yield from _of_amount(ctx, wanted, wanted.amount, header, folder, behind)
        return
    left = _Left(ctx, header, wanted.cdr_refs)
    for place, sessions in _sessions(ctx, header, wanted.cdr_refs, behind):
        rows = _rows(ctx, wanted, sessions)
        for session in sessions:
            row = rows.get(session.cdr_ref)
            lines = () if row or left.with_its_session(session) else left.lines(session, again=wanted.bill_again)
            if not lines and row is None:
                # Nothing is left of it, or another worker made the row a moment ago.
                row = _rows(ctx, wanted, [session]).get(session.cdr_ref)
            if lines or row is not None:
                yield Credit(_at(place, session), session, row, lines)


def name_of_row(wanted: Correction, ref: str) -> str:
    """The row of a correction beside a session."""
    return f"{ref}~{wanted.correction_id.lower()}"


def _of_amount(
    ctx: Context, wanted: Correction, amount: Money, header: Document, folder: Path, behind: Place | None
) -> Iterator[Credit]:
    left = _Left(ctx, header, wanted.cdr_refs)
    with Spread(folder) as spread:
        for place, sessions in _sessions(ctx, header, wanted.cdr_refs):
            for session, own, own_row in _before(ctx, wanted, sessions):
                before = left.of(session, Money(own, header.currency), own_row).amount_minor
                if before > 0:
                    at = _at(place, session)
                    spread.add(before, numbers_json.dumps(at.dump() if at else session.cdr_ref))
        whole = min(amount.amount_minor, spread.total)
        shares = ((*_read(name), Money(minor, amount.currency)) for minor, name in spread.parts(whole) if whole)
        rest = (share for share in shares if behind is None or share[0] is None or share[0] > behind)
        while chunk := list(islice(rest, _CHUNK)):
            found = cdrs.sessions(ctx, header.issuer_id, [ref for _, ref, _ in chunk])
            rows = _rows(ctx, wanted, found.values())
            prices = cdrs.ratings(ctx, header.issuer_id, list(found.values()))
            for at, ref, part in chunk:
                row = rows.get(ref)
                if part or row is not None:
                    lines = () if row else by_vat(adjustments.amount(part)[0], prices[ref].lines)
                    yield Credit(at, found[ref], row, lines)


def _read(name: str) -> tuple[Place | None, str]:
    found = numbers_json.loads(name)
    place = Place.load(found) if isinstance(found, list) else None
    return place, place.cdr_ref if place else str(found)


def _sessions(ctx: Context, header: Document, refs: Sequence[str], behind: Place | None = None) -> Iterator[Placed]:
    if not refs:
        yield from part_of(ctx, header).rows.sessions(behind)
        return
    placed = chain.documents_of(ctx, header.issuer_id, refs)
    named = [ref for ref in refs if ref in placed and placed[ref].number == header.number]
    yield None, list(cdrs.sessions(ctx, header.issuer_id, named).values())


def _at(place: Place | None, session: Session) -> Place | None:
    """The place of a session of a page that ends at a place."""
    return Place(place.run, session.stop_utc, session.cdr_ref) if place else None


def _rows(ctx: Context, wanted: Correction, sessions: Iterable[Session]) -> dict[str, Session]:
    """The rows of the correction that stand already, by the session that they credit."""
    names = {name_of_row(wanted, session.cdr_ref): session.cdr_ref for session in sessions}
    found = cdrs.sessions(ctx, wanted.issuer_id, names)
    return {names[name]: row for name, row in found.items()}


class _Left:
    """What a correction may credit of the rows of a document that are corrections themselves.

    One that stands beside the session it corrects is credited with it; of any other never more is credited than is
    billed of its session.
    """

    def __init__(self, ctx: Context, header: Document, refs: Sequence[str]) -> None:
        self._ctx, self._header, self._refs = ctx, header, frozenset(refs)
        self._issued = chain.Issued(ctx, header.issuer_id)
        self._taken: dict[str, int] = {}

    def with_its_session(self, session: Session) -> bool:
        """Whether a row corrects a session that this correction credits whole, with all its corrections."""
        corrected = session.credit_of
        if corrected is None or (self._refs and corrected not in self._refs):
            return False
        placed = self._issued.of([corrected]).get(corrected)
        return placed is not None and placed.number == self._header.number

    def lines(self, session: Session, *, again: bool) -> tuple[PricedLine, ...]:
        """The lines that credit all that is left of a row."""
        if session.credit_of is None:
            return adjustments.everything(self._ctx, session)
        return adjustments.creditable(self._ctx, session, again=again)

    def of(self, session: Session, own: Money, row_minor: int = 0) -> Money:
        """What is left of a row of which ``own`` is; ``row_minor`` was credited of it by this correction already."""
        corrected = session.credit_of
        if corrected is None or own.amount_minor <= 0:
            return own
        if self.with_its_session(session):
            return Money.zero(own.currency)
        known = cdrs.session(self._ctx, session.issuer_id, corrected)
        if known is None or known.net is None or known.net.amount_minor < 0:
            return own
        rest = adjustments.outstanding(self._ctx, known).amount_minor - row_minor - self._taken.get(corrected, 0)
        part = max(0, min(own.amount_minor, rest))
        self._taken[corrected] = self._taken.get(corrected, 0) + part + row_minor
        return Money(part, own.currency)


def _before(ctx: Context, wanted: Correction, sessions: Sequence[Session]) -> Iterator[tuple[Session, int, int]]:
    """What was left of sessions before this correction, in minor units, all of one moment, and what it took of each.

    Rows never go, so rows that are the same before and after stood while the rest was read.
    """
    rows = _rows(ctx, wanted, sessions)
    for _ in range(_TRIES):
        left = list(adjustments.outstanding_each(ctx, wanted.issuer_id, sessions))
        again = _rows(ctx, wanted, sessions)
        if again.keys() == rows.keys():
            for session, amount in left:
                row = again.get(session.cdr_ref)
                own = row.net.amount_minor if row is not None and row.net is not None else 0
                yield session, amount.amount_minor - own, own
            return
        rows = again
    raise Busy("a correction is made by too many at once")
