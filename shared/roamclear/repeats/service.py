"""Let a request happen once per key of its caller, whatever the network does (product.md J.5)."""

from __future__ import annotations

import hashlib
import zlib

from roamclear.kernel.context import Context
from roamclear.kernel.errors import ConditionFailed, Conflict, InvalidInput
from roamclear.repeats import store
from roamclear.repeats.model import Kept, State

MOST_KEY = 128
#: A row ends at 400 KB; an answer that does not fit is not told again.
_MOST_BYTES = 350_000


def begin(ctx: Context, issuer_id: str, actor_id: str, key: str, digest: str) -> Kept | None:
    """Take a key for a request (None: go on), or give what was answered to the same request before.

    Raises:
        InvalidInput: this is no key.
        Conflict: the key stood for another request; or the same one was begun and nobody knows how it ended: it may
            have happened, so it is never begun again.
    """
    made = Kept(issuer_id=issuer_id, actor_id=actor_id, digest=digest, at_utc=ctx.now())
    try:
        ctx.db.write(store.begin(made, name_of(actor_id, key)))
        return None
    except ConditionFailed:
        known = store.find(ctx.db, issuer_id, name_of(actor_id, key))
    if known is None:
        raise Conflict(
            "a request under this key was refused a moment ago; send it again", rule="IDEMPOTENCY_IN_PROGRESS"
        )
    if known.digest != digest:
        raise Conflict("this Idempotency-Key stood for another request", rule="IDEMPOTENCY_KEY_REUSED")
    if known.state is State.STARTED:
        raise Conflict(
            "a request under this key is in progress or did not end: look whether it happened, then take another key",
            rule="IDEMPOTENCY_IN_PROGRESS",
            started_at_utc=known.at_utc,
        )
    if known.body is None:
        raise Conflict("this was done; what it answered is told once only", rule="IDEMPOTENCY_TOLD_ONCE")
    return known


def end(ctx: Context, issuer_id: str, actor_id: str, key: str, digest: str, *, status: int, body: str | None) -> None:
    """Keep the answer of a request that happened; ``body`` None where nobody may read it again."""
    packed = zlib.compress(body.encode(), 9) if body is not None else None
    if packed is not None and len(packed) > _MOST_BYTES:
        packed = None
    made = Kept(
        issuer_id=issuer_id,
        actor_id=actor_id,
        digest=digest,
        state=State.DONE,
        at_utc=ctx.now(),
        status=status,
        body=packed,
    )
    ctx.db.write(store.end(made, name_of(actor_id, key)))


def forget(ctx: Context, issuer_id: str, actor_id: str, key: str, digest: str) -> None:
    """Give the key of a refused request back: nothing happened, and the same key may come with a better one."""
    made = Kept(issuer_id=issuer_id, actor_id=actor_id, digest=digest, at_utc=ctx.now())
    try:
        ctx.db.write(store.forget(made, name_of(actor_id, key)))
    except ConditionFailed:
        return  # given back already


def body_of(known: Kept) -> str:
    """The answer as it was told."""
    return zlib.decompress(known.body or b"").decode()


def name_of(actor_id: str, key: str) -> str:
    """The name of a key: its hash with its owner's, so that nobody meets another's."""
    if not 1 <= len(key) <= MOST_KEY or not key.isascii() or not key.isprintable():
        raise InvalidInput(
            f"an Idempotency-Key has 1 to {MOST_KEY} printable ASCII characters", field="Idempotency-Key"
        )
    return hashlib.sha256(f"{actor_id}\n{key}".encode()).hexdigest()
