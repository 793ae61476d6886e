"""A partner that pays all but what it disputed: told as that, and not dunned until somebody decides (product.md A3)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from roamclear.billing.model import Document
from roamclear.contracts.model import VatCategory, VatTreatment
from roamclear.disputes import service as disputes
from roamclear.disputes.model import Claim, Dispute, Reason
from roamclear.facts import service as facts
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionType
from roamclear.kernel.writes import Table
from tests.integration.test_close import close_run, open_run, push, start
from tests.support import builders as b
from tests.support import memory_stage
from tests.support.bank_files import Ntry, Stmt, Tx, camt
from tests.support.corrections import INVOICE, credited, document, euros, facts_told, ref
from tests.support.moto_stack import Stage
from tests.support.receivables import drop, open_exceptions

STANDARD = VatTreatment(category=VatCategory.STANDARD, rate_percent=Decimal(19))
DISPUTED = ("SHORT_PAY_DISPUTED", INVOICE)


@pytest.fixture
def stage() -> Iterator[Stage]:
    """October with three sessions of 8.30, of which two are disputed by 3.00 and 1.11 and billed whole all the same."""
    with memory_stage.stage() as made:
        start(made, vat=STANDARD, unanswered_policy="BILL", on_cpo_silence="REJECT")
        for number in (1, 2, 3):
            push(made, b.cdr(number))
        run = open_run(made)
        claim(made, 1, 300)
        claim(made, 2, 111)
        close_run(made, run)
        facts_told(made.ctx, made)
        made.clock.set(datetime(2026, 11, 10, tzinfo=UTC))
        yield made


def claim(stage: Stage, number: int, minor: int) -> Dispute:
    wanted = Claim(cdr_ref=ref(number), reason=Reason.PRICE_NOT_AS_AGREED, claimed=euros(minor))
    return disputes.file(stage.ctx, b.emsp_user(), b.ISSUER, wanted)


def paid(stage: Stage, minor: int, *, opening: str = "1000.00", serial: int = 1) -> Document:
    """A payment of so many cents that names the invoice."""
    amount = f"{Decimal(minor) / 100:.2f}"
    entry = Ntry(amount, ref=f"B{serial}", txs=[Tx(amount, text=(INVOICE,))])
    day = f"2026-11-0{serial + 2}"
    drop(stage.ctx, camt(Stmt([entry], id=f"S{serial}", number=str(serial), opening=opening, day=day)))
    return document(stage, INVOICE)


def overdue(stage: Stage) -> list[str]:
    facts.nightly(stage.ctx, lambda *fault: pytest.fail(str(fault)))
    rows = stage.ctx.db.rows(Table.CLEARING, f"{b.ISSUER}#OUTBOX")
    return [row["subject"] for row in rows if row["fact"] == "invoice.overdue"]


@pytest.mark.parametrize("left", [411, 411 + 78])
def test_all_but_the_disputed_part_is_told_as_that_and_not_dunned(stage: Stage, left: int) -> None:
    """4.11 are disputed; 19 % of it are 0.78."""
    gross = document(stage, INVOICE).gross.amount_minor
    assert gross == 2963
    header = paid(stage, gross - left)
    assert header.open_amount == euros(left)
    assert open_exceptions(stage.ctx) == [DISPUTED]
    stage.clock.set(datetime(2026, 12, 31, tzinfo=UTC))
    assert overdue(stage) == []
    kind = ExceptionType.SHORT_PAY_DISPUTED
    journal.resolve_by_hand(stage.ctx, b.actor("FINANCE"), b.ISSUER, kind, INVOICE, "the claims were refused")
    assert overdue(stage) == [INVOICE]


@pytest.mark.parametrize(("withdrawn", "left", "kind"), [
    (False, 410, "SHORT_PAY"), (True, 411, "SHORT_PAY"), (True, 300, "SHORT_PAY_DISPUTED"),
])  # fmt: skip
def test_another_amount_and_what_was_withdrawn_are_short_payments(
    stage: Stage, *, withdrawn: bool, left: int, kind: str
) -> None:
    if withdrawn:
        disputes.withdraw(stage.ctx, b.emsp_user(), b.ISSUER, disputes.dispute_id(ref(2)))
    paid(stage, 2963 - left)
    assert open_exceptions(stage.ctx) == [(kind, INVOICE)]
    stage.clock.set(datetime(2026, 12, 31, tzinfo=UTC))
    assert overdue(stage) == ([INVOICE] if kind == "SHORT_PAY" else [])


def test_refused_claims_are_disputed_still_alone_or_with_those_that_wait(stage: Stage) -> None:
    disputes.reject(stage.ctx, b.actor("DISPUTE_AGENT"), b.ISSUER, disputes.dispute_id(ref(1)), answer="no")
    paid(stage, 2963 - 357)
    assert open_exceptions(stage.ctx) == [DISPUTED]


def test_a_second_payment_that_leaves_the_disputed_part_says_so_and_the_last_one_ends_it(stage: Stage) -> None:
    paid(stage, 1000)
    assert open_exceptions(stage.ctx) == [("SHORT_PAY", INVOICE)]
    paid(stage, 2963 - 1000 - 411, opening="1010.00", serial=2)
    assert open_exceptions(stage.ctx) == [DISPUTED]
    paid(stage, 411, opening=f"{Decimal(100000 + 2963 - 411) / 100:.2f}", serial=3)
    assert open_exceptions(stage.ctx) == []


def test_a_credit_of_the_part_ends_it(stage: Stage) -> None:
    paid(stage, 2963 - 489)
    credited(stage, amount=euros(411))
    assert document(stage, INVOICE).open_amount == euros(0)
    assert open_exceptions(stage.ctx) == []
