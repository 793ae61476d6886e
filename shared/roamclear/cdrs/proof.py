"""The part of the proof that nothing is lost: every body ever received is in exactly one state (rules.md 8)."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from itertools import islice

from roamclear.cdrs import store
from roamclear.identity import service as identity
from roamclear.kernel.context import Context
from roamclear.ledger.proof import Equation

#: A body this young without a session is none that was lost: the stream, or the sweep behind it, is at work on it.
SETTLE = timedelta(minutes=15)


def equations(ctx: Context, issuer_id: str) -> list[Equation]:
    """Bodies received = sessions with a state."""
    states = states_of_all(ctx, issuer_id)
    bodies = sum(states.values())
    return [
        Equation(
            name="bodies received = sessions in one state",
            scope=issuer_id,
            unit="CDRs",
            left=bodies,
            right=bodies - states["MISSING"],
        )
    ]


def states_of_all(ctx: Context, issuer_id: str) -> Counter[str]:
    """How many bodies are in each billing state; MISSING is a body without a session that has had time for one."""
    day: datetime = identity.issuer(ctx, issuer_id).created_at_utc or ctx.now()
    found: Counter[str] = Counter()
    last, settled = ctx.now() + timedelta(days=1), ctx.now() - SETTLE
    day = day.replace(hour=0, minute=0, second=0, microsecond=0)
    while day <= last:
        bodies = store.received_between(ctx.db, issuer_id, day, last)
        while chunk := dict(islice(bodies, 100)):
            known = store.sessions(ctx.db, issuer_id, chunk)
            found.update(known[ref].billing.value for ref in chunk if ref in known)
            found["MISSING"] += sum(ref not in known and at < settled for ref, at in chunk.items())
        day += timedelta(days=1)
    return found
