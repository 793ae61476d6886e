"""Rows of links, by the hash of their token."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import datetime

from roamclear.aws import keys
from roamclear.kernel.context import Database
from roamclear.kernel.errors import ConditionFailed
from roamclear.kernel.time import sort_instant
from roamclear.kernel.writes import Action, Key, Put, Table, Update, When
from roamclear.links.model import Link, Opening


def save_put(link: Link) -> Put:
    """Write a link once; the same token again is the same link."""
    index = {"gsi1pk": keys.links(link.issuer_id), "gsi1sk": f"{sort_instant(link.expires_at_utc)}#{link.link_id}"}
    return Put(Table.CLEARING, keys.link(link.link_id), link.dump() | index)


def find(db: Database, link_id: str) -> Link | None:
    """The link of a token's hash or None."""
    row = db.get(Table.CLEARING, keys.link(link_id))
    return Link.load(row) if row else None


def listed(db: Database, issuer_id: str, since: datetime) -> Iterator[Link]:
    """The links of an issuer that are not over at an instant, the earliest end first."""
    # Sort keys read instant#hash, and "$" is the character behind "#": what ends at that very instant is over.
    after = f"{sort_instant(since)}$"
    index = db.rows(Table.CLEARING, keys.links(issuer_id), index="gsi1", after=after, before="~")
    found = [Key(row["pk"], row["sk"]) for row in index]
    rows = db.get_many(Table.CLEARING, found)
    yield from (Link.load(rows[key]) for key in found if key in rows)


def opened(link: Link, opening: Opening) -> list[Action]:
    """Count an opening of a link that is not revoked, and keep it."""
    valid = (When("revoked", "=", False),)
    kept = {"issuer_id": link.issuer_id, **opening.dump()}
    return [
        Update(Table.CLEARING, keys.link(link.link_id), add={"opened": 1}, when=valid),
        Put(Table.CLEARING, keys.link_opening(link.link_id, opening.at_utc, link.opened), kept, when=()),
    ]


def openings(db: Database, link_id: str) -> list[Opening]:
    """Every opening of a link, oldest first."""
    rows = db.rows(Table.CLEARING, keys.link(link_id).pk, prefix="OPENED#", consistent=True)
    return [Opening.load(row) for row in rows]


def revoke_update(link: Link) -> Update:
    """Let a link open nothing any more, once."""
    return Update(Table.CLEARING, keys.link(link.link_id), put={"revoked": True}, when=(When("revoked", "=", False),))


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
