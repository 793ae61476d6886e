"""Accounts, assignments, payouts and batches through the JSON API's real handler."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from roamclear.evses import service as evses
from roamclear.payouts import export
from roamclear.payouts import service as payouts
from tests.support import builders as b
from tests.support import payees
from tests.support.api import Api, environment
from tests.support.moto_stack import Stage


@pytest.fixture
def api(stage: Stage) -> Iterator[Api]:
    """The API on a stage with an issuer and three EVSEs."""
    b.found_issuer(stage.ctx)
    evses.register_location(stage.ctx, b.ISSUER, "DEABC", payees.location(3))
    with environment(stage):
        yield Api(stage)


def account_body(**changes: Any) -> dict[str, Any]:
    return {"name": "Partner 1", "terms": payees.terms(**changes).dump()}


def open_account(api: Api) -> None:
    assert api.call("POST", "/v1/payout-accounts/P1", "FINANCE", account_body()).status == 201
    assert api.call("POST", "/v1/payout-accounts/P1/approve", "FINANCE_APPROVER", {}).status == 200
    api.stage.clock.advance(timedelta(days=31))


def test_an_account_by_two_persons_with_masked_ibans(api: Api) -> None:
    assert api.call("POST", "/v1/payout-accounts/P1", "ADMIN", account_body()).status == 403
    open_account(api)
    change, tag = (
        account_body(iban=payees.OTHER_IBAN)["terms"],
        api.call("GET", "/v1/payout-accounts/P1", "OPS").headers,
    )
    assert api.call("PUT", "/v1/payout-accounts/P1", "OPS", change).status == 428
    stale = api.call("PUT", "/v1/payout-accounts/P1", "OPS", change, headers={"if-match": '"99"'})
    assert (stale.status, stale.body["code"]) == (412, "STALE")
    asked = api.call("PUT", "/v1/payout-accounts/P1", "OPS", change, headers={"if-match": tag["ETag"]})
    assert (asked.status, asked.body["terms"]["iban"]) == (202, "FR** 2606")
    stale = api.call(
        "POST", "/v1/payout-accounts/P1/approve", "FINANCE_APPROVER", {"asked_at_utc": "2026-01-01T00:00:00Z"}
    )
    assert stale.status == 409
    seen = {"asked_at_utc": asked.body["asked_at_utc"]}
    done = api.call("POST", "/v1/payout-accounts/P1/approve", "FINANCE_APPROVER", seen)
    assert (done.status, done.body["iban_version"]) == (200, 2)
    read = api.call("GET", "/v1/payout-accounts/P1", "VIEWER")
    assert [v["terms"]["iban"] for v in read.body["versions"]] == ["DE** 3000", "FR** 2606"]
    assert payees.OTHER_IBAN not in str(read.body)
    assert api.call("GET", "/v1/payout-accounts", "VIEWER").body["items"][0]["account_id"] == "P1"
    assert api.call("POST", "/v1/payout-accounts/P1/refuse", "FINANCE_APPROVER").status == 404


def test_assigning_filtering_and_counting(api: Api) -> None:
    open_account(api)
    wanted = {"evse_ids": ["DE*ABC*E1", "DE*ABC*E2"], "account_id": "P1", "effective_from": "2026-10-15T00:00:00Z"}
    assert api.call("POST", "/v1/evses:assign", "VIEWER", wanted).status == 403
    made = api.call("POST", "/v1/evses:assign", "OPS", wanted)
    assert (made.status, made.body["state"]) == (200, "APPLIED")
    listed = api.call("GET", "/v1/evses", "VIEWER", table="assigned", account="P1", city="Gent", output_min_kw="22")
    assert [e["evse_id"] for e in listed.body["items"]] == ["DEABCE1", "DEABCE2"]
    assert api.call("GET", "/v1/evses", "VIEWER", table="assigned", power_type="DC").body["items"] == []
    first = api.call("GET", "/v1/evses", "VIEWER", table="assigned", limit="1")
    second = api.call("GET", "/v1/evses", "VIEWER", table="assigned", limit="1", cursor=first.body["next"])
    assert [e["evse_id"] for e in second.body["items"]] == ["DEABCE2"]
    assert api.call("GET", "/v1/evses:counts", "VIEWER").body["by_account"] == {"P1": 2}
    assert api.call("POST", "/v1/evses:unassign", "OPS", {"evse_ids": ["DEABCE2"]}).body == {"changed": 1}
    one = api.call("GET", "/v1/evses/DE%2AABC%2AE2", "VIEWER")
    assert [h.get("account_id") for h in one.body["history"]] == ["P1", None]
    assert api.call("PUT", "/v1/evses/DEABCE2/group", "OPS", {"group": "HPC"}).body["group"] == "HPC"
    assert api.call("POST", "/v1/payout-accounts/P1/deactivate", "FINANCE", {}).body["active"] is False
    assert api.call("GET", "/v1/evses:counts", "VIEWER").body["unassigned"] == 3
    assert api.call("POST", "/v1/payout-accounts/P1/reactivate", "FINANCE_APPROVER").body["active"] is True


def test_importing_a_list_tells_each_line(api: Api) -> None:
    rows = [
        {"evse_id": "DE*ABC*E1", "party": "DEABC", "city": "Brugge"},
        {"evse_id": "DE*ABC*E50", "party": "DEABC", "zone": "Europe/Berlin", "output_kw": "22.0", "power_type": "AC"},
        {"evse_id": "DE*ABC*E2", "party": "DEXYZ"},
    ]
    assert api.call("POST", "/v1/evses:import", "VIEWER", {"rows": rows}).status == 403
    outcomes = [
        [r["outcome"] for r in api.call("POST", "/v1/evses:import", "OPS", {"rows": rows}).body["items"]]
        for _ in range(2)
    ]
    assert outcomes == [["REGISTERED", "REGISTERED", "REFUSED"], ["SAME", "SAME", "REFUSED"]]
    one = api.call("GET", "/v1/evses/DEABCE1", "VIEWER").body["evse"]
    assert (one["city"], one["zone"], one["source"]) == ("Brugge", "Europe/Brussels", "CSV")
    bad = api.call("POST", "/v1/evses:import", "OPS", {"rows": [{"evse_id": "#NA", "party": "DEABC"}]})
    assert (bad.status, bad.body["field"]) == (422, "rows.0.evse_id")
    assert api.call("POST", "/v1/evses:impact", "OPS", {"evse_ids": ["DEABCE1"]}).body["sessions"] == 0


def test_a_young_account_waits_for_a_second_person(api: Api) -> None:
    api.call("POST", "/v1/payout-accounts/P1", "FINANCE", account_body())
    asked = api.call("POST", "/v1/evses:assign", "OPS", {"evse_ids": ["DEABCE1"], "account_id": "P1"})
    assert (asked.status, asked.body["reasons"]) == (202, ["YOUNG_ACCOUNT"])
    (waiting,) = api.call("GET", "/v1/assignment-requests", "VIEWER").body["items"]
    path = f"/v1/assignment-requests/{waiting['request_id']}"
    assert api.call("POST", f"{path}/approve", "OPS").status == 403
    assert api.call("POST", f"{path}/approve", "FINANCE_APPROVER").body["state"] == "APPLIED"
    assert api.call("POST", f"{path}/refuse", "FINANCE_APPROVER").status == 409
    assert api.call("PUT", "/v1/assignment-policy", "FINANCE_APPROVER", {"max_evses": 5}).body["max_evses"] == 5


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"table": "all"}, "table"),
        ({"limit": "x"}, "limit"),
        ({"limit": "9999"}, "limit"),
        ({"output_min_kw": "NaN"}, "output_min_kw"),
        ({"country": "Belgium"}, "country"),
    ],
)
def test_a_bad_filter_is_named(api: Api, query: dict[str, str], field: str) -> None:
    reply = api.call("GET", "/v1/evses", "VIEWER", **query)
    assert (reply.status, reply.body["field"]) == (422, field)


def test_from_close_to_payment_file(api: Api) -> None:
    ctx = api.stage.ctx
    open_account(api)
    api.stage.clock.set(datetime(2026, 11, 10, 9, tzinfo=UTC))
    payouts.accrue(ctx, b.ISSUER, "R1", [payees.session(1, 50_00, issuer_id=b.ISSUER)])
    assert api.call("POST", "/v1/payouts:close", "VIEWER", {}).status == 403
    (made,) = api.call("POST", "/v1/payouts:close", "FINANCE", {}).body["items"]
    assert api.call("POST", "/v1/payouts:close", "FINANCE", {}).body["items"] == []
    read = api.call("GET", f"/v1/payouts/{made['payout_id']}", "VIEWER")
    assert (read.body["payout"]["state"], len(read.body["sessions"])) == ("READY", 1)
    assert api.call("GET", f"/v1/payouts/{made['payout_id']}/files", "VIEWER").body == {"files": {}}
    assert api.call("POST", "/v1/batches", "FINANCE", {"execution_date": "2026-11-21"}).status == 422
    batch = api.call("POST", "/v1/batches", "FINANCE", {"execution_date": "2026-11-20"}).body
    assert batch["items"][0]["iban"] == "DE** 3000"
    path = f"/v1/batches/{batch['batch_id']}"
    assert api.call("POST", f"{path}/approve", "FINANCE", {"digest": batch["digest"]}).status == 403
    assert api.call("POST", f"{path}/approve", "FINANCE_APPROVER", {"digest": "0" * 64}).status == 409
    done = api.call("POST", f"{path}/approve", "FINANCE_APPROVER", {"digest": batch["digest"]})
    assert (done.status, done.body["state"]) == (200, "APPROVED")
    assert api.call("POST", f"{path}/download", "FINANCE_APPROVER").status == 409
    export.export_due(ctx, b.ISSUER)
    names = [api.call("POST", f"{path}/download", "FINANCE_APPROVER").body["file_name"] for _ in range(2)]
    assert names == [f"{batch['batch_id']}.xml", f"{batch['batch_id']}-COPY-1.xml"]
    assert api.call("GET", "/v1/payouts", "VIEWER", account="P1").body["items"][0]["state"] == "EXPORTED"
    assert api.call("POST", f"{path}/cancel", "FINANCE", {"reason": "late"}).status == 409
    assert api.call("GET", "/v1/batches", "VIEWER").body["items"][0]["state"] == "EXPORTED"
    rejected = api.call("POST", f"{path}/reject", "FINANCE_APPROVER", {"reason": "pain.002 RJCT"})
    assert rejected.body["state"] == "REJECTED"
    assert api.call("GET", "/v1/batches/none", "VIEWER").status == 404
    assert api.call("POST", f"/v1/payouts/{made['payout_id']}/release", "FINANCE").status == 409
