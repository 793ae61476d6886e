"""The part of a run's members that a month or a page asks for, without reading the others."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import islice

from roamclear.billing import store
from roamclear.billing.model import Member, Run
from roamclear.cdrs import service as cdrs
from roamclear.cdrs.model import Session
from roamclear.kernel.context import Context
from roamclear.kernel.time import parse_instant, sort_instant

_CHUNK = 100


def stopped_between(ctx: Context, run: Run, since: datetime, until: datetime) -> Iterator[Session]:
    """The sessions that belong to a run now and stopped in ``[since, until)``, in order of their stop."""
    rows = (m.cdr_ref for m in store.members(ctx.db, run.issuer_id, run.run_id) if since <= m.stop_utc < until)
    while chunk := list(islice(rows, _CHUNK)):
        found = cdrs.sessions(ctx, run.issuer_id, chunk)
        yield from (found[ref] for ref in chunk if ref in found and found[ref].run_id == run.run_id)


def members_after(ctx: Context, run: Run, after: str, limit: int) -> tuple[list[tuple[Session, str]], str | None]:
    """Members behind a place, each with its section, in order of their stop; and the place of the last, if more follow.

    What lies before the place is not read. A member that left is passed over.

    Raises:
        InvalidInput: this was never a place of ours.
    """
    at = _read(after) if after else None
    found: list[tuple[Session, str]] = []
    last = ""
    while chunk := store.members_after(ctx.db, run.issuer_id, run.run_id, at, min(limit - len(found) + 1, _CHUNK)):
        known = cdrs.sessions(ctx, run.issuer_id, [m.cdr_ref for m in chunk])
        for member in chunk:
            session = known.get(member.cdr_ref)
            if session is not None and session.run_id == run.run_id:
                if len(found) == limit:
                    return found, last
                found.append((session, member.section))
                last = _place(member)
        at = (chunk[-1].stop_utc, chunk[-1].cdr_ref)
    return found, None


def _read(place: str) -> tuple[datetime, str]:
    instant, _, cdr_ref = place.partition("#")
    return parse_instant(instant, field="cursor"), cdr_ref


def _place(member: Member) -> str:
    return f"{sort_instant(member.stop_utc)}#{member.cdr_ref}"
