"""The OpenAPI document that is committed is that of the routes (product.md row 129)."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from infra.local import openapi


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    return openapi.document()


def test_the_committed_document_is_that_of_the_routes(made: dict[str, Any]) -> None:
    assert json.loads(openapi.TARGET.read_text()) == made, "the routes changed: run `make openapi`"


def test_every_reference_leads_somewhere_and_every_path_names_its_parameters(made: dict[str, Any]) -> None:
    assert made["openapi"] == "3.1.0"
    for name in set(re.findall(r'"#/components/(\w+/\w+)"', json.dumps(made))):
        kind, key = name.split("/")
        assert key in made["components"][kind]
    ids = [op["operationId"] for methods in made["paths"].values() for op in methods.values()]
    assert len(ids) == len(set(ids)) > 100
    for path, methods in made["paths"].items():
        for operation in methods.values():
            named = {p["name"] for p in operation["parameters"] if p["in"] == "path"}
            assert named == set(re.findall(r"{(\w+)}", path))
            assert operation["summary"]


def test_bodies_rights_and_statuses_are_those_of_the_code(made: dict[str, Any]) -> None:
    claim = made["paths"]["/v1/disputes"]["post"]
    assert claim["requestBody"]["content"]["application/json"]["schema"]["$ref"].endswith("/Claim")
    assert "EMSP_USER" in claim["x-roles"]
    assert "SUB_CPO_USER" not in claim["x-roles"]
    assert "Idempotency-Key" in {p["name"] for p in claim["parameters"]}
    queue = made["paths"]["/v1/disputes"]["get"]
    assert {"contract", "partner", "state", "after"} <= {p["name"] for p in queue["parameters"]}
    asked = made["paths"]["/v1/accounting/accruals"]["post"]
    assert {"200", "202", "403", "422"} <= set(asked["responses"])
    assert asked["x-rights"] == ["ACCOUNTING_EXPORT"]
    status = made["paths"]["/v1/contracts/{contract_id}/status"]["get"]
    assert {"period", "contract_id"} <= {p["name"] for p in status["parameters"]}
    assert "requestBody" not in status
    money = made["components"]["schemas"]["Claim"]["properties"]["claimed"]["anyOf"][0]
    assert money["properties"]["amount_minor"]["type"] == "integer"
