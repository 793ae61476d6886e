"""What the close of one contract costs per session, at one size and at ten times that size.

Goal: requests and write units per session stay the same (at most 1.05 times), and the lock of a session takes at most
four write units with indexes and audit. The sessions are laid into the tables in memory as the processing leaves them,
copies of one that was really processed; everything from the opening on is the real code.

``make bench`` compares 1,000 with 10,000 sessions; ROAMCLEAR_BENCH_CLOSE=10000 compares 10,000 with 100,000.
"""

from __future__ import annotations

import os
import time
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from infra.bench.counting import CountedTables

LIMIT = 1.05
LOCK_UNITS = 4.0
TIMES = 10
_SECONDS_OF_A_MONTH = 30 * 86_400


def small() -> int:
    """Sessions of the smaller close."""
    return int(os.environ.get("ROAMCLEAR_BENCH_CLOSE", "1000"))


class CountedObjects:
    """``Objects`` that counts its calls as requests of the step."""

    def __init__(self, real: Any, tables: CountedTables) -> None:
        self._real, self._tables = real, tables

    def __getattr__(self, name: str) -> Any:
        self._tables.requests[self._tables.step] += 1
        return getattr(self._real, name)


def lay(made: Any, sessions: int) -> None:
    """Put so many VERIFIED sessions of October into a stage: one processed for real, and its copies."""
    from roamclear.cdrs import service as cdrs
    from roamclear.cdrs import store
    from tests.integration import test_close as month
    from tests.support import builders as b

    month.start(made)
    first = datetime(2026, 10, 1, tzinfo=month.UTC)
    ref = month.push(made, b.cdr(1, start=first))
    session, rating = cdrs.session(made.ctx, b.ISSUER, ref), cdrs.rating(made.ctx, b.ISSUER, ref, 1)
    body = cdrs.original(made.ctx, b.ISSUER, ref)
    assert session is not None
    assert rating is not None
    assert body is not None
    for number in range(2, sessions + 1):
        name = f"{number:08d}"
        later = timedelta(seconds=number * _SECONDS_OF_A_MONTH // (sessions + 1))
        mine = {"cdr_ref": f"{ref}-{name}"}
        times = {"start_utc": session.start_utc + later, "stop_utc": session.stop_utc + later}
        made.tables.write(store.original_put(body.model_copy(update=mine)))
        made.tables.write(store.rating_put(rating.model_copy(update=mine)))
        ids = {"cdr_id": f"{session.cdr_id}-{name}", "session_id": f"S-{name}"}
        made.tables.write(store.create(session.model_copy(update=mine | times | ids)))


def measure(sessions: int) -> CountedTables:
    """Close a month of so many sessions of one contract and count every request from the opening to the mail."""
    from dataclasses import replace

    from roamclear.billing import service as billing
    from roamclear.packages import service as packages
    from roamclear.payouts import service as payouts
    from tests.integration import test_close as month
    from tests.support import builders as b
    from tests.support import memory_stage
    from tests.support.fonts import fonts_dir

    made = memory_stage.fresh()
    lay(made, sessions)
    counted = CountedTables(made.tables)
    objects = CountedObjects(made.ctx.objects, counted)
    ctx = replace(made.ctx, db=counted, objects=objects, fonts_dir=str(fonts_dir()))
    made.ctx = ctx
    counted.step = "1 open window"
    run_id = month.open_run(made).run_id
    made.clock.set(month.CLOSES + timedelta(seconds=61))
    steps = {
        "2 lock": lambda: billing.lock(ctx, b.ISSUER, run_id),
        "3 payout lines": lambda: next(n for n in count() if payouts.accrue_piece(ctx, b.ISSUER, run_id)),
        "4 issue": lambda: billing.issue(ctx, b.ISSUER, run_id, packages.proof(ctx)),
        "5 render": lambda: [packages.render_documents(ctx, b.ISSUER, run_id), _lists(ctx, run_id)],
        "6 send": lambda: packages.send(ctx, b.ISSUER, run_id),
        "7 finish": lambda: billing.finish(ctx, b.ISSUER, run_id),
    }
    for counted.step, step in steps.items():
        step()
    done = billing.run(ctx, b.ISSUER, run_id)
    if done.state != "SENT" or done.locked != sessions:
        raise RuntimeError(f"the close came to {done.state} with {done.locked} sessions")
    return counted


def _lists(ctx: Any, run_id: str) -> Any:
    from roamclear.packages import service as packages
    from tests.support import builders as b

    return packages.render_sessions(ctx, b.ISSUER, run_id)


def run() -> list[tuple[str, float, str, float | None]]:
    """Rows of (name, value, floor, limit)."""
    few, many = small(), TIMES * small()
    began = time.monotonic()
    less, more = measure(few), measure(many)
    against = f"{few:,} sessions"
    rows: list[tuple[str, float, str, float | None]] = []
    kinds = (("requests", less.requests, more.requests), ("write units", less.writes, more.writes))
    for kind, small_one, large_one in (*kinds, ("read units", less.reads, more.reads)):
        for step in sorted(large_one):
            rows.append((f"{kind} per session: {step}", large_one[step] / many, f"{many:,} sessions", None))
        ours, floor = sum(large_one.values()) / many, sum(small_one.values()) / few
        name = f"{kind} per session of a close at {many:,}, times"
        rows.append((name, ours / floor, f"{against} ({floor:.3f})", LIMIT))
    per_lock = more.writes["2 lock"] / many
    rows.append(("write units of the lock of a session", per_lock, f"{many:,} sessions", LOCK_UNITS))
    rows.append(("largest row written, KB", more.largest / 1024, "a row ends at 400 KB", 400.0))
    rows.append(("seconds that both closes took", time.monotonic() - began, "this machine", None))
    return rows
