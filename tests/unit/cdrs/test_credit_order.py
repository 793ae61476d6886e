"""A credit and its original in both orders, and at the same moment (product.md row 4)."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Any

import pytest

from roamclear.cdrs import service as cdrs
from roamclear.cdrs.model import Billing
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionType
from tests.support import builders as b
from tests.support import memory_stage
from tests.support.crashing import Fuse, mortal, survives
from tests.support.moto_stack import Stage

NOON = datetime(2026, 10, 6, 12, 0, tzinfo=UTC)


@pytest.fixture
def made() -> Stage:
    """A stage with an issuer, a contract and an EVSE."""
    stage = memory_stage.fresh(NOON)
    b.found_issuer(stage.ctx)
    b.found_contract(stage.ctx)
    b.found_own_account(stage.ctx)
    return stage


def pair() -> tuple[dict[str, Any], dict[str, Any]]:
    """A CDR and the credit that takes it back."""
    original = b.cdr(1)
    total = {"excl_vat": -original["total_cost"]["excl_vat"]}
    return original, original | {
        "id": "CDR-C", "credit": True, "credit_reference_id": original["id"], "total_cost": total
    }  # fmt: skip


def receive(stage: Stage, raw: dict[str, Any]) -> str:
    body = b.body_of(raw, received=stage.clock.now())
    cdrs.receive(stage.ctx, body)
    return body.cdr_ref


def state(stage: Stage, ref: str) -> Billing:
    session = cdrs.session(stage.ctx, b.ISSUER, ref)
    assert session is not None
    return session.billing


def test_a_credit_that_came_first_goes_on_when_its_original_arrives(made: Stage) -> None:
    original, credit = pair()
    second = receive(made, credit)
    cdrs.process(made.ctx, b.ISSUER, second)
    assert state(made, second) is Billing.ON_HOLD
    assert journal.is_open(made.ctx, b.ISSUER, ExceptionType.CREDIT_WITHOUT_ORIGINAL, second)
    first = receive(made, original)
    cdrs.process(made.ctx, b.ISSUER, first)
    assert (state(made, first), state(made, second)) == (Billing.CREDITED, Billing.CREDITED)
    assert not journal.is_open(made.ctx, b.ISSUER, ExceptionType.CREDIT_WITHOUT_ORIGINAL, second)


@pytest.mark.parametrize("after", [False, True])
def test_a_worker_that_dies_before_it_wakes_the_credit_is_repeated(made: Stage, after: bool) -> None:
    original, credit = pair()
    second = receive(made, credit)
    cdrs.process(made.ctx, b.ISSUER, second)
    first = receive(made, original)
    for writes in range(12):
        with survives():
            cdrs.process(mortal(made.ctx, Fuse(left=writes, after=after)), b.ISSUER, first)
    cdrs.process(made.ctx, b.ISSUER, first)
    assert (state(made, first), state(made, second)) == (Billing.CREDITED, Billing.CREDITED)


def test_both_at_once_end_as_withdrawn(made: Stage) -> None:
    for number in range(1, 15):
        original = b.cdr(number)
        total = {"excl_vat": -original["total_cost"]["excl_vat"]}
        credit = original | {"id": f"C-{number}", "credit": True, "credit_reference_id": original["id"]}
        refs = [receive(made, original), receive(made, credit | {"total_cost": total})]
        workers = [threading.Thread(target=cdrs.process, args=(made.ctx, b.ISSUER, ref)) for ref in refs]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert [state(made, ref) for ref in refs] == [Billing.CREDITED, Billing.CREDITED], number


@pytest.mark.parametrize("first", [0, 1])
def test_a_credit_that_names_another_emsps_driver_touches_nothing(made: Stage, first: int) -> None:
    original, credit = pair()
    credit["cdr_token"] = original["cdr_token"] | {"country_code": "FR", "party_id": "XYZ"}
    refs = [receive(made, raw) for raw in (original, credit)]
    for ref in (refs[first], refs[1 - first], *refs):
        cdrs.process(made.ctx, b.ISSUER, ref)
    assert [state(made, ref) for ref in refs] == [Billing.VERIFIED, Billing.ON_HOLD]
    held = cdrs.session(made.ctx, b.ISSUER, refs[1])
    assert held is not None
    assert held.reasons == ("CREDIT_OF_ANOTHER_EMSP",)
