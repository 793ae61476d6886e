"""A credit of a long invoice is made some sessions at a time: the same rows, amounts and note as in one call."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from roamclear.billing import corrections, store
from roamclear.billing import service as billing
from roamclear.billing.corrections import Wanted
from roamclear.billing.model import Run, RunRequest, RunState
from roamclear.cdrs import adjustments
from roamclear.kernel.context import Context
from tests.integration.test_streamed_close import again
from tests.support import builders as b
from tests.support import handlers, memory_stage
from tests.support.corrections import CHECKER, INVOICE, MAKER, euros, facts_told, invoiced, play, proved, ref
from tests.support.crashing import Fuse, mortal, survives
from tests.support.moto_stack import Stage

SESSIONS = 9
WANTED: dict[str, dict[str, Any]] = {
    "amount": {"amount": euros(1001)},
    "some": {"cdr_refs": (ref(2), ref(5), ref(7))},
    "cancelled": {},
    "cancelled and billed again": {"bill_again": True, "at_once": True},
}


def approved(wanted: dict[str, Any]) -> Stage:
    """An approved correction whose execution was started."""
    stage = memory_stage.fresh()
    invoiced(stage, sessions=SESSIONS)
    base: dict[str, Any] = {"number": INVOICE, "reason": "agreed by telephone"}
    made = corrections.prepare(stage.ctx, MAKER, b.ISSUER, Wanted(**(base | wanted)), "")
    corrections.approve(stage.ctx, CHECKER, b.ISSUER, made.correction_id)
    facts_told(stage.ctx, stage)
    return stage


def request(stage: Stage) -> RunRequest:
    return next(RunRequest.model_validate(p) for p in stage.workflows.started.values() if p["kind"] == "CORR")


def filled(ctx: Context, wanted: RunRequest, time_left: Callable[[], bool]) -> tuple[Run, int]:
    """The rows of the correction, in as many calls as it takes."""
    run = billing.prepare(ctx, wanted)
    for calls in count(1):
        run = billing.open_window(ctx, b.ISSUER, run.run_id, time_left)
        if run.state is not RunState.GRACE:
            return run, calls
    raise AssertionError


def rows(stage: Stage, run: Run) -> list[tuple[str, object, str]]:
    found = ((row, section) for row, section in billing.members(stage.ctx, run))
    return [(row.cdr_ref.split("~")[0], row.net, section) for row, section in found]


@pytest.mark.parametrize("kind", WANTED)
def test_the_rows_are_the_same_in_one_call_or_in_many(kind: str) -> None:
    plain = approved(WANTED[kind])
    whole, calls = filled(plain.ctx, request(plain), lambda: True)
    assert calls == 1
    stage = approved(WANTED[kind])
    run, calls = filled(stage.ctx, request(stage), lambda: False)
    assert calls == 1 if WANTED[kind].get("cdr_refs") else SESSIONS
    assert (run.state, run.members, run.proforma) == (whole.state, whole.members, whole.proforma)
    assert rows(stage, run) == rows(plain, whole) != []
    for each in (plain, stage):
        again_told = Stage(**vars(each))
        play(again_told.ctx, again_told)
        proved(each)
    assert [d.net for d in store.documents(stage.ctx.db, b.ISSUER)] == [
        d.net for d in store.documents(plain.ctx.db, b.ISSUER)
    ]


@pytest.mark.parametrize("kind", ["amount", "cancelled"])
def test_a_crash_anywhere_makes_each_row_once(kind: str) -> None:
    laid = approved(WANTED[kind])
    wanted = request(laid)
    plain = again(laid)
    whole, _ = filled(plain.ctx, wanted, lambda: True)
    for after in (False, True):
        for place in count(int(after), 2):
            stage, fuse = again(laid), Fuse(place, after)
            with survives():
                filled(mortal(stage.ctx, fuse), wanted, lambda: False)
            run, _ = filled(stage.ctx, wanted, lambda: False)
            assert (rows(stage, run), run.members, run.proforma) == (rows(plain, whole), whole.members, whole.proforma)
            if fuse.effects <= place:
                break
        assert place > SESSIONS


def test_two_workers_at_once_come_to_the_same_parts() -> None:
    laid = approved(WANTED["amount"])
    wanted = request(laid)
    plain = again(laid)
    whole, _ = filled(plain.ctx, wanted, lambda: True)
    for turn in range(SESSIONS - 1):
        stage, looks = again(laid), count()

        def slow(stage: Stage = stage, turn: int = turn, looks: Any = looks) -> bool:
            if next(looks) == turn:
                filled(stage.ctx, wanted, lambda: False)
            return True

        run, _ = filled(stage.ctx, wanted, slow)
        assert (rows(stage, run), run.members, run.proforma) == (rows(plain, whole), whole.members, whole.proforma)


def test_the_function_asks_to_be_called_again() -> None:
    stage = approved(WANTED["cancelled"])
    run = billing.prepare(stage.ctx, request(stage))
    event = {"issuer_id": b.ISSUER, "run_id": run.run_id}
    with handlers.on(stage.ctx):
        assert handlers.call("open_window", event, left_ms=1) == {"outcome": "MORE"}
        assert handlers.call("open_window", event) == {"outcome": "OPEN", "members": SESSIONS}
    left = adjustments.outstanding_each(
        stage.ctx, b.ISSUER, list(billing.locked_sessions(stage.ctx, b.ISSUER, f"{b.CONTRACT}.2026-10.CLOSE"))
    )
    assert {amount.amount_minor for _, amount in left} == {0}
