"""/v1/accounting: chart, export, copy and list, by the handler people call."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from tests.integration import test_close as month
from tests.support import builders as b
from tests.support import receivables, saft
from tests.support.api import Api, environment
from tests.support.moto_stack import Stage


@pytest.fixture
def api(stage: Stage) -> Iterator[Api]:
    stage.clock.set(datetime(2026, 10, 9, tzinfo=UTC))
    with environment(stage):
        yield Api(stage)


def test_a_month_from_the_chart_to_the_copy(stage: Stage, api: Api) -> None:
    assert api.call("PUT", "/v1/issuer", "ADMIN", b.issuer().dump()).status == 200
    receivables.issue(stage.ctx, 1, "119.00")
    chart = api.call("GET", "/v1/accounting/chart", "FINANCE").body
    assert chart["classes"]["receivable"] == "1200"
    wrong = api.call("PUT", "/v1/accounting/chart", "FINANCE", {"classes": {"receivable": "12x"}})
    assert (wrong.status, wrong.body["field"]) == (422, "classes")
    early = api.call("POST", "/v1/accounting/exports", "FINANCE", {"period": "2026-10", "profile": "CSV"})
    assert (early.status, early.body["exportable_at_utc"]) == (409, "2026-11-01T00:00:00.000000Z")
    stage.clock.set(datetime(2026, 11, 2, tzinfo=UTC))
    lacks = api.call("POST", "/v1/accounting/exports", "FINANCE", {"period": "2026-10", "profile": "FEC"})
    assert (lacks.status, lacks.body["field"]) == (422, "chart.siren")
    wanted = {"classes": chart["classes"], "siren": "552100554"}
    assert api.call("PUT", "/v1/accounting/chart", "FINANCE", wanted).status == 200
    statuses = [
        api.call("POST", "/v1/accounting/exports", "FINANCE", {"period": "2026-10", "profile": "FEC"}).status
        for _ in range(2)
    ]
    assert statuses == [201, 200]
    (listed,) = api.call("GET", "/v1/accounting/exports", "VIEWER").body["items"]
    assert [each["name"] for each in listed["files"]] == ["COPY_552100554FEC20261031.txt"]
    assert api.call("GET", "/v1/accounting/exports", "EMSP_USER", contract_id=b.CONTRACT).status == 403


def test_an_audit_file_of_a_cleared_month(stage: Stage, api: Api) -> None:
    month.start(stage)
    month.push(stage, b.cdr(1))
    (number,) = month.close_run(stage, month.open_run(stage)).numbers
    stage.clock.set(datetime(2026, 12, 2, tzinfo=UTC))
    chart = api.call("GET", "/v1/accounting/chart", "FINANCE").body
    wrong = {"classes": chart["classes"], "saft": {"tax_codes": {"OUT-DE-AE-0": "x"}}}
    refused = api.call("PUT", "/v1/accounting/chart", "FINANCE", wrong)
    assert (refused.status, refused.body["field"]) == (422, "saft.tax_codes")
    setup = wrong | {"saft": {"tax_codes": {"OUT-DE-AE-0": "51"}, "fiscal_year_month": 4}}
    assert api.call("PUT", "/v1/accounting/chart", "FINANCE", setup).status == 200
    wanted = {"period": "2026-11", "profile": "SAFT"}
    assert [api.call("POST", "/v1/accounting/exports", "FINANCE", wanted).status for _ in range(2)] == [201, 200]
    assert api.call("POST", "/v1/accounting/exports", "OPS", wanted).status == 403
    (listed,) = api.call("GET", "/v1/accounting/exports", "VIEWER").body["items"]
    assert [each["name"] for each in listed["files"]] == ["COPY_SAF-T_Financial_HRB100001_2026-11_EUR.xml"]
    key = f"{b.ISSUER}/accounting/2026-11/SAF-T_Financial_HRB100001_2026-11_EUR.xml"
    root = saft.read(stage.ctx.objects.get("exports", key) or b"")
    assert saft.faults(root) == saft.sums(root) == []
    assert {x.text for x in saft.every(root, "ReferenceNumber")} == {number}
    assert [saft.value(x, "StandardTaxCode") for x in saft.every(root, "TaxCodeDetails")] == ["51"]
    assert {x.text for x in saft.every(root, "Period")} == {"8"}
