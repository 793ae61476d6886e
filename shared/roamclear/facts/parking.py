"""One piece of work by itself: a fault is told and parked, and the row is closed by whoever does the work at last."""

from __future__ import annotations

from collections.abc import Callable

from roamclear.facts import store
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionType
from roamclear.kernel.context import Context, Row
from roamclear.kernel.errors import InProgress

_MOST_SUBJECT = 400
#: How a handler is told of a fault (it logs it).
Tell = Callable[[Row, Exception], None]


def isolated(ctx: Context, row: Row, work: Callable[[Context, Row], None], tell: Tell) -> bool:
    """Do one piece of work; a fault is told, parked with its reason, and never stops the others (platform.md 3).

    What another worker does at the moment, or has done meanwhile, is no fault.
    """
    try:
        work(ctx, row)
    except InProgress:
        return False  # whoever does it ends it; what is left behind the next sweep takes up
    except Exception as error:
        tell(row, error)
        journal.raise_once(
            ctx,
            row.get("issuer_id", "@"),
            ExceptionType.PROCESSING_FAILED,
            _parked(row["pk"], row["sk"]),
            f"processing failed with {type(error).__name__}; the sweep tries again",
            severity="HIGH",
            next_action="look at the log of this record",
        )
        # Told first: who answers the fact after this look closes the row itself.
        if "fact" in row and not store.stands(ctx.db, row["issuer_id"], row["sk"]):
            close(ctx, row["issuer_id"], row["pk"], row["sk"])
        return False
    if row.get("replayed"):
        close(ctx, row["issuer_id"], row["pk"], row["sk"])
    return True


def _parked(pk: str, sk: str) -> str:
    """The subject under which a piece of work is parked."""
    return f"{pk}#{sk}"[:_MOST_SUBJECT]


def close(ctx: Context, issuer_id: str, pk: str, sk: str) -> None:
    """What was parked was worked on after all."""
    kind = ExceptionType.PROCESSING_FAILED
    journal.resolve(ctx, issuer_id, kind, _parked(pk, sk), by="system:sweep", reason="processed")


def close_answered(ctx: Context, issuer_id: str) -> None:
    """Close what tells of a fact that is answered: the stream answered it while a sweep failed at it."""
    first = f"{store.waiting(issuer_id)}#"
    for row in journal.open_of(ctx, issuer_id, ExceptionType.PROCESSING_FAILED):
        sk = row.subject.removeprefix(first)
        whole = len(row.subject) < _MOST_SUBJECT and sk != row.subject
        if whole and not store.stands(ctx.db, issuer_id, sk):
            journal.resolve(ctx, issuer_id, row.kind, row.subject, by="system:nightly", reason="processed")
