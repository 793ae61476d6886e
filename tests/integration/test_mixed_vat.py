"""Categories of one run that cancel out in the net still owe their VAT; a stuck run's revenue is in the proof."""

from __future__ import annotations

from decimal import Decimal

import pytest

from roamclear.billing import proof, store, sums
from roamclear.billing import service as billing
from roamclear.billing.model import RunState
from roamclear.cdrs import service as cdrs
from roamclear.cdrs.pricing import mirrored
from roamclear.contracts.model import VatCategory, VatTreatment
from roamclear.documents.checks import missing
from roamclear.kernel.errors import ConditionFailed
from roamclear.kernel.money import Money
from tests.integration.test_close import close_run, open_run, push, start
from tests.support import builders as b
from tests.support.moto_stack import Stage

STANDARD = VatTreatment(category=VatCategory.STANDARD, rate_percent=Decimal(19))


def test_a_net_of_zero_still_owes_its_vat(stage: Stage) -> None:
    start(stage, vat=STANDARD)
    ref = push(stage, b.cdr(1))
    known = cdrs.session(stage.ctx, b.ISSUER, ref)
    assert known is not None
    rating = cdrs.rating(stage.ctx, b.ISSUER, ref, 1)
    assert rating is not None
    rows = [(known, rating, "PERIOD")]
    free = known.model_copy(update={"vat_category": "AE", "vat_rate_percent": Decimal(0)})
    undone = rating.model_copy(update={"net": -rating.net, "lines": mirrored(rating.lines)})
    assert sums.of([*rows, (free, undone, "ADJUSTMENT")], "EUR").lines.balance() == (0, 158)
    assert sums.of([*rows, (known, undone, "ADJUSTMENT")], "EUR").lines.balance() == (0, 0)


def test_revenue_of_a_run_that_stopped_behind_its_number_is_proved(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(stage)
    push(stage, b.cdr(1))
    run = open_run(stage)
    real = store.run_update

    def dies(known, states, **columns):  # type: ignore[no-untyped-def]
        if columns.get("state") is RunState.ISSUED:
            raise ConditionFailed("died behind the number", table="clearing")
        return real(known, states, **columns)

    monkeypatch.setattr(store, "run_update", dies)
    with pytest.raises(ConditionFailed):
        close_run(stage, run)
    found = {e.name: e for e in proof.equations(stage.ctx, b.ISSUER)}
    equation = found["documents = revenue, net"]
    assert (equation.left, equation.right) == (830, 830)
    assert "locked sessions = documents, net" not in found
    monkeypatch.undo()
    done = billing.issue(stage.ctx, b.ISSUER, run.run_id, missing)
    assert done.numbers == ("VW-2026-000001",)
    assert billing.document(stage.ctx, b.ISSUER, done.numbers[0]).net == Money(830, "EUR")
    assert all(e.holds for e in proof.equations(stage.ctx, b.ISSUER))
