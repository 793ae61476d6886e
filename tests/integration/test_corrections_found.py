"""Faults of corrections that the year of ``tests/stateful/test_year.py`` found, each by its name."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from roamclear.billing import issue, store
from roamclear.billing import service as billing
from roamclear.billing.corrections import Wanted, approve, prepare
from roamclear.billing.model import RunRequest
from roamclear.billing.parts import Part, Rows
from roamclear.billing.sums import Sums
from roamclear.cdrs import backdating
from roamclear.cdrs import service as cdrs
from roamclear.cdrs.model import Billing
from roamclear.contracts import backdated
from roamclear.contracts.fees import Fee, FeeCharge, FeeKind
from roamclear.contracts.model import VatCategory, VatTreatment
from roamclear.contracts.proposals import Proposal
from roamclear.documents.checks import missing
from roamclear.documents.cii import write_cii
from roamclear.facts import service as facts
from roamclear.packages import lists
from tests.integration.test_close import close_run, open_run, push, start
from tests.support import builders as b
from tests.support import memory_stage
from tests.support.corrections import (
    CHECKER,
    INVOICE,
    MAKER,
    credited,
    document,
    euros,
    facts_told,
    invoiced,
    november,
    play,
    proved,
    ref,
    session,
)
from tests.support.fonts import with_fonts
from tests.support.moto_stack import Stage
from tests.unit.cdrs import month as m

STANDARD = VatTreatment(category=VatCategory.STANDARD, rate_percent=Decimal(19))
BASE = Fee(
    code="BASE", name="Base", kind=FeeKind.MONTHLY, price=Decimal("49.00"), vat=STANDARD, without_sessions=True
)  # fmt: skip


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A stage in memory with fonts."""
    with memory_stage.stage() as made:
        with_fonts(made.ctx)
        yield made


def withdrawal(number: int) -> dict[str, Any]:
    """The credit CDR of a session of the builders."""
    original = b.cdr(number)
    total = {"excl_vat": -original["total_cost"]["excl_vat"]}
    credit = {"id": f"{original['id']}-C", "credit": True, "credit_reference_id": original["id"]}
    return original | credit | {"total_cost": total}


def propose(stage: Stage, kwh: str) -> Proposal:
    """A price per kWh since the first day."""
    return backdated.propose(
        stage.ctx, MAKER, b.ISSUER, b.CONTRACT, valid_from=date(2026, 10, 1), terms=b.terms(grid=m.grid(kwh)),
        reason="agreed at last",
    )  # fmt: skip


def _raise(row: Any, error: Exception) -> None:
    raise error


def cancelled_without_its_note(stage: Stage, *, at_once: bool = False) -> RunRequest:
    """A cancellation that bills again: its rows stand, its credit note has no number yet."""
    wanted = Wanted(number=INVOICE, reason="wrong buyer", bill_again=True, at_once=at_once)
    made = prepare(stage.ctx, MAKER, b.ISSUER, wanted)
    approve(stage.ctx, CHECKER, b.ISSUER, made.correction_id)
    facts_told(stage.ctx, stage)
    request = RunRequest(issuer_id=b.ISSUER, contract_id=b.CONTRACT, period=made.correction_id, kind="CORR")
    run = billing.prepare(stage.ctx, request)
    billing.open_window(stage.ctx, b.ISSUER, run.run_id)
    return request


def cancelled_with_a_credit_between(stage: Stage, *numbers: int, at_once: bool = False) -> None:
    """A cancellation that bills again, whose credit note waits while the CPO withdraws sessions."""
    cancelled_without_its_note(stage, at_once=at_once)
    for number in numbers:
        push(stage, withdrawal(number))
    play(stage.ctx, stage)


def test_a_session_that_is_withdrawn_while_its_document_is_cancelled_is_not_billed_again(stage: Stage) -> None:
    invoiced(stage)
    cancelled_with_a_credit_between(stage, 1)
    assert session(stage, f"{ref(1)}-C").billing is Billing.CREDITED
    run = november(stage)
    billed = {s.cdr_ref.split("~")[0] for s, _ in billing.members(stage.ctx, run)}
    assert billed == {ref(2), ref(3)}
    assert sum(d.net.amount_minor for d in store.documents(stage.ctx.db, b.ISSUER)) == 2 * 830
    proved(stage)


def test_a_corrected_invoice_of_fees_alone_names_what_it_corrects(stage: Stage) -> None:
    invoiced(stage, sessions=1, vat=STANDARD, fees=(BASE,))
    cancelled_with_a_credit_between(stage, 1, at_once=True)
    corrected = document(stage, "VWK-2026-000001")
    model = billing.document_model(stage.ctx, corrected)
    assert corrected.net.amount_minor == 4900
    assert [p.number for p in model.preceding] == [INVOICE]
    assert missing(model) == []
    proved(stage)


def test_an_invoice_of_fees_alone_can_be_cancelled(stage: Stage) -> None:
    start(stage, vat=STANDARD, fees=(BASE,))
    close_run(stage, open_run(stage))
    facts_told(stage.ctx, stage)
    credited(stage)
    note = billing.document_model(stage.ctx, document(stage, "VWC-2026-000001"))
    assert [p.number for p in note.preceding] == [INVOICE]
    assert (note.totals.net.amount_minor, missing(note)) == (4900, [])
    assert cdrs.sessions(stage.ctx, b.ISSUER, [ref(1)]) == {}
    proved(stage)


def test_a_list_says_what_was_left_before_each_correction(stage: Stage) -> None:
    """An amount first, then the rest: 8.30, 7.30 and nothing, not 8.30 twice."""
    invoiced(stage, sessions=1)
    credited(stage, amount=euros(100))
    credited(stage)
    told = []
    for number in ("VWC-2026-000001", "VWC-2026-000002"):
        run = billing.run(stage.ctx, b.ISSUER, document(stage, number).run_id)
        source = billing.parts(stage.ctx, run)[0]
        rows = [row for _, row in lists.drawn(stage.ctx, run, source, None, "CONTRACT_GRID")]
        told += [(row.original.amount_minor, row.corrected.amount_minor, row.net.amount_minor) for row in rows]
    assert told == [(830, 730, -100), (730, 0, -730)]


def test_lines_of_earlier_periods_say_when_they_were_supplied(stage: Stage) -> None:
    invoiced(stage, language="DE")
    credited(stage, amount=euros(100))
    (line,) = billing.document_model(stage.ctx, document(stage, "VWC-2026-000001")).lines
    assert (line.quantity, line.unit_price, line.description) == (Decimal(1), None, "05.10.2026")
    assert (line.period_start, line.period_end) == (None, None)


def test_a_price_of_past_days_waits_for_a_session_between_cancellation_and_return(stage: Stage) -> None:
    invoiced(stage, sessions=1)
    request = cancelled_without_its_note(stage)
    done = m.agreed(stage, proposed := propose(stage, "0.31"), m.looked(stage, proposed), ("one", "two"))
    for _ in range(2):
        facts_told(stage.ctx, stage)
        stage.clock.advance(timedelta(minutes=6))
        facts.sweep(stage.ctx, _raise)
    play(stage.ctx, stage)
    m.finished(stage, backdating.job_id(done))
    assert billing.run(stage.ctx, b.ISSUER, request.run_id).state != "GRACE"
    november(stage)
    assert sum(d.net.amount_minor for d in store.documents(stage.ctx.db, b.ISSUER)) == 670
    proved(stage)


@pytest.mark.parametrize(("standard", "reverse", "code"), [(-10000, 10100, "381"), (10000, -10100, "380")])
def test_what_is_to_be_paid_decides_between_invoice_and_credit_note(
    stage: Stage, standard: int, reverse: int, code: str
) -> None:
    """Net and VAT of mixed categories may differ in sign."""
    invoiced(stage, sessions=1)
    run = billing.every_run(stage.ctx, b.ISSUER)[0]
    parts = [(standard, STANDARD), (reverse, VatTreatment(category=VatCategory.REVERSE_CHARGE, reason="Art. 196"))]
    fees = [
        FeeCharge(
            code="TX", name="Fee", kind=FeeKind.MONTHLY, quantity=Decimal(1 if net > 0 else -1), net=euros(net),
            contract_version=1, vat_category=vat.category.value, vat_rate=vat.rate_percent,
            first=run.first, end=run.end,
        )
        for net, vat in parts
    ]  # fmt: skip
    nothing = Part(Rows(stage.ctx, (), False), Sums(run.currency), fees)
    assert issue._type_of(run, nothing, b.terms()) == code


def test_a_credit_note_asks_for_no_payment(stage: Stage) -> None:
    """Neither due date nor reference nor account, as the PDF says it."""
    invoiced(stage)
    credited(stage, amount=euros(100))
    for number, asks in ((INVOICE, True), ("VWC-2026-000001", False)):
        xml = write_cii(billing.document_model(stage.ctx, document(stage, number))).decode()
        for name in ("DueDateDateTime", "PaymentReference", "IBANID"):
            assert (name in xml) is asks, (number, name)
