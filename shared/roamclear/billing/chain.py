"""Which document a session stands on, and so which documents a correction names (Art. 219, rules.md 7)."""

from __future__ import annotations

from collections.abc import Iterable

from roamclear.billing import store
from roamclear.billing.model import Document
from roamclear.cdrs import service as cdrs
from roamclear.cdrs.model import Session
from roamclear.kernel.context import Context


def documents_of(ctx: Context, issuer_id: str, cdr_refs: Iterable[str]) -> dict[str, Document]:
    """The issued document of each session that has one, by reference.

    A run with several documents keeps them apart by VAT category (category O never shares), so the category of the
    session names its document.
    """
    sessions = cdrs.sessions(ctx, issuer_id, cdr_refs)
    issued: dict[str, list[Document]] = {}
    found = {}
    for ref, session in sessions.items():
        if session.run_id is None:
            continue
        if session.run_id not in issued:
            issued[session.run_id] = _issued(ctx, issuer_id, session.run_id)
        header = _fitting(session, issued[session.run_id])
        if header is not None:
            found[ref] = header
    return found


def amended(ctx: Context, issuer_id: str, sessions: Iterable[Session], *, anew: bool = False) -> list[Document]:
    """The documents whose sessions are corrected by these rows, in order of their numbers.

    With ``anew`` (a corrected invoice) also those whose sessions it bills again.
    """
    rows = list(sessions)
    refs = {session.credit_of for session in rows if session.credit_of}
    refs |= {session.replaces for session in rows if anew and session.replaces and session.origin}
    return _by_number(documents_of(ctx, issuer_id, refs))


def replaced(ctx: Context, issuer_id: str, sessions: Iterable[Session]) -> list[Document]:
    """The cancelled documents whose sessions are billed again by these rows, in order of their numbers."""
    refs = {session.replaces for session in sessions if session.replaces and session.origin}
    return _by_number(documents_of(ctx, issuer_id, refs))


def _by_number(found: dict[str, Document]) -> list[Document]:
    unique = {header.number: header for header in found.values()}
    return [unique[number] for number in sorted(unique)]


def _issued(ctx: Context, issuer_id: str, run_id: str) -> list[Document]:
    run = store.run(ctx.db, issuer_id, run_id)
    if run is not None and run.billed_by is not None:
        run = store.run(ctx.db, issuer_id, run.billed_by)
    found = [store.document(ctx.db, issuer_id, number) for number in (run.numbers if run else ())]
    return [header for header in found if header is not None]


def _fitting(session: Session, issued: list[Document]) -> Document | None:
    fitting = [header for header in issued if session.vat_category in header.categories] or issued
    return fitting[0] if fitting else None
