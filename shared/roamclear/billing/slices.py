"""The part of a run's members that a month asks for, without reading the others."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import islice

from roamclear.billing import store
from roamclear.billing.model import Run
from roamclear.cdrs import service as cdrs
from roamclear.cdrs.model import Session
from roamclear.kernel.context import Context

_CHUNK = 100


def stopped_between(ctx: Context, run: Run, since: datetime, until: datetime) -> Iterator[Session]:
    """The sessions that belong to a run now and stopped in ``[since, until)``, in order of their stop."""
    rows = (m.cdr_ref for m in store.members(ctx.db, run.issuer_id, run.run_id) if since <= m.stop_utc < until)
    while chunk := list(islice(rows, _CHUNK)):
        found = cdrs.sessions(ctx, run.issuer_id, chunk)
        yield from (found[ref] for ref in chunk if ref in found and found[ref].run_id == run.run_id)
