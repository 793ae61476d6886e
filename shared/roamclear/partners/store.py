"""Rows of credentials: one by the token's hash (the request's way in), one by issuer and id (the administrator's)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from roamclear.aws import keys
from roamclear.kernel.context import Database
from roamclear.kernel.time import parse_instant, sort_instant
from roamclear.kernel.writes import ABSENT, Put, Table, Update, When
from roamclear.partners.model import Credential, CredentialStatus


def find(db: Database, token_hash: str) -> Credential | None:
    """The credential of a token; read consistently, so that a revoked one is dead at once."""
    row = db.get(Table.IDENTITY, keys.credential(token_hash))
    return Credential.load(row) if row else None


def hash_of(db: Database, issuer_id: str, credential_id: str) -> str | None:
    """The hash of the token a credential has now."""
    row = db.get(Table.IDENTITY, keys.credential_head(issuer_id, credential_id))
    return str(row["token_hash"]) if row else None


def hashes(db: Database, issuer_id: str) -> Iterator[str]:
    """The hashes of all credentials of an issuer."""
    for row in db.rows(Table.IDENTITY, keys.credentials(issuer_id), consistent=True):
        yield str(row["token_hash"])


def partner_ids(db: Database, issuer_id: str) -> set[str]:
    """The partners of all credentials of an issuer."""
    return {str(row["partner_id"]) for row in db.rows(Table.IDENTITY, keys.credentials(issuer_id), consistent=True)}


def create_puts(made: Credential) -> list[Put]:
    """A new credential and its place in the issuer's list."""
    return [
        Put(Table.IDENTITY, keys.credential(made.token_hash), _item(made)),
        Put(Table.IDENTITY, keys.credential_head(made.issuer_id, made.credential_id), _head(made)),
    ]


def replace_writes(made: Credential, old: Credential) -> list[Put | Update]:
    """The same credential under another token: the old token dies in the same transaction."""
    head = keys.credential_head(made.issuer_id, made.credential_id)
    return [
        Put(Table.IDENTITY, keys.credential(made.token_hash), _item(made)),
        revoke_update(old, made),
        Update(Table.IDENTITY, head, put=_head(made), when=(When("token_hash", "=", old.token_hash),)),
    ]


def revoke_update(old: Credential, by: Credential) -> Update:
    """Kill a token and forget how its partner was called; ``by`` carries the instant."""
    at = by.revoked_at_utc or by.issued_at_utc
    return Update(
        Table.IDENTITY,
        keys.credential(old.token_hash),
        put={"status": CredentialStatus.REVOKED.value, "revoked_at_utc": sort_instant(at)},
        remove=("peer",),
        # In DynamoDB "<>" also holds where there is no row at all.
        when=(When("pk", "exists"), When("status", "<>", CredentialStatus.REVOKED.value)),
    )


def bucket(db: Database, credential_id: str) -> tuple[int, datetime, int] | None:
    """(requests left, counted at, revision) of a credential's token bucket, or None before its first request."""
    row = db.get(Table.IDENTITY, keys.rate_bucket(credential_id))
    if row is None or "tokens" not in row:
        return None
    return int(row["tokens"]), parse_instant(row["at_utc"]), int(row["revision"])


def save_bucket(db: Database, credential_id: str, tokens: int, at: datetime, revision: int) -> None:
    """Write a bucket over exactly the revision that was read (0: there was none)."""
    item = {"tokens": tokens, "at_utc": sort_instant(at), "revision": revision + 1}
    when = (When("revision", "=", revision),) if revision else ABSENT
    db.write(Put(Table.IDENTITY, keys.rate_bucket(credential_id), item, when=when))


def _item(made: Credential) -> dict[str, object]:
    """What differs from the defaults: this row is read by every request."""
    known = {"status", *made.model_dump(exclude_defaults=True)}
    return {name: value for name, value in made.dump().items() if name in known}


def _head(made: Credential) -> dict[str, str]:
    return {"issuer_id": made.issuer_id, "token_hash": made.token_hash, "partner_id": made.partner_id}
