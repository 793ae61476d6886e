"""What the stream left behind is found by its instant: nothing is missed, and nothing is read at every sweep."""

from __future__ import annotations

import zlib
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.bench.counting import CountedTables
from roamclear.cdrs import service as cdrs
from roamclear.cdrs import store
from tests.support import builders as b
from tests.support.memory_stage import MemoryTables
from tests.support.moto_stack import Stage
from tests.unit.cdrs import month

MINUTE = timedelta(minutes=1)


def receive(stage: Stage, number: int, *, process: bool = True) -> str:
    body = b.body_of(b.cdr(number), received=stage.clock.now())
    cdrs.receive(stage.ctx, body)
    if process:
        cdrs.process(stage.ctx, b.ISSUER, body.cdr_ref)
    return body.cdr_ref


def known(stage: Stage, ref: str) -> bool:
    return cdrs.session(stage.ctx, b.ISSUER, ref) is not None


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 60 * 30), st.booleans()), min_size=1, max_size=12))
def test_whatever_the_times_nothing_is_left_behind(steps: list[tuple[int, bool]]) -> None:
    stage = month.started()
    lost = []
    for number, (minutes, by_stream) in enumerate(steps, 1):
        stage.clock.set(stage.clock.now() + minutes * MINUTE)
        ref = receive(stage, number, process=by_stream)
        if not by_stream:
            lost.append(ref)
        cdrs.sweep(stage.ctx, b.ISSUER)
    stage.clock.set(stage.clock.now() + 6 * MINUTE)
    cdrs.sweep(stage.ctx, b.ISSUER)
    assert all(known(stage, ref) for ref in lost)
    assert cdrs.sweep(stage.ctx, b.ISSUER) == 0


def test_the_stream_has_its_five_minutes() -> None:
    stage = month.started()
    ref = receive(stage, 1, process=False)
    stage.clock.set(stage.clock.now() + 5 * MINUTE)
    assert (cdrs.sweep(stage.ctx, b.ISSUER), known(stage, ref)) == (0, False)
    stage.clock.set(stage.clock.now() + timedelta(seconds=1))
    assert (cdrs.sweep(stage.ctx, b.ISSUER), known(stage, ref)) == (1, True)


def test_an_outage_of_weeks_is_caught_up() -> None:
    stage = month.started()
    cdrs.sweep(stage.ctx, b.ISSUER)
    refs = [receive(stage, 1, process=False)]
    stage.clock.set(stage.clock.now() + timedelta(days=13))
    refs.append(receive(stage, 2, process=False))
    stage.clock.set(stage.clock.now() + 6 * MINUTE)
    assert cdrs.sweep(stage.ctx, b.ISSUER) == 2
    assert all(known(stage, ref) for ref in refs)


def test_a_body_that_cannot_be_read_keeps_no_later_one_from_its_turn() -> None:
    stage = month.started()
    cdrs.sweep(stage.ctx, b.ISSUER)
    broken = b.body_of(b.cdr(1), received=stage.clock.now())
    cdrs.receive(stage.ctx, broken.model_copy(update={"raw": zlib.compress(b"[]")}))
    stage.clock.set(stage.clock.now() + timedelta(days=1))
    later = receive(stage, 2, process=False)
    stage.clock.set(stage.clock.now() + 6 * MINUTE)
    with pytest.raises(IndexError):
        cdrs.sweep(stage.ctx, b.ISSUER)
    assert known(stage, later)
    night = receive(stage, 3, process=False)
    stage.clock.set(stage.clock.now() + 6 * MINUTE)
    with pytest.raises(IndexError):
        cdrs.sweep_again(stage.ctx, b.ISSUER)
    assert known(stage, night)
    # After its patience the sweep lets go of it; the proof goes on telling of it.
    stage.clock.set(stage.clock.now() + timedelta(days=15))
    with pytest.raises(IndexError):
        cdrs.sweep(stage.ctx, b.ISSUER)
    assert cdrs.sweep(stage.ctx, b.ISSUER) == 0


def test_a_sweep_that_dies_in_an_outage_of_months_goes_on_where_it_died(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = month.started()
    cdrs.sweep(stage.ctx, b.ISSUER)
    stage.clock.set(stage.clock.now() + timedelta(days=3))
    ref = receive(stage, 1, process=False)
    stage.clock.set(stage.clock.now() + timedelta(days=27))
    looked = store.received_between
    with monkeypatch.context() as dying:
        days = iter([looked])
        dying.setattr(store, "received_between", lambda *each: next(days)(*each))
        with pytest.raises(StopIteration):
            cdrs.sweep(stage.ctx, b.ISSUER)
    assert (cdrs.sweep(stage.ctx, b.ISSUER), known(stage, ref)) == (1, True)


def test_a_body_is_read_by_two_sweeps_not_by_all_of_its_day() -> None:
    stage = month.started()
    for number in range(1, 201):
        receive(stage, number)
    tables = CountedTables(stage.tables)
    ctx = replace(stage.ctx, db=tables)
    tables.step = "first"
    stage.clock.set(stage.clock.now() + 6 * MINUTE)
    cdrs.sweep(ctx, b.ISSUER)
    for number in range(12):
        tables.step = f"{number}"
        stage.clock.set(stage.clock.now() + 5 * MINUTE)
        cdrs.sweep(ctx, b.ISSUER)
    assert tables.reads["first"] >= 100  # half a unit per session
    assert tables.reads["0"] < 1.1 * tables.reads["first"]
    assert max(tables.reads[f"{number}"] for number in range(1, 12)) < 3


class Late(MemoryTables):
    """An index that does not know the bodies of late yet."""

    hidden: bool = True

    def _sorted(self, table: Any, pk: str, index: str | None) -> list[Any]:
        return [] if index and self.hidden else super()._sorted(table, pk, index)


def test_what_the_index_learned_too_late_is_found_at_night(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = month.started()
    tables = Late(stage.tables.tables)  # type: ignore[attr-defined]
    monkeypatch.setattr(stage, "ctx", replace(stage.ctx, db=tables))
    ref = receive(stage, 1, process=False)
    for _ in range(4):
        stage.clock.set(stage.clock.now() + 5 * MINUTE)
        assert cdrs.sweep(stage.ctx, b.ISSUER) == 0
    tables.hidden = False
    assert (cdrs.sweep(stage.ctx, b.ISSUER), known(stage, ref)) == (0, False)
    stage.clock.set(stage.clock.now() + timedelta(hours=20))
    assert (cdrs.sweep_again(stage.ctx, b.ISSUER), known(stage, ref)) == (1, True)


def test_a_clock_that_went_back_breaks_nothing() -> None:
    stage = month.started()
    stage.clock.set(stage.clock.now() + timedelta(days=3))
    cdrs.sweep(stage.ctx, b.ISSUER)
    stage.clock.set(stage.clock.now() - timedelta(days=2))
    ref = receive(stage, 1, process=False)
    assert cdrs.sweep(stage.ctx, b.ISSUER) == 0
    stage.clock.set(stage.clock.now() + 6 * MINUTE)
    assert (cdrs.sweep(stage.ctx, b.ISSUER), known(stage, ref)) == (1, True)
