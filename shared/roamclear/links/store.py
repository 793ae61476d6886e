"""Rows of links, by the hash of their token."""

from __future__ import annotations

import secrets

from roamclear.aws import keys
from roamclear.kernel.context import Database
from roamclear.kernel.errors import ConditionFailed
from roamclear.kernel.writes import Put, Table, Update, When
from roamclear.links.model import Link


def save_put(token_hash: str, link: Link) -> Put:
    """Write a link; the same token again is the same link."""
    return Put(Table.CLEARING, keys.link(token_hash), link.dump(), when=())


def find(db: Database, token_hash: str) -> Link | None:
    """The link of a token or None."""
    row = db.get(Table.CLEARING, keys.link(token_hash))
    return Link.load(row) if row else None


def opened_update(token_hash: str) -> Update:
    """Count an opening of a link that is not revoked."""
    return Update(Table.CLEARING, keys.link(token_hash), add={"opened": 1}, when=(When("revoked", "=", False),))


def secret(db: Database) -> bytes:
    """The deployment's link secret; the first caller makes it."""
    row = db.get(Table.CLEARING, keys.LINK_SECRET)
    if row is None:
        try:
            db.write(
                Put(Table.CLEARING, keys.LINK_SECRET, {"issuer_id": keys.PLATFORM, "secret": secrets.token_bytes(32)})
            )
        except ConditionFailed:
            pass  # another caller made it
        row = db.get(Table.CLEARING, keys.LINK_SECRET)
    assert row is not None
    return bytes(row["secret"])
