"""Closes of many contracts that end together are started some at a time, and none is missed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from roamclear.billing import runs
from roamclear.billing import service as billing
from roamclear.journal import service as journal
from roamclear.kernel.context import Row
from roamclear.kernel.errors import Unavailable
from tests.support import builders as b
from tests.support import memory_stage
from tests.support.moto_stack import Stage

CONTRACTS = 25


@pytest.fixture
def many() -> Stage:
    """Contracts whose October and November ended."""
    stage = memory_stage.fresh()
    b.found_issuer(stage.ctx)
    for number in range(CONTRACTS):
        b.found_contract(stage.ctx, f"C-{number:03d}", party_ids=(f"NLR{number:02d}",))
    stage.clock.set(datetime(2026, 12, 1, 5, tzinfo=UTC))
    return stage


def names(*periods: str) -> set[str]:
    return {f"{b.ISSUER}.C-{n:03d}.{period}.CLOSE" for n in range(CONTRACTS) for period in periods}


def test_a_call_starts_so_many_the_oldest_periods_first(many: Stage) -> None:
    calls = []
    while started := billing.start_due(many.ctx, 10):
        calls.append(started)
    assert [len(call) for call in calls] == [10, 10, 10, 10, 10]
    every = [name for call in calls for name in call]
    assert set(every[:CONTRACTS]) == names("2026-10")
    assert set(every[CONTRACTS:]) == names("2026-11")
    assert every[:CONTRACTS] != sorted(every[:CONTRACTS]), "no contract is last by its name"


def test_two_callers_at_once_start_each_close_once(many: Stage) -> None:
    started = [*billing.start_due(many.ctx, 30), *billing.start_due(many.ctx, 30)]
    assert len(started) == len(set(started)) == 2 * CONTRACTS
    assert set(started) == names("2026-10", "2026-11")


def test_one_that_cannot_be_started_stops_no_other_and_is_tried_again(
    many: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, lost = many.workflows.start_close, f"{b.ISSUER}.C-007.2026-10.CLOSE"

    def start_close(name: str, payload: Row) -> bool:
        if name == lost:
            raise Unavailable("the service did not answer")
        return real(name, payload)

    with monkeypatch.context() as patch:
        patch.setattr(many.workflows, "start_close", start_close)
        first = billing.start_due(many.ctx)
    assert set(first) == names("2026-10", "2026-11") - {lost}
    (told,) = journal.listed(many.ctx, b.actor("FINANCE"), b.ISSUER)
    assert (told.kind.value, told.partner) == ("PROCESSING_FAILED", "C-007")
    assert billing.start_due(many.ctx) == [lost]


def test_what_has_a_run_is_not_counted(many: Stage) -> None:
    for number in range(5):
        billing.prepare(many.ctx, runs.RunRequest(issuer_id=b.ISSUER, contract_id=f"C-{number:03d}", period="2026-10"))
    assert len(billing.start_due(many.ctx, 20)) == 20
    assert len(billing.start_due(many.ctx)) == 2 * CONTRACTS - 5 - 20
