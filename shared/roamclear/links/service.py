"""Making and following mailed links (rules.md 11: an address signed by a role dies with its session)."""

from __future__ import annotations

import hashlib
import hmac
from datetime import timedelta

from roamclear.kernel.context import Context
from roamclear.kernel.errors import ConditionFailed, Conflict, NotFound
from roamclear.kernel.writes import Update
from roamclear.links import store
from roamclear.links.model import Answer, Link, Opening

#: A mailed link lives this long, a signed address behind it only minutes (product.md row 64).
LIFE = timedelta(days=7)
SIGNED_SECONDS = 300
#: Addresses of one object and day; each after the first needs a revocation.
MOST_A_DAY = 20


def make(ctx: Context, issuer_id: str, bucket: str, key: str, filename: str) -> str:
    """The address of an object for a mail; asked again for the same object on the same day it is the same address.

    The token is 32 bytes out of a keyed hash over a secret row, never guessable from the object's key. After a
    revocation the next one of the day is another.
    """
    day = ctx.now().date().isoformat()
    secret = store.secret(ctx.db)
    for turn in range(MOST_A_DAY):
        token = hmac.new(secret, f"{issuer_id}|{bucket}|{key}|{day}|{turn}".encode(), hashlib.sha256).hexdigest()
        known = store.find(ctx.db, digest(token)) or _save(ctx, issuer_id, digest(token), bucket, key, filename)
        if not known.revoked:
            return f"{ctx.public_base_url}/links/{token}"
    raise Conflict("the links to this file were revoked too often today", field="key")


def _save(ctx: Context, issuer_id: str, link_id: str, bucket: str, key: str, filename: str) -> Link:
    link = Link(
        issuer_id=issuer_id,
        link_id=link_id,
        bucket=bucket,
        key=key,
        filename=filename,
        expires_at_utc=ctx.now() + LIFE,
    )
    try:
        ctx.db.write(store.save_put(link))
    except ConditionFailed:
        return store.find(ctx.db, link_id) or link  # another worker made it
    return link


def follow(ctx: Context, token: str, *, source: str = "", program: str = "") -> Answer:
    """Where a token leads now: 302 to a fresh signed address, 403 when over or revoked, 404 when there is none.

    ``source`` (address) and ``program`` (user agent) are kept with the instant of every opening.
    """
    link = store.find(ctx.db, digest(token)) if len(token) == 64 and token.isalnum() else None
    if link is None:
        return Answer(404, "There is no such link.")
    if link.revoked or ctx.now() >= link.expires_at_utc:
        return Answer(403, "This link is no longer valid. Ask the sender for a new one.")
    opening = Opening(at_utc=ctx.now(), source=source[:64], program=program[:200])
    try:
        ctx.db.transact(store.opened(link, opening))
    except ConditionFailed:
        return Answer(403, "This link is no longer valid. Ask the sender for a new one.")
    address = ctx.objects.link(link.bucket, link.key, seconds=SIGNED_SECONDS, filename=link.filename)
    return Answer(302, "", address)


def listed(ctx: Context, issuer_id: str, *, prefix: str = "") -> list[Link]:
    """The links of an issuer that are not over, to objects below a key; the earliest end first."""
    return [link for link in store.listed(ctx.db, issuer_id, ctx.now()) if link.key.startswith(prefix)]


def known(ctx: Context, issuer_id: str, link_id: str) -> Link:
    """One link of an issuer, over or not, or ``NotFound``."""
    link = store.find(ctx.db, link_id) if len(link_id) == 64 and link_id.isalnum() else None
    if link is None or link.issuer_id != issuer_id:
        raise NotFound("no such link")
    return link


def openings(ctx: Context, link: Link) -> list[Opening]:
    """When and from where a link was followed."""
    return store.openings(ctx.db, link.link_id)


def revocation(link: Link) -> Update:
    """The write that revokes a link once; the caller puts it into the transaction of its audit entry."""
    return store.revoke_update(link)


def digest(token: str) -> str:
    """What is stored of a token."""
    return hashlib.sha256(token.encode()).hexdigest()
