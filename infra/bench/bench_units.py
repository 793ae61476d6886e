"""Write and read units of a CDR from POST to paid, per step, counted from the requests (goal: at most 20 and 20)."""

from __future__ import annotations

import hashlib
import sys
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

from infra.bench.meter import Meter

SESSIONS = 200
#: A body is looked at by two sweeps after its five minutes and once at night.
LOOKS = 3
GOAL = 20.0


@lru_cache(maxsize=1)
def measure(sessions: int = SESSIONS) -> Meter:
    """Clear a month of sessions of one contract on an in-process stage and count every request."""
    from roamclear.billing import service as billing
    from roamclear.cdrs import service as cdrs
    from roamclear.cdrs import store
    from roamclear.payouts import service as payouts
    from tests.integration import test_close as month
    from tests.support import builders as b
    from tests.support.moto_stack import stage

    with stage() as made:
        month.start(made)
        meter = Meter(made.client)
        made.tables.client = meter
        for number in range(1, sessions + 1):
            raw = _body(b.cdr(number, start=datetime(2026, 10, 5, tzinfo=month.UTC) + timedelta(hours=2 * number)))
            made.clock.set(datetime.fromisoformat(raw["end_date_time"]) + timedelta(minutes=5))
            body = b.body_of(raw, received=made.clock.now())
            meter.step = "1 POST"
            cdrs.receive(made.ctx, body)
            meter.step = "2 check, attach, price"
            cdrs.process(made.ctx, b.ISSUER, body.cdr_ref)
        meter.step = "2 looked at by sweeps"
        for _ in range(LOOKS):
            made.tables.client = made.client
            made.ctx.db.write(store.swept_put(b.ISSUER, datetime(2026, 10, 1, tzinfo=month.UTC)))
            made.tables.client = meter
            cdrs.sweep(made.ctx, b.ISSUER)
        # The mark of a sweep is one write in five minutes, however many CDRs there are.
        meter.writes.pop(meter.step)
        meter.step = "3 open window"
        run = month.open_run(made)
        meter.step = "4 lock"
        made.clock.set(month.CLOSES + timedelta(seconds=61))
        billing.lock(made.ctx, b.ISSUER, run.run_id)
        meter.step = "5 issue"
        billing.issue(made.ctx, b.ISSUER, run.run_id, lambda document: [])
        meter.step = "6 payout lines"
        payouts.accrue_run(made.ctx, b.ISSUER, run.run_id)
        return meter


def _body(raw: dict[str, Any]) -> dict[str, Any]:
    """Grow a CDR to what partners send: ten uneven periods, its tariff, long ids; about 3.7 KB."""
    from tests.support import builders as b

    seed = hashlib.sha256(raw["id"].encode()).hexdigest()
    start = datetime.fromisoformat(raw["start_date_time"])
    energy, hours = raw["total_energy"], raw["total_time"]
    weights = [int(seed[n : n + 2], 16) + 64 for n in range(0, 18, 2)]
    volumes = [(energy * w / sum(weights) * Decimal("0.9")).quantize(Decimal("0.0001")) for w in weights]
    volumes.append(energy - sum(volumes))
    periods = []
    for n, volume in enumerate(volumes):
        at = (start + timedelta(minutes=6 * n)).strftime("%Y-%m-%dT%H:%M:%SZ")
        power = (volume * 10).quantize(Decimal("0.001"))
        dimensions = [
            {"type": "ENERGY", "volume": volume},
            {"type": "TIME", "volume": hours / 10},
            {"type": "MAX_POWER", "volume": power},
        ]
        periods.append({"start_date_time": at, "dimensions": dimensions, "tariff_id": "GRID"})
    ids = {"id": f"DE-VWK-{seed[:24].upper()}", "session_id": f"{seed[:8]}-{seed[8:12]}-{seed[12:16]}-{seed[16:32]}"}
    return raw | ids | {"charging_periods": periods, "tariffs": [b.tariff("0.39", "0.50")]}


def run() -> list[tuple[str, float, str, float | None]]:
    """Rows of (name, value, floor, limit)."""
    meter = measure()
    rows: list[tuple[str, float, str, float | None]] = []
    for kind, counted in (("write", meter.writes), ("read", meter.reads)):
        for step, units in sorted(counted.items()):
            rows.append((f"{kind} units per CDR: {step}", units / SESSIONS, f"{SESSIONS} sessions", None))
        rows.append((f"{kind} units per CDR, POST to paid", sum(counted.values()) / SESSIONS, "1 CDR", GOAL))
    return rows


if __name__ == "__main__":
    for row in run():
        sys.stdout.write(f"{row}\n")
