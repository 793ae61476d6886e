"""Which document a session stands on, and so which documents a correction names (Art. 219, rules.md 7)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from roamclear.billing import store
from roamclear.billing.model import Document
from roamclear.billing.sums import Sums
from roamclear.cdrs import service as cdrs
from roamclear.cdrs.model import Session
from roamclear.kernel.context import Context


def documents_of(ctx: Context, issuer_id: str, cdr_refs: Iterable[str]) -> dict[str, Document]:
    """The issued document of each session that has one, by reference.

    A run with several documents keeps them apart by VAT category (category O never shares), so the category of the
    session names its document.
    """
    return Issued(ctx, issuer_id).of(cdr_refs)


class Issued:
    """The documents of sessions, asked for again and again: what was read of a run once is not read again."""

    def __init__(self, ctx: Context, issuer_id: str) -> None:
        self._ctx, self._issuer_id = ctx, issuer_id
        self._known: dict[str, list[Document]] = {}

    def of(self, cdr_refs: Iterable[str]) -> dict[str, Document]:
        """``documents_of``."""
        found = {}
        for ref, session in cdrs.sessions(self._ctx, self._issuer_id, cdr_refs).items():
            if session.run_id is None:
                continue
            if session.run_id not in self._known:
                self._known[session.run_id] = _issued(self._ctx, self._issuer_id, session.run_id)
            header = _fitting(session, self._known[session.run_id])
            if header is not None:
                found[ref] = header
        return found

    def note(self, sums: Sums, sessions: Sequence[Session]) -> None:
        """Note in the sums of a document which ones these sessions of it correct, and which they bill anew."""
        credited = {session.credit_of for session in sessions if session.credit_of}
        renewed = {session.replaces for session in sessions if session.replaces and session.origin}
        if credited or renewed:
            found = self.of(credited | renewed)
            sums.corrected |= {found[ref].number for ref in credited if ref in found}
            sums.renewed |= {found[ref].number for ref in renewed if ref in found}


def amended(ctx: Context, issuer_id: str, sums: Sums, *, anew: bool = False) -> list[Document]:
    """The documents whose sessions are corrected by a document of these sums, in order of their numbers.

    With ``anew`` (a corrected invoice) also those whose sessions it bills again.
    """
    numbers = sums.corrected | (sums.renewed if anew else set())
    found = (store.document(ctx.db, issuer_id, number) for number in sorted(numbers))
    return [header for header in found if header is not None]


def _issued(ctx: Context, issuer_id: str, run_id: str) -> list[Document]:
    run = store.run(ctx.db, issuer_id, run_id)
    if run is not None and run.billed_by is not None:
        run = store.run(ctx.db, issuer_id, run.billed_by)
    found = [store.document(ctx.db, issuer_id, number) for number in (run.numbers if run else ())]
    return [header for header in found if header is not None]


def _fitting(session: Session, issued: list[Document]) -> Document | None:
    fitting = [header for header in issued if session.vat_category in header.categories] or issued
    return fitting[0] if fitting else None
