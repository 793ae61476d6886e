"""Rows of what issuers chose and of their secrets; copies of ledger and audit entries for a term."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from datetime import datetime

from roamclear.aws import archive, keys
from roamclear.kernel.context import Context, Database, Row
from roamclear.kernel.writes import ABSENT, Put, Table, When
from roamclear.retention.model import Epoch, RetentionChoice


def choices(db: Database, issuer_id: str) -> list[RetentionChoice]:
    """Everything an issuer chose, in order of its beginning."""
    return [RetentionChoice.load(row) for row in db.rows(Table.CLEARING, keys.retention(issuer_id), consistent=True)]


def choice_put(made: RetentionChoice, *, over: RetentionChoice | None = None) -> Put:
    """A proposal once, or its decision over the one that was read."""
    when = (When("state", "=", over.state),) if over else ABSENT
    key = keys.retention_choice(made.issuer_id, made.valid_from, made.choice_id)
    return Put(Table.CLEARING, key, made.dump(), when=when)


def keep(ctx: Context, rows: Iterable[Row], retain_until: datetime | None) -> int:
    """Copy entries of one issuer to the archive."""
    return archive.keep_rows(ctx, rows, retain_until)


# ---- pseudonyms ----------------------------------------------------------------------------------------------------
def epochs(db: Database, issuer_id: str) -> list[Epoch]:
    """The secrets of an issuer, oldest first; a destroyed one has no bytes."""
    return [Epoch.load(row) for row in db.rows(Table.IDENTITY, keys.pseudonym_secrets(issuer_id), consistent=True)]


def new_epoch(issuer_id: str, number: int, at: datetime) -> Epoch:
    """A fresh secret."""
    return Epoch(issuer_id=issuer_id, epoch=number, made_at_utc=at, secret=secrets.token_bytes(32))


def epoch_put(made: Epoch) -> Put:
    """A secret, once."""
    return Put(Table.IDENTITY, keys.pseudonym_secret(made.issuer_id, made.epoch), made.dump(), when=ABSENT)


def epoch_destroyed(made: Epoch) -> Put:
    """A secret without its bytes over one that has them."""
    key = keys.pseudonym_secret(made.issuer_id, made.epoch)
    return Put(Table.IDENTITY, key, made.dump(), when=(When("secret", "exists"),))
