"""What two workers at once, or an event that comes twice or late, must not do: each on the smallest interleaving."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from roamclear.cdrs import proof as cdrs_proof
from roamclear.cdrs import service as cdrs
from roamclear.cdrs.model import Receipt
from roamclear.facts import proof
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionType
from roamclear.kernel.context import Context
from roamclear.ledger.proof import Equation
from tests.integration import test_close as month
from tests.support import builders as b
from tests.support import memory_stage
from tests.support.moto_stack import Stage


@pytest.fixture
def stage() -> Iterator[Stage]:
    """An issuer with a contract, in memory."""
    with memory_stage.stage() as made:
        month.start(made)
        yield made


def meanwhile(monkeypatch: pytest.MonkeyPatch, where: Any, name: str, other: Callable[[], Any], *, after: bool) -> None:
    """Let another worker act once, before or after the next call of a function."""
    real = getattr(where, name)

    def with_another(*args: Any, **kwargs: Any) -> Any:
        monkeypatch.setattr(where, name, real)
        if not after:
            other()
        found = real(*args, **kwargs)
        if after:
            other()
        return found

    monkeypatch.setattr(where, name, with_another)


def received(stage: Stage, number: int) -> str:
    """A body that no stream has told of yet."""
    raw = b.cdr(number)
    stage.clock.set(datetime.fromisoformat(raw["end_date_time"]) + timedelta(minutes=5))
    body = b.body_of(raw, received=stage.clock.now())
    assert cdrs.receive(stage.ctx, body) is Receipt.NEW
    return body.cdr_ref


def opened(stage: Stage, kind: ExceptionType) -> list[str]:
    return [row.subject for row in journal.open_of(stage.ctx, b.ISSUER, kind)]


# ---- the proof -----------------------------------------------------------------------------------------------------
def test_a_body_that_came_this_moment_breaks_no_proof(stage: Stage) -> None:
    ref = received(stage, 1)
    assert [e for e in proof.prove(stage.ctx, b.ISSUER, (cdrs_proof.equations,)) if not e.holds] == []
    stage.clock.advance(cdrs_proof.SETTLE + timedelta(seconds=1))
    (equation,) = proof.prove(stage.ctx, b.ISSUER, (cdrs_proof.equations,))
    assert (equation.left, equation.right) == (1, 0)
    cdrs.process(stage.ctx, b.ISSUER, ref)
    (equation,) = proof.prove(stage.ctx, b.ISSUER, (cdrs_proof.equations,))
    assert (equation.left, equation.right) == (1, 1)


def test_who_posts_while_the_proof_reads_breaks_it_not(stage: Stage) -> None:
    """The left side is read before another worker posts, the right side after it."""
    posted, asked, paused = [1], [0], list[int]()

    def part(ctx: Context, issuer_id: str) -> list[Equation]:
        left = sum(posted)
        if asked[0] == 0:
            posted.append(1)
        asked[0] += 1
        return [Equation(name="posted", scope=issuer_id, unit="entries", left=left, right=sum(posted))]

    (equation,) = proof.prove(stage.ctx, b.ISSUER, (part,), pause=paused.append)
    assert equation.holds
    assert paused == [30]
    assert opened(stage, ExceptionType.PROOF_FAILED) == []


def test_an_equation_that_holds_in_either_reading_holds(stage: Stage) -> None:
    readings = iter([((1, 2), (3, 3)), ((1, 1), (3, 4)), ((1, 2), (3, 3)), ((1, 2), (3, 3))])

    def part(ctx: Context, issuer_id: str) -> list[Equation]:
        return [Equation(name=str(n), scope="", unit="", left=x, right=y) for n, (x, y) in enumerate(next(readings))]

    assert [e.holds for e in proof.equations(stage.ctx, b.ISSUER, (part,))] == [True, True]
    assert [e.holds for e in proof.equations(stage.ctx, b.ISSUER, (part,))] == [False, True]
