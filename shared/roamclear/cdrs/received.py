"""The sessions of all bodies that came in a span of time, whatever became of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice

from roamclear.cdrs import store
from roamclear.cdrs.model import Session
from roamclear.kernel.context import Context

_CHUNK = 100


def sessions_received(ctx: Context, issuer_id: str, since: datetime, until: datetime) -> Iterator[Session]:
    """Sessions whose body came from the UTC day of ``since`` on and before ``until``, in order of arrival."""
    day = since
    while day.date() <= until.date():
        refs = store.received(ctx.db, issuer_id, day, before=until)
        while chunk := list(islice(refs, _CHUNK)):
            found = store.sessions(ctx.db, issuer_id, chunk, consistent=False)
            yield from (found[ref] for ref in chunk if ref in found)
        day += timedelta(days=1)
