"""Contracts by the API: state, preview, difference, review, proofs, suspension, and who may see what."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.support import builders as b
from tests.support.api import Api, environment
from tests.support.moto_stack import Stage

PATH = "/v1/contracts/C-RON"


@pytest.fixture
def api(stage: Stage) -> Iterator[Api]:
    """The API on a stage with an issuer and one contract."""
    with environment(stage):
        made = Api(stage)
        made.call("PUT", "/v1/issuer", "ADMIN", b.issuer().dump())
        limit = {"amount_minor": 500_000, "currency": "EUR"}
        made.call("PUT", PATH, "FINANCE", body(credit_limit=limit))
        stage.clock.set(datetime(2026, 10, 5, 10, tzinfo=UTC))
        yield made


def body(valid_from: str = "2026-01-01", **changes: Any) -> dict[str, Any]:
    return {"name": "Ronde", "valid_from": valid_from, "terms": b.terms(**changes).dump()}


def test_a_contract_to_come_is_upcoming(api: Api) -> None:
    made = api.call("PUT", "/v1/contracts/C-NEXT", "FINANCE", body("2027-01-01", party_ids=("NLXYZ",)))
    assert (made.status, made.body["state"], made.body["status"]) == (201, "UPCOMING", "ACTIVE")
    states = {c["contract_id"]: c["state"] for c in api.call("GET", "/v1/contracts", "VIEWER").body["items"]}
    assert states == {"C-RON": "ACTIVE", "C-NEXT": "UPCOMING"}


def test_the_preview_has_twelve_periods(api: Api) -> None:
    found = api.call("GET", f"{PATH}/periods", "EMSP_USER", contract_id="C-RON").body["items"]
    assert [p["label"] for p in found[:2]] == ["2026-10", "2026-11"]
    assert len(found) == 12
    assert found[0]["opens"] == {"utc": "2026-11-01T23:00:00.000000Z", "local": "2026-11-02T00:00:00+01:00"}
    assert len(api.call("GET", f"{PATH}/periods", "VIEWER", count="3").body["items"]) == 3
    for wrong in ("0", "61", "-1", "x", "9" * 40):
        refused = api.call("GET", f"{PATH}/periods", "VIEWER", count=wrong)
        assert (refused.status, refused.body["field"]) == (422, "count")
    assert api.call("GET", f"{PATH}/periods", "EMSP_USER", contract_id="C-ELSE").status == 404


def test_the_difference_of_two_versions(api: Api) -> None:
    dearer = ({"id": "standard", "tariff": b.tariff("0.45", "0.50")},)
    api.call("PUT", PATH, "FINANCE", body("2026-11-01", grid=dearer), headers={"if-match": "*"})
    found = api.call("GET", f"{PATH}/diff", "FINANCE", **{"from": "1", "to": "2"})
    (line,) = found.body["grid"]
    assert (line["line_id"], line["kind"]) == ("standard", "CHANGED")
    assert [f["path"] for f in found.body["terms"]] == ["credit_limit.amount_minor", "credit_limit.currency"]
    partner = api.call("GET", f"{PATH}/diff", "EMSP_USER", contract_id="C-RON", **{"from": "1", "to": "2"})
    assert partner.body["terms"] == []
    refused = api.call("GET", f"{PATH}/diff", "FINANCE", **{"from": "1", "to": "x"})
    assert (refused.status, refused.body["field"]) == (422, "to")
    assert api.call("GET", f"{PATH}/diff", "FINANCE", **{"from": "1", "to": "7"}).status == 404


def test_the_partner_sees_neither_limit_nor_findings(api: Api) -> None:
    staff = api.call("GET", PATH, "FINANCE").body["versions"][0]
    partner = api.call("GET", PATH, "EMSP_USER", contract_id="C-RON").body["versions"][0]
    assert "credit_limit" in staff["terms"]
    assert "findings" in staff
    assert "credit_limit" not in partner["terms"]
    assert "findings" not in partner
    assert api.call("GET", f"{PATH}/review", "EMSP_USER", contract_id="C-RON").status == 403
    assert api.call("GET", f"{PATH}/vat-proofs", "EMSP_USER", contract_id="C-RON").status == 403


def test_proofs_are_recorded_and_reviewed(api: Api) -> None:
    proof = {"vat_id": "NL002455799B11", "valid": True, "checked_on": "2026-10-05", "request_id": "WAPI-1"}
    assert api.call("POST", f"{PATH}/vat-proofs", "FINANCE", proof).status == 201
    assert api.call("POST", f"{PATH}/vat-proofs", "OPS", proof).status == 403
    wrong = api.call("POST", f"{PATH}/vat-proofs", "FINANCE", proof | {"vat_id": "NL1"})
    assert (wrong.status, wrong.body["field"]) == (422, "vat_id")
    (kept,) = api.call("GET", f"{PATH}/vat-proofs", "VIEWER").body["items"]
    assert kept.pop("recorded_at_utc").startswith("2026-10-05T")
    assert kept == proof | {"source": "PERSON", "recorded_by": "finance"}
    strange = proof | {"request_id": "WAPI-2", "checked_at_utc": "2026-10-04T08:00:00Z"}
    assert api.call("POST", f"{PATH}/vat-proofs", "FINANCE", strange).body["field"] == "checked_at_utc"
    seen = api.call("GET", f"{PATH}/review", "VIEWER").body
    assert {each["vat_id"]: each["state"] for each in seen["vat_ids"]} == {
        "NL002455799B11": "VALID",
        "DE136695976": "UNPROVED",
    }
    assert (seen["missing"], seen["findings"]) == ([], [])


def test_a_change_of_another_state_is_refused(api: Api) -> None:
    read = api.call("GET", PATH, "FINANCE")
    assert read.headers["ETag"] == '"0"'
    halted = api.call("POST", f"{PATH}/suspend", "FINANCE", {"reason": "no answer"}, headers={"if-match": '"0"'})
    assert (halted.status, halted.body["state"], halted.headers["ETag"]) == (200, "SUSPENDED", '"1"')
    stale = api.call("PUT", PATH, "FINANCE", body("2026-11-01"), headers={"if-match": '"0"'})
    assert (stale.status, stale.body["code"]) == (412, "STALE")
    assert api.call("PUT", PATH, "FINANCE", body("2026-11-01"), headers={"if-match": '"x"'}).status == 412
    unsaid = api.call("PUT", PATH, "FINANCE", body("2026-11-01"))
    assert (unsaid.status, unsaid.body["code"]) == (428, "MATCH_REQUIRED")
    assert api.call("PUT", PATH, "VIEWER", body("2026-11-01")).status == 403
    assert api.call("PUT", PATH, "FINANCE", body("2026-11-01"), headers={"if-match": '"1"'}).body["version"] == 2
    on = api.call("POST", f"{PATH}/go-on", "FINANCE", {"reason": "answered"})
    assert (on.body["state"], on.headers["ETag"]) == ("ACTIVE", '"3"')
    assert api.call("POST", f"{PATH}/suspend", "VIEWER", {"reason": "no answer"}).status == 403
    assert api.call("POST", f"{PATH}/suspend", "FINANCE", {"reason": ""}).body["field"] == "reason"


def test_wrong_terms_are_named(api: Api) -> None:
    wrong = body("2026-11-01") | {}
    wrong["terms"] |= {"payment_rule": "FIXED_DAY"}
    refused = api.call("PUT", PATH, "FINANCE", wrong, headers={"if-match": "*"})
    assert (refused.status, refused.body["field"]) == (422, "terms")
    assert "payment_day" in refused.body["detail"]


@pytest.mark.parametrize("rule_id", ["NO_SUCH_RULE", "END_BEFORE_START"])
def test_a_severity_that_cannot_be_agreed_is_named(api: Api, rule_id: str) -> None:
    wrong = body("2026-11-01")
    wrong["terms"] |= {"plausibility": {"severities": {rule_id: "WARN"}}}
    refused = api.call("PUT", PATH, "FINANCE", wrong, headers={"if-match": "*"})
    assert (refused.status, refused.body["field"]) == (422, f"terms.plausibility.severities.{rule_id}")


def test_an_issuer_is_changed_in_the_state_that_was_read(api: Api) -> None:
    read = api.call("GET", "/v1/issuer", "FINANCE")
    wanted = b.issuer(language="DE").dump()
    assert api.call("PUT", "/v1/issuer", "ADMIN", wanted).status == 428
    assert api.call("PUT", "/v1/issuer", "VIEWER", wanted).status == 403
    tag = {"if-match": read.headers["ETag"]}
    made = api.call("PUT", "/v1/issuer", "ADMIN", wanted, headers=tag)
    assert (made.status, made.body["language"]) == (200, "DE")
    again = api.call("PUT", "/v1/issuer", "ADMIN", wanted | {"language": "FR"}, headers=tag)
    assert (again.status, again.body["code"]) == (412, "STALE")
    now = api.call("GET", "/v1/issuer", "FINANCE")
    assert (now.body["language"], now.headers["ETag"]) == ("DE", made.headers["ETag"])
    assert api.call("PUT", "/v1/issuer", "ADMIN", wanted | {"language": "FR"}, headers={"if-match": "*"}).status == 200


def test_a_counter_that_a_caller_makes_up_counts_nothing(api: Api) -> None:
    tag = api.call("GET", "/v1/issuer", "FINANCE").headers["ETag"]
    made = api.call("PUT", "/v1/issuer", "ADMIN", b.issuer().dump() | {"changed": 77}, headers={"if-match": tag})
    assert (made.status, made.headers["ETag"]) == (200, f'"{int(tag.strip(chr(34))) + 1}"')
