"""Making and following mailed links (rules.md 11: an address signed by a role dies with its session)."""

from __future__ import annotations

import hashlib
import hmac
from datetime import timedelta

from roamclear.kernel.context import Context
from roamclear.kernel.errors import ConditionFailed
from roamclear.links import store
from roamclear.links.model import Answer, Link

#: A mailed link lives this long, a signed address behind it only minutes (product.md row 64).
LIFE = timedelta(days=7)
SIGNED_SECONDS = 300


def make(ctx: Context, issuer_id: str, bucket: str, key: str, filename: str) -> str:
    """The address of an object for a mail; asked again for the same object on the same day it is the same address.

    The token is 32 bytes out of a keyed hash over a secret row, never guessable from the object's key.
    """
    day = ctx.now().date().isoformat()
    secret = store.secret(ctx.db)
    token = hmac.new(secret, f"{issuer_id}|{bucket}|{key}|{day}".encode(), hashlib.sha256).hexdigest()
    link = Link(issuer_id=issuer_id, bucket=bucket, key=key, filename=filename, expires_at_utc=ctx.now() + LIFE)
    if store.find(ctx.db, digest(token)) is None:
        ctx.db.write(store.save_put(digest(token), link))
    return f"{ctx.public_base_url}/links/{token}"


def follow(ctx: Context, token: str) -> Answer:
    """Where a token leads now: 302 to a fresh signed address, 403 when over or revoked, 404 when there is none."""
    link = store.find(ctx.db, digest(token)) if len(token) == 64 and token.isalnum() else None
    if link is None:
        return Answer(404, "There is no such link.")
    if link.revoked or ctx.now() >= link.expires_at_utc:
        return Answer(403, "This link is no longer valid. Ask the sender for a new one.")
    try:
        ctx.db.write(store.opened_update(digest(token)))
    except ConditionFailed:
        return Answer(403, "This link is no longer valid. Ask the sender for a new one.")
    address = ctx.objects.link(link.bucket, link.key, seconds=SIGNED_SECONDS, filename=link.filename)
    return Answer(302, "", address)


def digest(token: str) -> str:
    """What is stored of a token."""
    return hashlib.sha256(token.encode()).hexdigest()
