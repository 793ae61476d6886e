"""What operations look at: refused messages by partner and day, and what the nightly pulls found."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from typing import Any

from roamclear.identity.model import Actor, Right
from roamclear.identity.rules import authorise
from roamclear.kernel.context import Context
from roamclear.kernel.errors import InvalidInput, NotFound
from roamclear.ocpi import store
from roamclear.ocpi.model import IngestEntry, PullReport
from roamclear.partners import service as partners

#: The most rows of an answer.
MOST = 500
_MOST_DAYS = 400


def ingest_log(ctx: Context, actor: Actor, issuer_id: str, partner_id: str | None, day: date) -> list[dict[str, Any]]:
    """What was refused on a UTC day, newest first, of one partner or of all; without the bodies."""
    authorise(actor, Right.INGEST_VIEW, issuer_id)
    known = partners.partner_ids(ctx, issuer_id)
    if partner_id is not None and partner_id not in known:
        raise NotFound("no such partner")
    at = datetime.combine(day, time(0), UTC)
    found = [
        entry
        for each in ([partner_id] if partner_id else known)
        for entry in islice(store.refused(ctx.db, issuer_id, each, at), MOST)
    ]
    newest = sorted(found, key=lambda entry: (entry.received_at_utc, entry.sha256), reverse=True)[:MOST]
    return [_shown(entry) for entry in newest]


def pulls(ctx: Context, actor: Actor, issuer_id: str, first: date, last: date) -> list[PullReport]:
    """The pulls of the nights from one day to another (both inclusive), newest first."""
    authorise(actor, Right.INGEST_VIEW, issuer_id)
    if not timedelta(0) <= last - first <= timedelta(days=_MOST_DAYS):
        raise InvalidInput(f"the days are in order and at most {_MOST_DAYS} apart", field="from")
    before = (last + timedelta(days=1)).isoformat()
    return list(islice(store.pull_reports(ctx.db, issuer_id, after=first.isoformat(), before=before), MOST))


def _shown(entry: IngestEntry) -> dict[str, Any]:
    return {name: value for name, value in entry.model_dump(exclude={"raw", "parts"}).items() if value is not None}
