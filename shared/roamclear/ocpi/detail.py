"""Refused messages after the term of detail: why they were refused stays, their bodies go (product.md row 139)."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from datetime import datetime

from roamclear.kernel.context import Context
from roamclear.ocpi import store
from roamclear.ocpi.model import IngestEntry
from roamclear.partners import service as partners

_EMPTY = zlib.compress(b"")


def expire_refused(ctx: Context, issuer_id: str, day: datetime) -> int:
    """Give up the bodies of the messages that were refused on a UTC day; again changes nothing. How many."""
    count = 0
    for entry in _of_day(ctx, issuer_id, day):
        if entry.expired_at_utc is None:
            gone = {"raw": _EMPTY, "parts": 0, "object_id": "", "correlation_id": "", "expired_at_utc": ctx.now()}
            store.refused_expired(ctx.db, entry.model_copy(update=gone))
            count += 1
    return count


def naming(ctx: Context, issuer_id: str, day: datetime, words: tuple[str, ...]) -> Iterator[IngestEntry]:
    """Refused messages of a UTC day whose bodies name one of the words, whatever the case."""
    wanted = [word.upper().encode() for word in words if word]
    for entry in _of_day(ctx, issuer_id, day):
        body = store.refused_body(ctx.db, entry).upper() if entry.expired_at_utc is None else b""
        if any(word in body for word in wanted):
            yield entry


def _of_day(ctx: Context, issuer_id: str, day: datetime) -> Iterator[IngestEntry]:
    for partner_id in partners.partner_ids(ctx, issuer_id):
        yield from store.refused(ctx.db, issuer_id, partner_id, day)
