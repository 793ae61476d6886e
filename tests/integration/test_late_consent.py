"""A CDR after the late limit is billed only when CPO and eMSP both agreed (product.md row 50)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from roamclear.cdrs import service as cdrs
from roamclear.cdrs.model import Billing
from roamclear.identity.model import Role
from roamclear.journal import service as journal
from roamclear.kernel.errors import Conflict, Forbidden, NotFound
from tests.integration import test_close as month
from tests.support import builders as b
from tests.support import crashing, memory_stage
from tests.support.moto_stack import Stage

CPO, EMSP = b.actor(Role.FINANCE), b.emsp_user()
WHY = "the charger was offline; we agreed by phone"


@pytest.fixture
def late() -> tuple[Stage, str]:
    """A session of October that came in February."""
    stage = memory_stage.fresh()
    month.start(stage)
    ref = month.push(stage, b.cdr(1), datetime(2027, 2, 1, tzinfo=UTC))
    assert month.state(stage, ref)[0] is Billing.TOO_LATE
    return stage, ref


@pytest.mark.parametrize("sides", [(CPO, EMSP), (EMSP, CPO)])
def test_both_sides_free_it_in_either_order(late: tuple[Stage, str], sides: tuple[object, object]) -> None:
    stage, ref = late
    first, second = sides
    for _ in range(2):
        told = cdrs.consent(stage.ctx, first, b.ISSUER, ref, WHY)  # type: ignore[arg-type]
        assert len(told["consents"]) == 1  # type: ignore[arg-type]
        assert month.state(stage, ref)[0] is Billing.TOO_LATE
    assert cdrs.consent(stage.ctx, second, b.ISSUER, ref, WHY)["consents"] == ["CPO", "EMSP"]  # type: ignore[arg-type]
    assert month.state(stage, ref)[0] is Billing.VERIFIED
    assert [e for e in journal.listed(stage.ctx, CPO, b.ISSUER) if e.kind.value == "TOO_LATE"] == []
    with pytest.raises(Conflict):
        cdrs.consent(stage.ctx, CPO, b.ISSUER, ref, WHY)


def test_others_have_no_say(late: tuple[Stage, str]) -> None:
    stage, ref = late
    with pytest.raises(NotFound):
        cdrs.consent(stage.ctx, b.emsp_user("C-OTHER"), b.ISSUER, ref, WHY)
    with pytest.raises(Forbidden):
        cdrs.consent(stage.ctx, b.actor(Role.VIEWER), b.ISSUER, ref, WHY)


@pytest.mark.parametrize("left", range(4))
@pytest.mark.parametrize("after", [False, True])
def test_a_death_in_between_is_repaired(late: tuple[Stage, str], left: int, after: bool) -> None:
    stage, ref = late
    cdrs.consent(stage.ctx, EMSP, b.ISSUER, ref, WHY)
    with crashing.survives():
        cdrs.consent(crashing.mortal(stage.ctx, crashing.Fuse(left, after)), CPO, b.ISSUER, ref, WHY)
    if month.state(stage, ref)[0] is Billing.TOO_LATE:
        cdrs.consent(stage.ctx, CPO, b.ISSUER, ref, WHY)
    stage.clock.advance(timedelta(days=1))
    cdrs.retry_waiting(stage.ctx, b.ISSUER, b.CONTRACT)
    assert month.state(stage, ref)[0] is Billing.VERIFIED
