"""Steps of the close that run out of time: they stop between two pieces and the next call goes on (platform.md 3)."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from roamclear.billing import proof
from roamclear.billing import service as billing
from roamclear.billing.model import RunState
from roamclear.cdrs import service as cdrs
from roamclear.cdrs.model import Billing
from roamclear.documents.checks import missing
from roamclear.facts import service as facts
from roamclear.kernel.money import Money
from roamclear.payouts import pieces as payout_pieces
from roamclear.payouts import service as payouts
from roamclear.payouts import store as payout_store
from tests.integration import test_close as month
from tests.support import builders as b
from tests.support import handlers, memory_stage
from tests.support.crashing import Fuse, mortal, survives
from tests.support.moto_stack import Stage

#: More than two pieces of 99 that join at once.
SESSIONS = 210


@pytest.fixture
def made() -> Iterator[Stage]:
    with memory_stage.stage() as stage:
        month.start(stage)
        refs = [f"DE*VWK*E{n:03d}" for n in range(1, 8)]
        b.found_own_account(stage.ctx, evses=tuple(refs))
        for number in range(1, SESSIONS + 1):
            raw = b.cdr(number, evse=refs[number % 7], start=month.datetime(2026, 10, 1, 8, tzinfo=month.UTC)
                        + month.timedelta(hours=2 * number))  # fmt: skip
            month.push(stage, raw)
        stage.clock.set(month.OPENS)
        yield stage


def opened(stage: Stage) -> str:
    """A run whose window is open."""
    run_id = billing.prepare(stage.ctx, month.REQUEST).run_id
    assert billing.open_window(stage.ctx, b.ISSUER, run_id).state is RunState.WINDOW
    return run_id


def in_state(stage: Stage, run_id: str, state: Billing) -> int:
    run = billing.run(stage.ctx, b.ISSUER, run_id)
    return sum(session.billing is state for session, _ in billing.members(stage.ctx, run))


def pieces(number: int) -> Iterator[bool]:
    """Time for so many looks at the clock, then none."""
    yield from [True] * number
    while True:
        yield False


def test_an_opening_that_runs_out_of_time_goes_on(made: Stage) -> None:
    run_id = billing.prepare(made.ctx, month.REQUEST).run_id
    first = billing.open_window(made.ctx, b.ISSUER, run_id, lambda: False)
    assert (first.state, in_state(made, run_id, Billing.IN_WINDOW)) == (RunState.GRACE, 99)
    assert made.mail.sent == []
    made.clock.set(month.OPENS + month.timedelta(minutes=3))
    late = b.cdr(900, evse="DE*VWK*E001", start=month.datetime(2026, 10, 30, 1, tzinfo=month.UTC))
    month.push(made, late)
    done = billing.open_window(made.ctx, b.ISSUER, run_id)
    # What became VERIFIED after the opening instant is no member, however many calls the opening took.
    assert (done.state, done.members, done.proforma) == (RunState.WINDOW, SESSIONS, Money(830 * SESSIONS, "EUR"))
    assert (done.opened_at_utc, done.closes_at_utc) == (month.OPENS, month.CLOSES)
    assert len(made.mail.sent) == 1


def test_a_lock_that_runs_out_of_time_goes_on(made: Stage) -> None:
    run_id = opened(made)
    made.clock.set(month.CLOSES + month.timedelta(seconds=61))
    clock = pieces(30)
    first = billing.lock(made.ctx, b.ISSUER, run_id, lambda: next(clock))
    assert (first.state, first.locked_at_utc) == (RunState.LOCKING, None)
    assert (in_state(made, run_id, Billing.LOCKED), in_state(made, run_id, Billing.IN_WINDOW)) == (30, SESSIONS - 30)
    clock = pieces(SESSIONS - 30)
    # All are flagged, and there is no time left for the one pass over them.
    assert billing.lock(made.ctx, b.ISSUER, run_id, lambda: next(clock)).state is RunState.LOCKING
    assert in_state(made, run_id, Billing.LOCKED) == SESSIONS
    done = billing.lock(made.ctx, b.ISSUER, run_id)
    assert (done.state, done.locked, done.locked_net) == (RunState.LOCKED, SESSIONS, Money(830 * SESSIONS, "EUR"))
    billing.issue(made.ctx, b.ISSUER, run_id, missing)
    assert all(e.holds for e in proof.equations(made.ctx, b.ISSUER))


def test_the_root_is_the_same_in_one_call_or_in_many(made: Stage) -> None:
    run_id = opened(made)
    made.clock.set(month.CLOSES + month.timedelta(seconds=61))
    states = []
    for _ in range(3):
        clock = pieces(100)
        states.append(billing.lock(made.ctx, b.ISSUER, run_id, lambda: next(clock)).state)  # noqa: B023
    found = billing.run(made.ctx, b.ISSUER, run_id)
    kept = made.ctx.objects.get("archive", f"{b.ISSUER}/locks/{run_id}.json")
    assert kept is not None
    manifest = json.loads(kept)
    assert states == [RunState.LOCKING, RunState.LOCKING, RunState.LOCKED]
    assert (manifest["root"], len(manifest["members"])) == (found.manifest, SESSIONS)
    assert found.routes[0].count == SESSIONS


def test_the_functions_ask_to_be_called_again(made: Stage) -> None:
    run_id = billing.prepare(made.ctx, month.REQUEST).run_id
    event = {"issuer_id": b.ISSUER, "run_id": run_id}
    with handlers.on(made.ctx):
        assert handlers.call("open_window", event, left_ms=1) == {"outcome": "MORE"}
        assert handlers.call("open_window", event) == {"outcome": "OPEN", "members": SESSIONS}
        made.clock.set(month.CLOSES + month.timedelta(seconds=61))
        assert handlers.call("lock_sessions", event, left_ms=1) == {"outcome": "MORE"}
        assert handlers.call("lock_sessions", event)["outcome"] == "LOCKED"
    assert cdrs.session(made.ctx, b.ISSUER, "DEVWK*CDR-000001") is not None


def locked(stage: Stage) -> str:
    """A run that is locked, its facts not yet answered."""
    run_id = opened(stage)
    stage.clock.set(month.CLOSES + month.timedelta(seconds=61))
    billing.lock(stage.ctx, b.ISSUER, run_id)
    return run_id


def sums(stage: Stage, run_id: str) -> tuple[list[object], int]:
    """What stands of a run: the sums of the account, and its lines."""
    found = payout_store.accruals(stage.ctx.db, b.ISSUER, "OWN-1")
    lines = list(payout_store.lines(stage.ctx.db, b.ISSUER, "OWN-1", run_id))
    return [(a.sessions, a.energy_kwh, a.gross, a.own, a.first_stop_utc, a.last_stop_utc) for a in found], len(lines)


@pytest.mark.parametrize("size", [40, 70, 211])
def test_shares_come_piece_by_piece_with_one_sum(made: Stage, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(payout_pieces, "PIECE", size)
    run_id = locked(made)
    made.clock.set(month.CLOSES + month.timedelta(minutes=5))
    answered = 0
    while done := facts.answer_waiting(made.ctx, b.ISSUER, made.clock.now(), pytest.fail):
        answered += done
        made.clock.set(made.clock.now() + month.timedelta(minutes=1))
    found, lines = sums(made, run_id)
    first, last = (month.datetime(2026, 10, 1, 9, tzinfo=month.UTC) + month.timedelta(hours=2 * n) for n in (1, 210))
    assert lines == SESSIONS
    whole = Money(830 * SESSIONS, "EUR")
    assert found == [(SESSIONS, SESSIONS * 20, whole, whole, first, last)]
    assert answered >= SESSIONS // size


def test_a_crash_between_two_pieces_loses_and_doubles_nothing(made: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(payout_pieces, "PIECE", 40)
    run_id = locked(made)
    for effect in (0, 10, 39, 40, 41, 60, 120):
        for after in (False, True):
            with survives():
                while not payouts.accrue_piece(mortal(made.ctx, Fuse(effect, after)), b.ISSUER, run_id):
                    assert sums(made, run_id)[0] == []
    while not payouts.accrue_piece(made.ctx, b.ISSUER, run_id):
        pass
    found, lines = sums(made, run_id)
    assert (len(found), lines, payouts.accrue_run(made.ctx, b.ISSUER, run_id)) == (1, SESSIONS, SESSIONS)
    assert sums(made, run_id) == (found, SESSIONS)
