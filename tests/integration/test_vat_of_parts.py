"""A part of a price bears the VAT of what it is a part of, where a contract treats components apart (row 131)."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest

from roamclear.billing import service as billing
from roamclear.contracts.model import VatCategory, VatRule, VatTreatment
from roamclear.disputes import service as disputes
from tests.integration.test_close import close_run
from tests.integration.test_undisputed_part import AGENT, claim, opened
from tests.support import builders as b
from tests.support import memory_stage
from tests.support.corrections import INVOICE, credited, document, euros, facts_told, november, proved
from tests.support.moto_stack import Stage

FULL = VatTreatment(category=VatCategory.STANDARD, rate_percent=Decimal(19))
LOWER = VatTreatment(category=VatCategory.STANDARD, rate_percent=Decimal(7), reason="reduced rate of energy")
#: Of a session of 8.30 the energy is 7.80 at 7 percent, the rest 0.50 at 19: of 3.00 that is 2.82 and 0.18.
APART = {"vat": FULL, "vat_rules": (VatRule(component="ENERGY", treatment=LOWER),)}


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A stage in memory."""
    with memory_stage.stage() as made:
        yield made


def taxable(stage: Stage, number: str) -> dict[int, int]:
    """Taxable amounts of a document in cents, by rate."""
    model = billing.document_model(stage.ctx, document(stage, number))
    return {int(row.rate): row.taxable.amount_minor for row in model.vat}


def test_what_is_withheld_and_its_rest(stage: Stage) -> None:
    run = opened(stage, **APART)
    made = claim(stage)
    close_run(stage, run)
    facts_told(stage.ctx, stage)
    assert taxable(stage, INVOICE) == {7: 1560 - 282, 19: 100 - 18}
    disputes.reject(stage.ctx, AGENT, b.ISSUER, made.dispute_id, answer="no")
    facts_told(stage.ctx, stage)
    assert taxable(stage, november(stage).numbers[0]) == {7: 282, 19: 18}
    proved(stage)


def test_what_is_granted(stage: Stage) -> None:
    run = opened(stage, **APART)
    disputes.accept(stage.ctx, AGENT, b.ISSUER, claim(stage).dispute_id)
    close_run(stage, run)
    facts_told(stage.ctx, stage)
    assert taxable(stage, INVOICE) == {7: 1560 - 282, 19: 100 - 18}
    proved(stage)


def test_an_amount_that_is_credited(stage: Stage) -> None:
    close_run(stage, opened(stage, **APART))
    facts_told(stage.ctx, stage)
    made = credited(stage, amount=euros(600))
    assert taxable(stage, made.note or "") == {7: 564, 19: 36}
    credited(stage)
    assert document(stage, INVOICE).open_amount == euros(0)
    proved(stage)
