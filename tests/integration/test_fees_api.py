"""Fees and carried runs as finance and the eMSP meet them in the API."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from roamclear.billing import service as billing
from roamclear.documents.checks import missing
from tests.integration import test_close as month
from tests.support import builders as b
from tests.support.api import Api, environment
from tests.support.moto_stack import Stage

BASE = {"code": "BASE", "name": "Clearing", "kind": "MONTHLY", "price": "4.90", "vat": {"category": "S"}}


@pytest.fixture
def api(stage: Stage) -> Iterator[Api]:
    with environment(stage):
        yield Api(stage)


def body(fee: dict[str, Any], **terms: Any) -> dict[str, Any]:
    vat = {"vat": {"category": "S", "rate_percent": 19}}
    changed = b.terms().dump() | {"fees": [BASE | vat | fee]} | terms
    return {"name": "Ronde", "valid_from": "2026-01-01", "terms": changed}


@pytest.mark.parametrize(
    ("fee", "field"),
    [
        ({"price": -1}, "terms.fees.0.price"),
        ({"vat": {"category": "S"}}, "terms.fees.0.vat"),
        ({"kind": "WEEKLY"}, "terms.fees.0.kind"),
        ({"tiers": [{"above": 0, "price": 1}]}, "terms.fees.0.tiers.0.above"),
        ({"colour": "red"}, "terms.fees.0.colour"),
    ],
)
def test_a_fee_that_cannot_be_is_refused_by_its_field(api: Api, fee: dict[str, Any], field: str) -> None:
    api.call("PUT", "/v1/issuer", "ADMIN", b.issuer().dump())
    reply = api.call("PUT", "/v1/contracts/C-RON", "FINANCE", body(fee))
    assert (reply.status, reply.body["field"]) == (422, field)


def test_both_sides_see_the_fees_and_why_a_run_is_carried(api: Api) -> None:
    stage = api.stage
    api.call("PUT", "/v1/issuer", "ADMIN", b.issuer().dump())
    made = api.call("PUT", "/v1/contracts/C-RON", "FINANCE", body({}, min_invoice_minor=2500))
    assert made.status == 201
    b.found_own_account(stage.ctx)
    month.push(stage, b.cdr(1))
    run = month.open_run(stage)
    path = f"/v1/runs/{run.run_id}"
    open_ = api.call("GET", f"{path}/sessions", "EMSP_USER", contract_id="C-RON")
    assert [(fee["code"], fee["net"]["amount_minor"]) for fee in open_.body["fees"]] == [("BASE", 490)]
    assert open_.body["run"]["proforma"]["amount_minor"] == 830 + 490
    stage.clock.set(month.CLOSES + timedelta(seconds=61))
    billing.lock(stage.ctx, b.ISSUER, run.run_id)
    billing.issue(stage.ctx, b.ISSUER, run.run_id, missing)
    for role in ("FINANCE", "EMSP_USER"):
        seen = api.call("GET", path, role, contract_id="C-RON" if role == "EMSP_USER" else None)
        assert (seen.body["state"], seen.body["numbers"]) == ("CARRIED", [])
        assert seen.body["carried_reason"] == "13.20 EUR is below the smallest invoice of 25.00 EUR"
    assert api.call("GET", path, "EMSP_USER", contract_id="C-ELSE").status == 404
