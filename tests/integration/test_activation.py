"""A contract that is cleared here from a day on: what stopped before is out of scope, and visible (product.md A3)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta

import pytest

from roamclear.cdrs import service as cdrs
from roamclear.cdrs.model import BEFORE_AUTO_FROM, Billing, Session
from roamclear.contracts import service as contracts
from roamclear.facts import proof as whole_proof
from roamclear.facts import service as facts
from roamclear.kernel.pages import Asked
from tests.integration.test_close import push, start
from tests.support import builders as b
from tests.support import memory_stage
from tests.support.corrections import facts_told, session
from tests.support.moto_stack import Stage

#: Midnight of 10 October in the contract's zone.
BEGINS = datetime.fromisoformat("2026-10-09T22:00:00+00:00")


@pytest.fixture
def stage() -> Iterator[Stage]:
    with memory_stage.stage() as made:
        start(made, auto_from=date(2026, 10, 10))
        yield made


def ended(stage: Stage, number: int, stop: datetime) -> Session:
    """A session of an hour that stopped then."""
    return session(stage, push(stage, b.cdr(number, start=stop - timedelta(hours=1))))


def published(stage: Stage, begins: date | None) -> None:
    contracts.publish(
        stage.ctx, b.actor("FINANCE"), b.ISSUER, b.CONTRACT, name="Ronde",
        valid_from=stage.clock.now().date() + timedelta(days=1), terms=b.terms(auto_from=begins),
    )  # fmt: skip
    facts_told(stage.ctx, stage)
    stage.clock.advance(timedelta(days=2))
    facts.nightly(stage.ctx, lambda *fault: pytest.fail(str(fault)))


def listed(stage: Stage) -> list[str]:
    viewer = b.actor("VIEWER")
    page = cdrs.unbilled_page(stage.ctx, viewer, b.ISSUER, Billing.OUT_OF_SCOPE, b.CONTRACT, Asked(limit=10))
    return [each.cdr_ref for each in page.items]


def test_the_day_begins_at_midnight_of_the_contract_and_counts_the_stop(stage: Stage) -> None:
    before, first = ended(stage, 1, BEGINS - timedelta(seconds=1)), ended(stage, 2, BEGINS)
    assert (before.billing, before.reasons, before.net) == (Billing.OUT_OF_SCOPE, (BEFORE_AUTO_FROM,), None)
    assert (first.billing, first.start_utc < BEGINS) == (Billing.VERIFIED, True)
    assert listed(stage) == [before.cdr_ref]
    assert [e for e in whole_proof.prove(stage.ctx, b.ISSUER) if not e.holds] == []


@pytest.mark.parametrize("begins", [date(2026, 10, 8), None])
def test_an_earlier_day_brings_in_what_is_in_scope_then(stage: Stage, begins: date | None) -> None:
    early, late = ended(stage, 1, BEGINS - timedelta(days=4)), ended(stage, 2, BEGINS - timedelta(hours=2))
    published(stage, begins)
    assert session(stage, late.cdr_ref).billing is Billing.VERIFIED
    kept = Billing.OUT_OF_SCOPE if begins else Billing.VERIFIED
    assert session(stage, early.cdr_ref).billing is kept
    assert listed(stage) == ([early.cdr_ref] if begins else [])


def test_a_later_day_leaves_what_is_verified_and_keeps_out_what_comes(stage: Stage) -> None:
    known = ended(stage, 1, BEGINS + timedelta(days=1))
    published(stage, date(2026, 11, 1))
    assert session(stage, known.cdr_ref).billing is Billing.VERIFIED
    assert ended(stage, 2, BEGINS + timedelta(days=2)).billing is Billing.OUT_OF_SCOPE
