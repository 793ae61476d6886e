"""An exception stands once per business key."""

from __future__ import annotations

import pytest

from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionType
from roamclear.kernel.errors import Forbidden, NotFound
from roamclear.kernel.money import Money
from tests.support import builders as b
from tests.support import memory_stage

KIND = ExceptionType.SHORT_PAY


def test_raised_once_resolved_once() -> None:
    with memory_stage.stage() as stage:
        ctx = stage.ctx
        for expected in (True, False, False):
            raised = journal.raise_once(
                ctx, b.ISSUER, KIND, "VW-1", "short", expected=Money(500, "EUR"), received=Money(300, "EUR")
            )
            assert raised is expected
        (row,) = journal.listed(ctx, b.actor("VIEWER"), b.ISSUER)
        assert (row.gap, row.state) == (Money(200, "EUR"), "OPEN")
        assert journal.resolve(ctx, b.ISSUER, KIND, "VW-1", by="ada", reason="paid")
        assert not journal.resolve(ctx, b.ISSUER, KIND, "VW-1", by="ada", reason="paid")
        assert journal.listed(ctx, b.actor("VIEWER"), b.ISSUER) == []
        (closed,) = journal.listed(ctx, b.actor("VIEWER"), b.ISSUER, "RESOLVED")
        assert (closed.resolved_by, closed.resolution) == ("ada", "paid")


def test_who_may() -> None:
    with memory_stage.stage() as stage:
        journal.raise_once(stage.ctx, b.ISSUER, KIND, "VW-1", "short")
        with pytest.raises(Forbidden):
            journal.listed(stage.ctx, b.emsp_user(), b.ISSUER)
        with pytest.raises(Forbidden):
            journal.resolve_by_hand(stage.ctx, b.actor("VIEWER"), b.ISSUER, KIND, "VW-1", "no")
        with pytest.raises(NotFound):
            journal.resolve_by_hand(stage.ctx, b.actor("FINANCE"), b.ISSUER, KIND, "VW-2", "no")
        done = journal.resolve_by_hand(stage.ctx, b.actor("FINANCE"), b.ISSUER, KIND, "VW-1", "written off")
        assert (done.state, done.resolved_by) == ("RESOLVED", "finance")
