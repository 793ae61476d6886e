"""A day's audit entries lie under Object Lock, and one digest holds all their heads (rules.md 8)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from roamclear.audit import days, store
from roamclear.audit import service as audit
from roamclear.aws import archive
from roamclear.kernel.writes import Table
from tests.support import builders as b
from tests.support.recorded import TimeMachine, machine


@pytest.fixture
def house() -> TimeMachine:
    return machine(datetime(2026, 10, 1, 12, tzinfo=UTC))


def did(house: TimeMachine, object_id: str, count: int = 1) -> None:
    for _ in range(count):
        ctx = house.stage.ctx
        ctx.db.write(
            audit.entry(ctx, issuer_id=b.ISSUER, kind="RUN", object_id=object_id, actor_id="finance", action="LOOKED")
        )


def next_day(house: TimeMachine) -> int:
    house.deliver()
    house.stage.clock.advance(timedelta(days=1))
    return days.lock_days(house.stage.ctx, b.ISSUER)


def test_every_day_is_locked_once_and_chained(house: TimeMachine) -> None:
    did(house, "R-1", 3)
    did(house, "R-2")
    assert next_day(house) == 1
    did(house, "R-1")
    assert next_day(house) == 1
    assert days.lock_days(house.stage.ctx, b.ISSUER) == 0
    first, second = (store.digest(house.stage.ctx.objects, b.ISSUER, day) for day in ("2026-10-01", "2026-10-02"))
    assert first is not None
    assert second is not None
    assert (first.entries, first.objects, first.previous) == (4, 2, "0" * 64)
    assert (second.entries, second.objects) == (1, 1)
    assert second.previous not in ("0" * 64, first.heads_sha256)
    assert list(days.broken_days(house.stage.ctx, b.ISSUER)) == []


def test_an_outage_is_caught_up(house: TimeMachine) -> None:
    did(house, "R-1")
    house.deliver()
    house.stage.clock.advance(timedelta(days=4))
    assert days.lock_days(house.stage.ctx, b.ISSUER) == 4
    assert list(days.broken_days(house.stage.ctx, b.ISSUER)) == []


def test_a_removed_or_changed_entry_is_seen(house: TimeMachine) -> None:
    did(house, "R-1", 2)
    house.deliver()
    assert days.counts(house.stage.ctx, b.ISSUER) == (2, 2)
    rows = house.tables.tables[Table.AUDIT][f"{b.ISSUER}#AUDIT#RUN#R-1"]
    rows["00000002"]["actor_id"] = "nobody"
    assert days.counts(house.stage.ctx, b.ISSUER) == (2, 1)
    del rows["00000001"]
    assert days.counts(house.stage.ctx, b.ISSUER) == (2, 0)


def test_a_changed_copy_or_digest_breaks_its_day(house: TimeMachine) -> None:
    ctx = house.stage.ctx
    did(house, "R-1", 2)
    next_day(house)
    did(house, "R-2")
    next_day(house)
    row = house.tables.tables[Table.AUDIT][f"{b.ISSUER}#AUDIT#RUN#R-1"]["00000002"]
    name, kept = archive.archive_key(row), archive.entry_bytes(row)
    ctx.objects.put("archive", name, kept.replace(row["digest"].encode(), b"0" * 64), "application/json")
    assert list(days.broken_days(ctx, b.ISSUER)) == ["2026-10-01"]
    ctx.objects.put("archive", name, kept, "application/json")
    known = store.digest(ctx.objects, b.ISSUER, "2026-10-01")
    assert known is not None
    store.keep_digest(ctx.objects, known.model_copy(update={"objects": 9}))
    assert list(days.broken_days(ctx, b.ISSUER)) == ["2026-10-02"]
