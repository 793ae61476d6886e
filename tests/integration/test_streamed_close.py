"""Documents and lists of a run that is read piece by piece: the same bytes and numbers as of one that is held whole."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from datetime import timedelta
from functools import cache
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roamclear.billing import parts, proof, scan
from roamclear.billing import service as billing
from roamclear.billing.model import Run, RunState
from roamclear.billing.steps import Step
from roamclear.billing.sums import Sums
from roamclear.kernel.context import Context
from roamclear.packages import lists
from roamclear.packages import service as packages
from tests.integration import test_close as month
from tests.support import at_once, handlers, memory_stage, mixed_run
from tests.support import builders as b
from tests.support.crashing import Fuse, mortal, survives
from tests.support.moto_stack import Stage

RUN = month.REQUEST.run_id
SEEDS = (1, 2, 3, 5)


@cache
def _laid(seed: int, sessions: int) -> Stage:
    stage = memory_stage.fresh()
    mixed_run.lay(stage, seed, sessions)
    run = month.open_run(stage)
    stage.clock.set(month.CLOSES + timedelta(seconds=61))
    billing.lock(stage.ctx, b.ISSUER, run.run_id)
    return stage


def again(laid: Stage) -> Stage:
    """The same stage anew."""
    stage = memory_stage.fresh(laid.clock.now())
    stage.tables.tables = deepcopy(laid.tables.tables)  # type: ignore[attr-defined]
    stage.ctx.objects.kept |= laid.ctx.objects.kept  # type: ignore[attr-defined]
    return stage


def locked(seed: int, sessions: int = 60) -> Stage:
    """A run of mixed sessions behind its lock."""
    return again(_laid(seed, sessions))


def issue(ctx: Context, time_left: Callable[[], bool] = lambda: True) -> Run:
    return billing.issue(ctx, b.ISSUER, RUN, lambda _: [], time_left)


def finished(stage: Stage, time_left: Callable[[], bool] = lambda: True) -> int:
    """Issue and draw in as many calls as it takes; returns how many."""
    calls = 1
    while issue(stage.ctx, time_left).state is RunState.FINALISING:
        calls += 1
    while packages.render_sessions(stage.ctx, b.ISSUER, RUN, time_left) is None:
        calls += 1
    return calls


def kept(stage: Stage) -> dict[str, bytes]:
    """Everything that stays of the run: its documents, their lists, and the headers with their numbers.

    Of two workers the slower one may leave sums beside those that count; nothing names them.
    """
    objects = stage.ctx.objects
    sums = Step(stage.ctx, billing.run(stage.ctx, b.ISSUER, RUN), "ISSUE").result
    named = (key for key in objects.keys("documents", f"{b.ISSUER}/") if "/sums-" not in key or key == sums)
    found = {key: objects.get("documents", key) or b"" for key in named}
    for number in billing.run(stage.ctx, b.ISSUER, RUN).numbers:
        found[number] = repr(billing.document(stage.ctx, b.ISSUER, number)).encode()
    return found


def texts(sums: Sums, *, free: bool = False) -> list[tuple[str, ...]]:
    return [
        (str(key), str(f.quantity), str(f.amount_minor), str(f.sessions), str(f.first), str(f.last))
        for key, f in sums.lines.by_key(free=free).items()
    ]


@pytest.mark.parametrize("seed", SEEDS)
def test_documents_and_lists_are_those_of_the_plain_way(seed: int) -> None:
    stage = locked(seed)
    waiting = at_once.left_out(stage.ctx, billing.run(stage.ctx, b.ISSUER, RUN))
    finished(stage)
    run = billing.run(stage.ctx, b.ISSUER, RUN)
    assert len(run.numbers) == 2
    assert list(billing.not_included(stage.ctx, run)) == waiting != []
    for number in run.numbers:
        header = billing.document(stage.ctx, b.ISSUER, number)
        rows = at_once.rows_of(stage.ctx, run, outside=header.place == 1)
        part = billing.parts_of(stage.ctx, run)[header.place]
        assert list(part.rows) == rows
        for free in (False, True):
            assert texts(part.sums, free=free) == at_once.lines(rows, free=free)
        assert header.sessions == len(rows)
        drawn = {
            name: stage.ctx.objects.get("documents", f"{b.ISSUER}/{RUN}/{name}")
            for name in (f"{number}.{kind}" for kind in lists.FORMATS)
        }
        assert drawn == at_once.files(stage.ctx, run, header, rows, waiting)
    assert all(e.holds for e in proof.equations(stage.ctx, b.ISSUER))


@settings(max_examples=12, deadline=None)
@given(seed=st.sampled_from(SEEDS), page=st.integers(1, 40), times=st.lists(st.booleans(), max_size=30), most=st.none())
def test_any_page_and_any_interruption_give_the_same_bytes(seed: int, page: int, times: list[bool], most: None) -> None:
    plain = locked(seed, 30)
    assert finished(plain) == 1
    rest = iter(times)
    stage = locked(seed, 30)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scan, "PAGE", page)
        calls = finished(stage, lambda: next(rest, False))
    assert kept(stage) == kept(plain)
    if page < 10:
        assert calls > 1


def part_files(stage: Stage, kind: str) -> list[str]:
    found = [key for key in stage.ctx.objects.keys("documents", f"{b.ISSUER}/{RUN}/VW-") if key.endswith(f".{kind}")]
    return sorted(found, key=lambda key: (key.rpartition("/")[2][:14], len(key), key))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_long_list_comes_in_parts_one_call_each(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    whole = locked(seed)
    finished(whole)
    monkeypatch.setattr(lists, "MOST_ROWS", 7)
    in_one, in_many = locked(seed), locked(seed)
    finished(in_one)
    assert finished(in_many, lambda: False) > 6
    assert kept(in_one) == kept(in_many)
    # The parts of a CSV, behind each other without their heads, are the file that a shorter list would be.
    rows = [row for key in part_files(in_many, "csv") for row in table(in_many, key)]
    assert rows == [row for key in part_files(whole, "csv") for row in table(whole, key)]
    lines = [(in_many.ctx.objects.get("documents", key) or b"") for key in part_files(in_many, "ndjson")]
    assert b"".join(lines) == b"".join(
        (whole.ctx.objects.get("documents", key) or b"") for key in part_files(whole, "ndjson")
    )
    assert len(part_files(in_many, "xlsx")) == len(part_files(in_many, "csv")) > 2


def table(stage: Stage, key: str) -> list[list[str]]:
    body = stage.ctx.objects.get("documents", key) or b""
    return list(csv.reader(io.StringIO(body.decode("utf-8-sig"))))[1:]


def test_a_crash_anywhere_leads_to_the_same_numbers_and_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "PAGE", 8)
    monkeypatch.setattr(lists, "MOST_ROWS", 9)
    plain = locked(5, 24)
    finished(plain)
    for after in (False, True):
        for place in count(int(after), 2):
            stage = locked(5, 24)
            fuse = Fuse(place, after)
            with survives():
                finished(Stage(**vars(stage) | {"ctx": mortal(stage.ctx, fuse)}), lambda: False)
            finished(stage, lambda: False)
            assert kept(stage) == kept(plain), (place, after)
            if fuse.effects <= place:
                break
        assert place > 20


def test_of_two_workers_one_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "PAGE", 10)
    plain = locked(3)
    finished(plain)
    for turn in range(6):
        stage = locked(3)
        looks = count()

        def slow(stage: Stage = stage, looks: Iterator[int] = looks, turn: int = turn) -> bool:
            if next(looks) == turn:
                finished(stage, lambda: False)
            return True

        finished(stage, slow)
        finished(stage, lambda: False)
        assert kept(stage) == kept(plain), turn


def test_what_was_put_aside_and_forgotten_is_done_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "PAGE", 10)
    plain, stage = locked(2), locked(2)
    finished(plain)
    assert issue(stage.ctx, lambda: False).state is RunState.FINALISING
    for place in [place for place in stage.ctx.objects.kept if place[0] == "exports"]:  # type: ignore[attr-defined]
        del stage.ctx.objects.kept[place]  # type: ignore[attr-defined]
    finished(stage, lambda: False)
    assert kept(stage) == kept(plain)


def test_the_sums_are_kept_once_and_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = locked(1)
    finished(stage)
    run = billing.run(stage.ctx, b.ISSUER, RUN)
    first = parts.documents(stage.ctx, run)
    monkeypatch.setattr(scan, "chunks", lambda *_: pytest.fail("the sessions are not read again"))
    assert [part.sums.dump() for part in parts.documents(stage.ctx, run)] == [part.sums.dump() for part in first]


def test_a_run_that_was_issued_before_sums_were_kept_has_the_same_documents() -> None:
    stage = locked(1)
    finished(stage)
    run = billing.run(stage.ctx, b.ISSUER, RUN)
    first = [texts(part.sums) for part in parts.documents(stage.ctx, run)]
    found = scan.known(replace(stage.ctx, db=_without_steps(stage)), (run,))
    assert [texts(found.inside), texts(found.outside)] == first


def _without_steps(stage: Stage) -> memory_stage.MemoryTables:
    made = memory_stage.MemoryTables()
    for table, partitions in stage.tables.tables.items():  # type: ignore[attr-defined]
        for pk, rows in partitions.items():
            made.tables[table][pk] = {sk: row for sk, row in rows.items() if not sk.startswith("STEP#")}
    return made


def test_the_functions_ask_to_be_called_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "PAGE", 10)
    monkeypatch.setattr(lists, "MOST_ROWS", 9)
    stage = locked(1)
    monkeypatch.setattr("functions.issue_invoice.handler.proof", lambda _: lambda _: [])
    event = {"issuer_id": b.ISSUER, "run_id": RUN}
    with handlers.on(stage.ctx):
        assert handlers.call("issue_invoice", event, left_ms=1) == {"outcome": "MORE"}
        assert handlers.call("issue_invoice", event) == {
            "outcome": "DONE", "state": "ISSUED", "numbers": ["VW-2026-000001", "VW-2026-000002"],
        }  # fmt: skip
        assert handlers.call("render_session_xlsx", event, left_ms=1) == {"outcome": "MORE"}
        assert handlers.call("render_session_xlsx", event, left_ms=900_000)["outcome"] == "DRAWN"
