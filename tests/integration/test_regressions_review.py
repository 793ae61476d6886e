"""Faults that a review of the core rooms and the JSON API found, each on the smallest story that shows it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from roamclear.billing import service as billing
from roamclear.cdrs import service as cdrs
from roamclear.cdrs.model import Billing
from roamclear.facts import service as facts
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionType
from tests.integration import test_close as month
from tests.support import builders as b
from tests.support.api import Api, environment
from tests.support.moto_stack import Stage


@pytest.fixture
def api(stage: Stage) -> Iterator[Api]:
    """The API on a fresh stage."""
    with environment(stage):
        yield Api(stage)


def test_a_credit_in_another_currency_is_no_credit(stage: Stage) -> None:
    """It took the original's one credit, and then joined no run of the original's contract: nobody got the money."""
    month.start(stage)
    raw = b.cdr(1)
    month.push(stage, raw)
    month.close_run(stage, month.open_run(stage))
    total = {"excl_vat": -raw["total_cost"]["excl_vat"]}
    credit = raw | {"id": "CDR-1-C", "credit": True, "credit_reference_id": raw["id"], "total_cost": total}
    assert month.state(stage, month.push(stage, credit | {"currency": "SEK"})) == (
        Billing.ON_HOLD,
        ("CREDIT_AMOUNT_MISMATCH",),
    )
    assert month.state(stage, month.push(stage, credit | {"id": "CDR-1-D"}))[0] is Billing.VERIFIED


def test_a_retry_that_fails_stops_neither_expiry_nor_other_contracts(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One body that could not be processed kept the whole night from every contract and issuer behind it."""
    month.start(stage)
    b.found_contract(stage.ctx, "C-TWO", party_ids=("NLTWO",))
    looked: list[str | None] = []

    def retry(ctx: Any, issuer_id: str, contract_id: str | None) -> int:
        looked.append(contract_id)
        raise ValueError("a body nobody can read")

    monkeypatch.setattr(cdrs, "retry_waiting", retry, raising=False)
    told: list[str] = []
    done = facts.nightly(stage.ctx, lambda row, error: told.append(row["sk"]))
    assert sorted(map(str, looked)) == sorted(["None", b.CONTRACT, "C-TWO"])
    assert set(told) == {"RETRY#-", f"RETRY#{b.CONTRACT}", "RETRY#C-TWO"}
    assert done == {"behind": 0, "freed": 0, "expired": 0}


def test_a_task_token_leaves_the_system_for_nobody(api: Api) -> None:
    """Who holds the token of a run that waits for approval could let its execution go on unapproved."""
    month.start(api.stage, auto_issue=False)
    month.push(api.stage, b.cdr(1))
    run = month.open_run(api.stage)
    api.stage.clock.set(month.CLOSES + timedelta(seconds=60))
    billing.lock(api.stage.ctx, b.ISSUER, run.run_id)
    billing.park(api.stage.ctx, b.ISSUER, run.run_id, "APPROVED", "the-token")
    for role in ("FINANCE", "VIEWER", "EMSP_USER"):
        own = {"contract_id": b.CONTRACT} if role == "EMSP_USER" else {}
        for path in ("/v1/runs", f"/v1/runs/{run.run_id}", f"/v1/runs/{run.run_id}/sessions"):
            reply = api.call("GET", path, role, **own)
            assert reply.status == 200
            assert "the-token" not in str(reply.body)


def test_an_emsp_does_not_learn_whom_the_cpo_pays(api: Api) -> None:
    """A session named the payout account, so a sub-CPO, to the eMSP."""
    month.start(api.stage)
    ref = month.push(api.stage, b.cdr(1))
    month.push(api.stage, b.cdr(2))
    lists = f"/v1/cdrs/{ref}/trace"
    rated = api.call("GET", "/v1/cdrs", "EMSP_USER", contract_id=b.CONTRACT, contract=b.CONTRACT)
    assert len(rated.body["items"]) == 2
    run = month.open_run(api.stage)
    trace = api.call("GET", lists, "EMSP_USER", contract_id=b.CONTRACT)
    assert trace.body["ticks"]["evse_known_and_assigned"]
    members = api.call("GET", f"/v1/runs/{run.run_id}/sessions", "EMSP_USER", contract_id=b.CONTRACT)
    for reply in (rated, trace, members):
        assert reply.status == 200
        assert "OWN-1" not in str(reply.body)
    assert "OWN-1" in str(api.call("GET", lists, "FINANCE").body)


def test_a_cause_that_comes_back_is_told_again(stage: Stage) -> None:
    """What the system had closed as repaired stayed closed for ever, so its next time was silent."""
    kind, subject = ExceptionType.NO_CONTRACT, "NLRON"
    month.start(stage)
    assert journal.raise_once(stage.ctx, b.ISSUER, kind, subject, "first")
    assert not journal.raise_once(stage.ctx, b.ISSUER, kind, subject, "first")
    journal.resolve(stage.ctx, b.ISSUER, kind, subject, by="system:contract", reason="a contract covers it")
    stage.clock.advance(timedelta(hours=1))
    assert journal.raise_once(stage.ctx, b.ISSUER, kind, subject, "again")
    assert not journal.raise_once(stage.ctx, b.ISSUER, kind, subject, "again")
    found = journal.listed(stage.ctx, b.actor("FINANCE"), b.ISSUER)
    assert [(row.subject, row.message) for row in found if row.kind is kind] == [(subject, "again")]
    journal.resolve(stage.ctx, b.ISSUER, kind, subject, by="U-1", reason="a person said so")
    assert not journal.raise_once(stage.ctx, b.ISSUER, kind, subject, "again")


def test_what_no_longer_holds_a_session_is_closed(stage: Stage) -> None:
    """The exception of a credit that waited for its original stayed open after the credit had found it."""
    month.start(stage)
    raw = b.cdr(1)
    total = {"excl_vat": -raw["total_cost"]["excl_vat"]}
    credit = raw | {"id": "CDR-1-C", "credit": True, "credit_reference_id": raw["id"], "total_cost": total}
    early = month.push(stage, credit)
    kind = ExceptionType.CREDIT_WITHOUT_ORIGINAL
    assert journal.is_open(stage.ctx, b.ISSUER, kind, early)
    month.push(stage, raw)
    cdrs.process(stage.ctx, b.ISSUER, early)
    assert month.state(stage, early)[0] is Billing.CREDITED
    assert not journal.is_open(stage.ctx, b.ISSUER, kind, early)
