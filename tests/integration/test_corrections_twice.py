"""Corrections of documents that hold corrections: nothing that is billed of a session is given back twice."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from roamclear.billing import service as billing
from roamclear.billing.corrections import Wanted, prepare
from roamclear.billing.model import Run
from roamclear.cdrs import adjustments, store
from roamclear.cdrs.model import Billing, Session
from roamclear.contracts.fees import Fee, FeeKind
from roamclear.contracts.model import VatCategory, VatTreatment
from roamclear.disputes import service as disputes
from roamclear.disputes.model import Claim, Dispute, Reason
from roamclear.documents.checks import missing
from roamclear.kernel.errors import Conflict
from tests.integration.test_close import push
from tests.integration.test_corrections_found import withdrawal
from tests.integration.test_corrections_whole import december
from tests.integration.test_undisputed_part import AGENT, REST, disputed, swept
from tests.support import builders as b
from tests.support import memory_stage
from tests.support.corrections import (
    INVOICE,
    MAKER,
    NOVEMBER,
    credited,
    document,
    euros,
    facts_told,
    invoiced,
    november,
    proved,
    ref,
    session,
)
from tests.support.moto_stack import Stage
from tests.unit.cdrs import month

SECOND = "VW-2026-000002"
STANDARD = VatTreatment(category=VatCategory.STANDARD, rate_percent=Decimal(19))
EACH = Fee(code="TX", name="Clearing", kind=FeeKind.PER_SESSION, price=Decimal("0.25"), vat=STANDARD)


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A stage in memory."""
    with memory_stage.stage() as made:
        yield made


def billed(stage: Stage, number: int = 1) -> int:
    """Everything that is billed of a session, itself and all rows behind it, in cents; it is what the sums say."""
    found: dict[str, Session] = {}
    waiting = [ref(number)]
    while waiting:
        row = session(stage, waiting.pop())
        found[row.cdr_ref] = row
        sums = store.adjusted(stage.ctx.db, b.ISSUER, row.cdr_ref)
        following = [*sums.refs, *([sums.successor] if sums.successor else [])]
        waiting += [each for each in following if each not in found]
    sum_ = sum(row.net.amount_minor for row in found.values() if row.net and row.billing is not Billing.INVALIDATED)
    now = adjustments.current(stage.ctx, session(stage, ref(number)))
    assert adjustments.outstanding(stage.ctx, now) == euros(sum_)
    return sum_


def rest_billed(stage: Stage, **contract: object) -> None:
    """October without 3.00 of its first session's 8.30, which November bills."""
    made = disputed(stage, **contract)
    disputes.reject(stage.ctx, AGENT, b.ISSUER, made.dispute_id, answer="no")
    facts_told(stage.ctx, stage)
    november(stage)
    assert billed(stage) == 830


def repriced(stage: Stage, kwh: str) -> None:
    """October at 0.39, which a version of past days prices otherwise in November."""
    invoiced(stage, sessions=2)
    b.backdate(stage.ctx, grid=month.grid(kwh), valid_from=date(2026, 10, 1))
    swept(stage)
    november(stage)


def test_one_document_of_a_session_and_its_rest_is_credited_once(stage: Stage) -> None:
    rest_billed(stage, min_invoice_minor=10_000, min_invoice_periods=1)
    assert document(stage, INVOICE).net == euros(1660)
    made = credited(stage)
    assert document(stage, made.note or "").net == euros(-1660)
    assert billed(stage) == 0
    proved(stage)


def test_one_document_of_a_session_and_its_rest_is_billed_again_once(stage: Stage) -> None:
    rest_billed(stage, min_invoice_minor=10_000, min_invoice_periods=1)
    credited(stage, bill_again=True, at_once=True)
    assert document(stage, document(stage, INVOICE).replaced_by[0]).net == euros(1660)
    assert billed(stage) == 830
    proved(stage)


def test_an_amount_is_spread_once_over_a_session_and_its_rest(stage: Stage) -> None:
    rest_billed(stage, min_invoice_minor=10_000, min_invoice_periods=1)
    with pytest.raises(Conflict, match="more would be credited"):
        prepare(stage.ctx, MAKER, b.ISSUER, Wanted(number=INVOICE, amount=euros(1661), reason="goodwill"))
    credited(stage, amount=euros(1600))
    assert billed(stage) + billed(stage, 2) == 60
    proved(stage)


def test_a_credit_cdr_behind_a_cancelled_rest_takes_what_is_left(stage: Stage) -> None:
    rest_billed(stage)
    credited(stage, SECOND)
    assert billed(stage) == 530
    push(stage, withdrawal(1))
    assert billed(stage) == 0


def test_a_part_of_a_rest_is_not_credited_again_with_its_session(stage: Stage) -> None:
    rest_billed(stage)
    credited(stage, SECOND, amount=euros(100))
    assert billed(stage) == 730
    credited(stage)
    assert billed(stage) == 0
    with pytest.raises(Conflict, match="nothing is left"):
        prepare(stage.ctx, MAKER, b.ISSUER, Wanted(number=SECOND, cdr_refs=(REST,), reason="as agreed"))
    proved(stage)


@pytest.mark.parametrize("bill_again", [False, True])
def test_both_documents_cancelled_credit_once(stage: Stage, *, bill_again: bool) -> None:
    rest_billed(stage)
    credited(stage, bill_again=bill_again, at_once=bill_again)
    credited(stage, SECOND, bill_again=bill_again, at_once=bill_again)
    assert billed(stage) == (830 if bill_again else 0)
    proved(stage)


@pytest.mark.parametrize("bill_again", [False, True])
def test_the_other_way_round_too(stage: Stage, *, bill_again: bool) -> None:
    rest_billed(stage)
    credited(stage, SECOND, bill_again=bill_again, at_once=bill_again)
    assert billed(stage) == (830 if bill_again else 530)
    credited(stage, bill_again=bill_again, at_once=bill_again)
    assert billed(stage) == (830 if bill_again else 0)
    proved(stage)


def test_a_rest_that_returns_in_the_next_run_is_what_a_credit_cdr_takes(stage: Stage) -> None:
    rest_billed(stage)
    credited(stage, SECOND, bill_again=True)
    push(stage, withdrawal(1))
    facts_told(stage.ctx, stage)
    december(stage)
    assert billed(stage) == 0
    proved(stage)


@pytest.mark.parametrize("kwh", ["0.31", "0.5"])
@pytest.mark.parametrize("bill_again", [False, True])
def test_another_price_is_undone_with_its_session_and_not_again(stage: Stage, kwh: str, *, bill_again: bool) -> None:
    repriced(stage, kwh)
    price = billed(stage)
    assert price in (670, 1050)
    credited(stage, bill_again=bill_again, at_once=bill_again)
    invoices = [document(stage, n) for n in (SECOND,) if price == 1050]
    for header in invoices:
        credited(stage, header.number, bill_again=bill_again, at_once=bill_again)
    assert billed(stage) == (price if bill_again else 0)
    proved(stage)


@pytest.mark.parametrize("bill_again", [False, True])
def test_a_credit_cdr_stays_when_its_document_is_cancelled(stage: Stage, *, bill_again: bool) -> None:
    invoiced(stage, sessions=2)
    push(stage, withdrawal(1))
    for number in (3, 4):
        push(stage, b.cdr(number, start=datetime(2026, 11, 5, 2 * number, tzinfo=UTC)))
    following = november(stage)
    before = document(stage, following.numbers[0]).net
    made = credited(stage, following.numbers[0], bill_again=bill_again, at_once=bill_again)
    if bill_again:
        assert document(stage, made.note or "").net == -before
        assert document(stage, document(stage, following.numbers[0]).replaced_by[0]).net == before
    assert billed(stage) == 0
    proved(stage)


def test_what_is_billed_again_counts_for_fees_as_it_did(stage: Stage) -> None:
    """A rest and a credit CDR: 0 and -1 sessions, before their document was cancelled and after."""
    made = disputed(stage, vat=STANDARD, fees=(EACH,))
    disputes.reject(stage.ctx, AGENT, b.ISSUER, made.dispute_id, answer="no")
    push(stage, withdrawal(2))
    push(stage, b.cdr(3, start=datetime(2026, 11, 5, 10, tzinfo=UTC)))
    push(stage, b.cdr(4, start=datetime(2026, 11, 5, 12, tzinfo=UTC)))
    facts_told(stage.ctx, stage)
    first = november(stage)
    assert [fee.net for fee in first.fees] == [euros(25)]
    credited(stage, first.numbers[0], bill_again=True)
    again = december(stage)
    assert [fee.net for fee in again.fees] == [euros(25)]
    assert document(stage, again.numbers[0]).net == document(stage, first.numbers[0]).net
    proved(stage)


# ---- a correction that is disputed before its lock -----------------------------------------------------------------
def raised(stage: Stage, **contract: object) -> Run:
    """Two sessions of 8.30 of October, whose price rose by 2.20: a correction of each in the window of November."""
    invoiced(stage, sessions=2, **contract)
    b.backdate(stage.ctx, grid=month.grid("0.5"), valid_from=date(2026, 10, 1), **contract)
    swept(stage)
    stage.clock.set(datetime.fromisoformat("2026-11-30T23:05:00+00:00"))
    run = billing.prepare(stage.ctx, NOVEMBER)
    stage.clock.set(run.opens_at_utc)
    return billing.open_window(stage.ctx, b.ISSUER, run.run_id)


def locked(stage: Stage, run: Run) -> None:
    """A window to its documents."""
    assert run.closes_at_utc is not None
    stage.clock.set(run.closes_at_utc + timedelta(seconds=61))
    billing.lock(stage.ctx, b.ISSUER, run.run_id)
    billing.issue(stage.ctx, b.ISSUER, run.run_id, missing)
    facts_told(stage.ctx, stage)


def claimed(stage: Stage, minor: int | None = None) -> Dispute:
    """A dispute of the correction of the first session."""
    amount = euros(minor) if minor else None
    claim = Claim(cdr_ref=f"{ref(1)}~v2", reason=Reason.PRICE_NOT_AS_AGREED, claimed=amount)
    return disputes.file(stage.ctx, b.emsp_user(), b.ISSUER, claim)


@pytest.mark.parametrize(("accepted", "left"), [(None, 830), (100, 950)])
def test_what_is_granted_of_another_price_is_not_credited_again(stage: Stage, accepted: int | None, left: int) -> None:
    run = raised(stage)
    granted = euros(accepted) if accepted else None
    disputes.accept(stage.ctx, AGENT, b.ISSUER, claimed(stage).dispute_id, accepted=granted)
    locked(stage, run)
    assert billed(stage) == left
    push(stage, withdrawal(1))
    facts_told(stage.ctx, stage)
    december(stage)
    assert billed(stage) == 0
    proved(stage)


@pytest.mark.parametrize("accepted", [None, 100])
def test_what_was_credited_with_its_session_is_not_granted_on_top(stage: Stage, accepted: int | None) -> None:
    run = raised(stage)
    made = claimed(stage)
    push(stage, withdrawal(1))
    granted = euros(accepted) if accepted else None
    disputes.accept(stage.ctx, AGENT, b.ISSUER, made.dispute_id, accepted=granted)
    locked(stage, run)
    december(stage)
    assert billed(stage) == 0
    proved(stage)


@pytest.mark.parametrize("policy", ["HOLD", "DROP"])
@pytest.mark.parametrize("credit_first", [False, True])
def test_an_unanswered_dispute_of_another_price(stage: Stage, policy: str, *, credit_first: bool) -> None:
    run = raised(stage, unanswered_policy=policy)
    made = claimed(stage)
    if credit_first:
        push(stage, withdrawal(1))
    locked(stage, run)
    if not credit_first:
        assert billed(stage) == (830 if policy == "DROP" else 1050)
        push(stage, withdrawal(1))
    if policy == "HOLD":
        disputes.accept(stage.ctx, AGENT, b.ISSUER, made.dispute_id)
    facts_told(stage.ctx, stage)
    december(stage)
    assert billed(stage) == 0
    proved(stage)


@pytest.mark.parametrize("accepted", [None, 60])
@pytest.mark.parametrize("credit_at", ["WINDOW", "LOCKED", "ANSWERED", "NEVER"])
def test_a_part_withheld_of_another_price(stage: Stage, accepted: int | None, credit_at: str) -> None:
    run = raised(stage, invoice_undisputed_part=True)
    made = claimed(stage, 100)
    for at in ("WINDOW", "LOCKED", "ANSWERED"):
        if at == "LOCKED":
            locked(stage, run)
        if at == "ANSWERED" and accepted:
            disputes.accept(stage.ctx, AGENT, b.ISSUER, made.dispute_id, accepted=euros(accepted))
        elif at == "ANSWERED":
            disputes.reject(stage.ctx, AGENT, b.ISSUER, made.dispute_id, answer="no")
        if at == credit_at:
            push(stage, withdrawal(1))
        facts_told(stage.ctx, stage)
    december(stage)
    assert billed(stage) == (0 if credit_at != "NEVER" else 1050 - (accepted or 0))
    proved(stage)


@pytest.mark.parametrize("withdrawn", [False, True])
def test_a_month_of_nothing_but_corrections_owes_no_fee_per_month_and_no_minimum(
    stage: Stage, *, withdrawn: bool
) -> None:
    """What is counted stands alone: 0 sessions of a rest, and the 0.25 of a session that is withdrawn."""
    base = Fee(code="BASE", name="Base", kind=FeeKind.MONTHLY, price=Decimal(10), vat=STANDARD)
    least = EACH.model_copy(update={"minimum": Decimal(5)})
    made = disputed(stage, vat=STANDARD, fees=(base, least))
    assert document(stage, INVOICE).net == euros(1360 + 1000 + 500)
    disputes.reject(stage.ctx, AGENT, b.ISSUER, made.dispute_id, answer="no")
    if withdrawn:
        push(stage, withdrawal(2))
    facts_told(stage.ctx, stage)
    run = november(stage)
    assert [fee.net for fee in run.fees] == ([euros(-25)] if withdrawn else [])
