"""Rows of what issuers chose; copies of ledger and audit entries for a term."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from roamclear.aws import archive, keys
from roamclear.kernel.context import Context, Database, Row
from roamclear.kernel.writes import ABSENT, Put, Table, When
from roamclear.retention.model import Choice


def choices(db: Database, issuer_id: str) -> list[Choice]:
    """Everything an issuer chose, in order of its beginning."""
    return [Choice.load(row) for row in db.rows(Table.CLEARING, keys.retention(issuer_id), consistent=True)]


def choice_put(made: Choice, *, over: Choice | None = None) -> Put:
    """A proposal once, or its decision over the one that was read."""
    when = (When("state", "=", over.state),) if over else ABSENT
    key = keys.retention_choice(made.issuer_id, made.valid_from, made.choice_id)
    return Put(Table.CLEARING, key, made.dump(), when=when)


def keep(ctx: Context, rows: Iterable[Row], retain_until: datetime | None) -> int:
    """Copy entries of one issuer to the archive."""
    return archive.keep_rows(ctx, rows, retain_until)
