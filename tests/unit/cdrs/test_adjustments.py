"""Corrections beside a locked session: once per key, never more than was billed, and what they leave to credit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from roamclear.cdrs import adjustments
from roamclear.cdrs import service as cdrs
from roamclear.cdrs.model import Billing, PricedLine, Session
from roamclear.kernel.errors import Conflict, InvalidInput
from roamclear.kernel.money import Money
from tests.integration.test_close import close_run, open_run, push, start, state
from tests.support import builders as b
from tests.support import crashing, memory_stage
from tests.support.moto_stack import Stage


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A stage in memory on which October is locked and invoiced: one session of 8.30."""
    with memory_stage.stage() as made:
        start(made)
        push(made, b.cdr(1))
        close_run(made, open_run(made))
        yield made


def locked(stage: Stage) -> Session:
    found = cdrs.session(stage.ctx, b.ISSUER, "DEVWK*CDR-000001")
    assert found is not None
    return found


def given(stage: Stage, key: str = "k1", *, by: int = 100, **changes: Any) -> Session:
    base: dict[str, Any] = {"lines": adjustments.amount(Money(by, "EUR")), "kind": "CREDIT", "reason": "goodwill"}
    return adjustments.adjust(stage.ctx, locked(stage), key=key, author="finance", **(base | changes))


def test_a_row_of_our_own_waits_for_the_next_run(stage: Stage) -> None:
    made = given(stage)
    assert (made.cdr_ref, made.credit_of) == ("DEVWK*CDR-000001~k1", "DEVWK*CDR-000001")
    assert (made.billing, made.net, made.source) == (Billing.VERIFIED, Money(-100, "EUR"), "ADJUSTMENT")
    assert made.available_at_utc is None
    assert (made.vat_category, made.contract_version) == (locked(stage).vat_category, locked(stage).contract_version)
    row = cdrs.rating(stage.ctx, b.ISSUER, made.cdr_ref, 1)
    assert row is not None
    assert (row.author, row.reason, row.net) == ("finance", "goodwill", Money(-100, "EUR"))
    assert adjustments.outstanding(stage.ctx, locked(stage)) == Money(730, "EUR")
    body, known, ratings = cdrs.trace(stage.ctx, b.actor("FINANCE"), b.ISSUER, made.cdr_ref)
    assert (body.cdr_ref, known, len(ratings)) == ("DEVWK*CDR-000001", made, 1)


def test_once_per_key(stage: Stage) -> None:
    assert given(stage) == given(stage)
    assert adjustments.outstanding(stage.ctx, locked(stage)) == Money(730, "EUR")
    with pytest.raises(Conflict, match="otherwise"):
        given(stage, by=200)


def test_never_more_than_was_billed(stage: Stage) -> None:
    given(stage, by=800)
    with pytest.raises(Conflict, match="more would be credited"):
        given(stage, "k2", by=31)
    given(stage, "k2", by=30)
    assert adjustments.everything(stage.ctx, locked(stage)) != ()
    assert not adjustments.outstanding(stage.ctx, locked(stage))


def test_everything_that_is_left_mirrors_the_lines(stage: Stage) -> None:
    given(stage, by=100)
    lines = adjustments.everything(stage.ctx, locked(stage))
    assert sum(line.amount.amount_minor for line in lines) == -730
    assert {line.component for line in lines} == {"ENERGY", "FLAT", "CREDIT"}
    made = given(stage, "k2", lines=lines)
    assert (made.net, made.energy_kwh) == (Money(-730, "EUR"), -locked(stage).energy_kwh)
    assert adjustments.everything(stage.ctx, locked(stage)) == ()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"key": "K1"}, "key"),
        ({"lines": ()}, "lines"),
        ({"lines": adjustments.amount(Money(1, "CHF"))}, "lines"),
    ],
)
def test_refuses_what_is_not_usable(stage: Stage, changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        given(stage, changes.pop("key", "k1"), **changes)
    assert refused.value.field == field


def test_only_locked_sessions_are_corrected(stage: Stage) -> None:
    push(stage, b.cdr(2))
    waiting = cdrs.session(stage.ctx, b.ISSUER, "DEVWK*CDR-000002")
    assert waiting is not None
    lines: tuple[PricedLine, ...] = adjustments.amount(Money(1, "EUR"))
    with pytest.raises(Conflict, match="not locked"):
        adjustments.adjust(stage.ctx, waiting, key="k1", lines=lines, kind="CREDIT", reason="r", author="a")


def test_a_credit_by_the_cpo_credits_what_is_left(stage: Stage) -> None:
    given(stage, by=100)
    original = b.cdr(1)
    credit = original | {
        "id": "CDR-000001-C",
        "credit": True,
        "credit_reference_id": original["id"],
        "total_cost": {"excl_vat": -original["total_cost"]["excl_vat"]},
    }
    ref = push(stage, credit)
    made = cdrs.session(stage.ctx, b.ISSUER, ref)
    assert made is not None
    assert (made.billing, made.net) == (Billing.VERIFIED, Money(-730, "EUR"))
    with pytest.raises(Conflict, match="more would be credited"):
        given(stage, "k2", by=1)


def test_a_session_that_was_credited_whole_has_nothing_left_for_a_credit(stage: Stage) -> None:
    given(stage, lines=adjustments.everything(stage.ctx, locked(stage)))
    original = b.cdr(1)
    total = {"excl_vat": -original["total_cost"]["excl_vat"]}
    credit = {"id": "CDR-000001-C", "credit": True, "credit_reference_id": original["id"], "total_cost": total}
    ref = push(stage, original | credit)
    assert state(stage, ref) == (Billing.CREDITED, ("CREDITED_BEFORE",))


def test_billed_again_after_a_cancellation(stage: Stage) -> None:
    partly = given(stage, by=100, borne=True)
    again: dict[str, Any] = {"key": "r1", "reason": "wrong buyer", "author": "finance"}
    elsewhere = partly.model_copy(update={"cdr_ref": "DEVWK*CDR-000001~other"})
    with pytest.raises(Conflict, match="still billed"):
        adjustments.bill_again(stage.ctx, locked(stage), elsewhere, **again)
    whole = given(stage, "k2", lines=adjustments.everything(stage.ctx, locked(stage)), borne=True)
    made = adjustments.bill_again(stage.ctx, locked(stage), whole, **again)
    assert adjustments.bill_again(stage.ctx, locked(stage), whole, **again) == made
    assert (made.net, made.energy_kwh) == (Money(730, "EUR"), locked(stage).energy_kwh)
    assert (made.replaces, made.credit_of, made.borne) == ("DEVWK*CDR-000001", None, True)
    assert adjustments.current(stage.ctx, locked(stage)) == made
    with pytest.raises(Conflict, match="billed anew already"):
        adjustments.bill_again(stage.ctx, locked(stage), whole, **(again | {"key": "r2"}))
    with pytest.raises(Conflict, match="another row"):
        given(stage, "k3", by=1)


@pytest.mark.parametrize("after", [False, True])
def test_a_crash_leaves_all_or_nothing(stage: Stage, after: bool) -> None:
    fuse = crashing.Fuse(left=0, after=after)
    with crashing.survives() as died:
        dying = crashing.mortal(stage.ctx, fuse)
        lines = adjustments.amount(Money(100, "EUR"))
        adjustments.adjust(dying, locked(stage), key="k1", lines=lines, kind="CREDIT", reason="goodwill", author="f")
    assert died
    given(stage)
    assert adjustments.outstanding(stage.ctx, locked(stage)) == Money(730, "EUR")
