"""Rows of the exception journal."""

from __future__ import annotations

from collections.abc import Iterator

from roamclear.aws import keys, outbox
from roamclear.journal.model import ExceptionRow, ExceptionType
from roamclear.kernel.context import Database
from roamclear.kernel.pages import Asked, Cut, Span, cut
from roamclear.kernel.time import sort_instant
from roamclear.kernel.writes import ABSENT, Action, Key, Put, Table, Update, When


def raise_writes(row: ExceptionRow, *, over: ExceptionRow | None = None) -> list[Put]:
    """The row, once per business key, and its fact; ``over`` is the closed row whose place it takes."""
    item = row.dump() | _index(row)
    subject = f"{row.kind.value}#{row.subject}"
    closed_at = sort_instant(over.resolved_at_utc) if over and over.resolved_at_utc else None
    when = (When("state", "=", "RESOLVED"), When("resolved_at_utc", "=", closed_at)) if closed_at else ABSENT
    return [
        Put(Table.CLEARING, keys.exception(row.issuer_id, row.kind.value, row.subject), item, when=when),
        outbox.fact(row.issuer_id, row.raised_at_utc, "exception.opened", subject, {"kind": row.kind.value}),
    ]


def resolve_writes(row: ExceptionRow) -> list[Action]:
    """Close an open row, with its fact."""
    at = row.resolved_at_utc or row.raised_at_utc
    subject = f"{row.kind.value}#{row.subject}"
    told = outbox.fact(row.issuer_id, at, "exception.resolved", subject, {"kind": row.kind.value})
    return [_resolve_update(row), told]


def _resolve_update(row: ExceptionRow) -> Update:
    columns = {
        "state": row.state,
        "resolved_at_utc": sort_instant(row.resolved_at_utc) if row.resolved_at_utc else None,
        "resolved_by": row.resolved_by,
        "resolution": row.resolution,
        **_index(row),
    }
    key = keys.exception(row.issuer_id, row.kind.value, row.subject)
    return Update(Table.CLEARING, key, put=columns, when=(When("state", "=", "OPEN"),))


def find(db: Database, issuer_id: str, kind: ExceptionType, subject: str) -> ExceptionRow | None:
    """One row or None."""
    row = db.get(Table.CLEARING, keys.exception(issuer_id, kind.value, subject))
    return ExceptionRow.load(row) if row else None


def listed(db: Database, issuer_id: str, state: str) -> Iterator[ExceptionRow]:
    """Rows of a state, oldest first."""
    found = [Key(r["pk"], r["sk"]) for r in db.rows(Table.CLEARING, keys.exceptions(issuer_id, state), index="gsi1")]
    rows = db.get_many(Table.CLEARING, found)
    for key in found:
        if key in rows and rows[key]["state"] == state:
            yield ExceptionRow.load(rows[key])


def page(db: Database, issuer_id: str, state: str, asked: Asked) -> Cut[ExceptionRow]:
    """A page of the rows of a state, oldest first."""
    span = Span(keys.exceptions(issuer_id, state), "gsi1")
    return cut(db, Table.CLEARING, [span], asked, lambda row: ExceptionRow.load(row) if row["state"] == state else None)


def _index(row: ExceptionRow) -> dict[str, str]:
    return {
        "gsi1pk": keys.exceptions(row.issuer_id, row.state),
        "gsi1sk": f"{sort_instant(row.raised_at_utc)}#{row.kind.value}#{row.subject}",
    }
