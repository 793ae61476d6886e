"""/v1/accounting: chart, export, copy and list, by the handler people call."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from tests.support import builders as b
from tests.support import receivables
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
