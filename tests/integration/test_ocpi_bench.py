"""The partner bench: a sandbox credential is checked and answered, never billed, and told how it did (B21)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from roamclear.facts import service as facts
from roamclear.journal import service as journal
from roamclear.kernel.writes import Table
from tests.support import builders as b
from tests.support.moto_stack import Stage
from tests.support.ocpi_partner import Partner, connect, served

PATH = "/ocpi/2.2.1/conformance"


@pytest.fixture
def sandbox(stage: Stage) -> Iterator[Partner]:
    b.found_issuer(stage.ctx)
    b.found_contract(stage.ctx)
    stage.clock.set(datetime(2026, 10, 20, 12, tzinfo=UTC))
    with served(stage.ctx):
        yield connect(stage.ctx, sandbox=True)


def push(stage: Stage, partner: Partner, body: Any) -> None:
    stage.clock.advance(timedelta(seconds=1))
    partner.push(body)


def credit(number: int) -> dict[str, Any]:
    raw = b.cdr(number)
    return raw | {"id": f"{raw['id']}-C", "credit": True, "credit_reference_id": raw["id"],
                  "total_cost": {"excl_vat": -raw["total_cost"]["excl_vat"]}}  # fmt: skip


def test_every_case_is_told_newest_first(stage: Stage, sandbox: Partner) -> None:
    empty = sandbox.call("GET", PATH).data
    assert (empty["messages"], len(empty["missing"])) == ([], 8)
    bodies = [b.cdr(1), b.cdr(1), b.cdr(1, kwh="19"), credit(1), b.cdr(2, currency=7), b.cdr(3, party_id="X"), b"{"]
    for body in bodies:
        push(stage, sandbox, body)
    found = sandbox.call("GET", PATH).data
    assert [m["case"] for m in found["messages"]] == [
        "NOT_JSON", "FOREIGN_PARTY", "BAD_FIELD", "CREDIT", "CONFLICT", "REPEAT", "NEW",
    ]  # fmt: skip
    assert [(m["http_status"], m["status_code"]) for m in found["messages"]] == [
        (400, 2001), (200, 2001), (200, 2001), (201, 1000), (200, 2001), (200, 1000), (201, 1000),
    ]  # fmt: skip
    assert found["missing"] == ["TOO_LARGE"]
    assert found["cases"]["NEW"] == 1
    first = found["messages"][-1]
    assert first["rules"]["wire"] == first["rules"]["times"] == first["rules"]["energy"] == "PASS"
    assert found["messages"][2]["rules"] == {"wire": "FAIL"}


def test_plausibility_is_told_by_rule(stage: Stage, sandbox: Partner) -> None:
    push(stage, sandbox, b.cdr(1, kwh="2000", total=Decimal(10)))
    (message,) = sandbox.call("GET", PATH).data["messages"]
    assert (message["result"], message["http_status"]) == ("HOLD", 201)
    assert {name for name, result in message["rules"].items() if result == "FAIL"} >= {"energy", "power"}
    assert "ENERGY_IN_WH" in {f["id"] for f in message["findings"]}


def test_nothing_of_it_is_billed_seen_or_raised(stage: Stage, sandbox: Partner) -> None:
    for body in (b.cdr(1), b.cdr(1, kwh="3"), b.cdr(2, currency=7), b"{", credit(1)):
        push(stage, sandbox, body)
    sandbox.call("PUT", "/ocpi/2.2.1/locations/DE/VWK/LOC1", b.location("DE*VWK*E777"))
    for partition in rows(stage, Table.INTAKE):
        facts.took_in(stage.ctx, partition)
    stage.clock.advance(timedelta(hours=1))
    facts.sweep(stage.ctx, lambda row, error: None)
    assert journal.listed(stage.ctx, b.actor("OPS"), b.ISSUER) == []
    assert not [r for r in rows(stage, Table.CLEARING) if r["sk"] == "SESSION"]
    assert not [r for r in rows(stage, Table.INTAKE) if r["sk"] in ("ORIGINAL", "LOCATION")]
    assert connect(stage.ctx, "NLRON", "EMSP").call("GET", "/ocpi/2.2.1/cdrs").data == []


def test_only_the_caller_s_messages_are_told(stage: Stage, sandbox: Partner) -> None:
    push(stage, sandbox, b.cdr(1))
    other = connect(stage.ctx, sandbox=True)
    assert other.call("GET", PATH).data["messages"] == []
    assert connect(stage.ctx, "NLRON", "EMSP").call("GET", PATH).data["messages"] == []
    production = connect(stage.ctx)
    production.push(b.cdr(2, currency=7))
    told = production.call("GET", PATH).data
    assert [(m["result"], m["findings"][0]["field"]) for m in told["messages"]] == [("REJECT", "currency")]


def rows(stage: Stage, table: Table) -> list[dict[str, Any]]:
    """Every row of a table."""
    from boto3.dynamodb.types import TypeDeserializer

    from tests.support.moto_stack import NAMES

    read = TypeDeserializer()
    found = stage.client.scan(TableName=NAMES[table])["Items"]
    return [{name: read.deserialize(value) for name, value in item.items()} for item in found]
