"""How often a partner may ask: a token bucket per credential (rules.md 11).

The bucket stands in a table, so that all workers share it. A worker takes a handful of tokens at once and spends them
on its own: a request costs no write of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from roamclear.kernel.context import Context
from roamclear.kernel.errors import ConditionFailed, TooManyRequests
from roamclear.partners import store
from roamclear.partners.model import Credential

#: Tokens a worker takes at once, and how long it may keep them.
HANDFUL = 50
KEPT_FOR = timedelta(seconds=10)
_MAX_LEASES = 1_000


@dataclass(slots=True)
class _Lease:
    tokens: int
    taken_at: datetime


#: What this worker holds, by credential; losing it with the worker costs a partner a moment of its rate, no more.
_leases: dict[str, _Lease] = {}


def count_request(ctx: Context, credential: Credential) -> None:
    """Count one request; ``TooManyRequests`` when the partner has used up its burst and its rate."""
    now = ctx.now()
    lease = _leases.get(credential.credential_id)
    if lease is None or lease.tokens < 1 or abs(now - lease.taken_at) > KEPT_FOR:
        lease = _Lease(_take(ctx, credential, now), now)
        if len(_leases) >= _MAX_LEASES:
            _leases.clear()
        _leases[credential.credential_id] = lease
    lease.tokens -= 1


def filled(tokens: int, since: datetime, now: datetime, rate_per_s: int, burst: int) -> tuple[int, datetime]:
    """A bucket's tokens now and the instant they count from; a clock that was set back fills from then on.

    >>> from datetime import UTC
    >>> at = datetime(2026, 10, 1, tzinfo=UTC)
    >>> filled(3, at, at + timedelta(milliseconds=250), 10, 100)[0]
    5
    >>> filled(3, at, at + timedelta(hours=1), 10, 100)[0]
    100
    """
    if now < since:
        return tokens, now
    gained = (now - since) * rate_per_s // timedelta(seconds=1)
    if tokens + gained >= burst:
        return burst, now
    return tokens + gained, since + timedelta(seconds=1) * gained / rate_per_s


def _take(ctx: Context, credential: Credential, now: datetime) -> int:
    """A handful of tokens out of the shared bucket; under contention the request goes through uncounted."""
    for _ in range(3):
        known = store.bucket(ctx.db, credential.credential_id)
        if known is None:
            tokens, since, revision = credential.burst, now, 0
        else:
            revision = known[2]
            tokens, since = filled(known[0], known[1], now, credential.requests_per_s, credential.burst)
        if tokens < 1:
            if known is not None and now < known[1]:
                _restart(ctx, credential, now, revision)
            raise TooManyRequests("too many requests; the limit is per token", retry_after_s=1)
        wanted = min(tokens, HANDFUL, max(1, credential.burst // 4))
        try:
            store.save_bucket(ctx.db, credential.credential_id, tokens - wanted, since, revision)
        except ConditionFailed:
            continue
        return wanted
    return 1


def _restart(ctx: Context, credential: Credential, now: datetime, revision: int) -> None:
    """Let an empty bucket fill from now on after the clock was set back (stage local)."""
    try:
        store.save_bucket(ctx.db, credential.credential_id, 0, now, revision)
    except ConditionFailed:
        return
