"""Pages of runs, documents and corrections, each over the index that orders it."""

from __future__ import annotations

from collections.abc import Callable

from roamclear.aws import keys
from roamclear.billing.model import Correction, Document, Run
from roamclear.kernel.context import Database
from roamclear.kernel.pages import Asked, Cut, Span, cut
from roamclear.kernel.writes import Table


def runs(db: Database, issuer_id: str, asked: Asked, fits: Callable[[Run], bool]) -> Cut[Run]:
    """Runs by the end of their period."""
    span = Span(keys.runs(issuer_id), "gsi1")
    return cut(db, Table.CLEARING, [span], asked, lambda row: found if fits(found := Run.load(row)) else None)


def documents(db: Database, issuer_id: str, asked: Asked, fits: Callable[[Document], bool]) -> Cut[Document]:
    """Documents in order of issue."""
    span = Span(keys.documents(issuer_id), "gsi1")
    return cut(db, Table.CLEARING, [span], asked, lambda row: found if fits(found := Document.load(row)) else None)


def corrections(db: Database, issuer_id: str, asked: Asked) -> Cut[Correction]:
    """Corrections in order of preparation."""
    return cut(db, Table.CLEARING, [Span(keys.corrections(issuer_id), "gsi1")], asked, Correction.load)
