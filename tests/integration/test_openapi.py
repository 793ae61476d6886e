"""The OpenAPI document that is committed is that of the routes (product.md row 129), and it says what they answer.

That the answers are what it says is checked wherever a test asks the API (tests/support/api.py).
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from infra.local import answers as declared
from infra.local import openapi
from roamclear.kernel import numbers_json
from tests.support import answers

ROOT = Path(__file__).resolve().parents[2]
#: Where anything may stand: bodies of others, OCPI tariffs, what differs by kind, values before and after a change.
FREE = {"details", "replaces", "payload", "before", "after", "raw", "grid"}


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    return openapi.document()


def test_the_committed_document_is_that_of_the_routes(made: dict[str, Any]) -> None:
    assert json.loads(openapi.TARGET.read_text()) == made, "the routes changed: run `make openapi`"


def test_every_route_says_what_it_answers() -> None:
    silent = [f"{v.__module__}.{v.__name__}" for _, _, v in openapi.routes() if not declared.declared(v)]
    assert not silent, (
        f"{', '.join(silent)}: write `-> Response[Model]` with the record that is dumped, `Response[Items[Model]]` or "
        "`Response[Paged[Model]]` for a list, or a type of functions/finance_api/answers.py, imported behind "
        "`if TYPE_CHECKING:`; then run `make openapi` (docs/api.md)"
    )


def test_answers_are_closed_and_described_to_the_last_field(made: dict[str, Any]) -> None:
    known = made["components"]["schemas"]
    told = {
        name
        for methods in made["paths"].values()
        for operation in methods.values()
        for status, response in operation["responses"].items()
        if status < "300"
        for name in declared.reached(response, known)
    }
    assert len(told) > 150
    free = set()
    for name in told & {name for name in known if known[name].get("type") == "object"}:
        assert known[name]["additionalProperties"] is False, name
        for key, each in known[name].get("properties", {}).items():
            if any(node in ({}, True) or node.get("additionalProperties") is True for node in (each, each.get("items"))
                   if isinstance(node, dict)):  # fmt: skip
                free.add(key)
    assert free <= FREE


def test_money_instants_and_enums_are_told_as_such(made: dict[str, Any]) -> None:
    known = made["components"]["schemas"]
    assert known["Money"]["properties"]["amount_minor"]["type"] == "integer"
    invoice = known["Document"]["properties"]
    assert invoice["gross"] == {"$ref": "#/components/schemas/Money"}
    assert invoice["issue_date"] == {"type": "string", "format": "date"}
    run = known["Run"]
    assert run["properties"]["closes_at_utc"] == {"type": "string", "format": "date-time"}
    assert "WINDOW" in known["RunState"]["enum"]
    assert "closes_at_utc" not in run["required"]
    assert {"run_id", "state", "members"} <= set(run["required"])
    assert "approval_token" not in run["properties"]
    assert "resumed" not in run["required"], "an eMSP is not told"
    account = known["PayoutAccount"]
    assert "account_id" in account["required"], "the issuer's people are"


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("Money", {"amount_minor": 1, "currency": "EUR"}, None),
        ("Money", {"amount_minor": Decimal("1.5"), "currency": "EUR"}, "$.amount_minor"),
        ("Money", {"amount_minor": True, "currency": "EUR"}, "$.amount_minor"),
        ("Money", {"amount_minor": 1, "currency": "eur"}, "$.currency"),
        ("Money", {"amount_minor": 1}, "currency is missing"),
        ("Money", {"amount_minor": 1, "currency": "EUR", "amount": 1}, "amount is not described"),
        ("ItemsOfRate", {"items": [{}]}, "$.items[0]"),
        ("RunState", "SOMETHING", "none of"),
        ("Opening", {"at_utc": "2026-11-01T00:00:00", "source": "", "program": ""}, "no offset"),
        ("Opening", {"at_utc": "yesterday", "source": "", "program": ""}, "no date-time"),
        ("EvseTold", {"evse": None, "history": []}, "is no object"),
    ],
)
def test_the_check_of_answers_finds_what_is_wrong(name: str, value: Any, fault: str | None) -> None:
    found = answers.violations({"$ref": f"#/components/schemas/{name}"}, value)
    if fault is None:
        assert found == []
    else:
        assert any(fault in each for each in found), found


def test_the_check_of_answers_refuses_what_it_does_not_know() -> None:
    assert answers.violations({"type": "string", "contentEncoding": "base64"}, "x") == [
        "$: contentEncoding is not checked"
    ]


def test_an_answer_of_an_undescribed_status_or_kind_fails() -> None:
    with pytest.raises(AssertionError, match="the document knows"):
        answers.check("GET", "/v1/runs", 201, "application/json", {"items": [], "next": None})
    with pytest.raises(AssertionError, match="is text/plain"):
        answers.check("GET", "/v1/runs", 200, "text/plain", {"items": [], "next": None})
    with pytest.raises(AssertionError, match="not in the document"):
        answers.check("GET", "/v1/nowhere", 200, "application/json", {})
    with pytest.raises(AssertionError, match="next is missing"):
        answers.check("GET", "/v1/runs", 200, "application/json", {"items": []})
    answers.check("GET", "/v1/runs", 200, "application/json", {"items": [], "next": None})


def test_every_example_is_an_answer_of_its_operation(made: dict[str, Any]) -> None:
    known = {op["operationId"]: op for methods in made["paths"].values() for op in methods.values()}
    kept = sorted(openapi.EXAMPLES.glob("*.json"))
    assert len(kept) > 100
    for path in kept:
        assert path.stem in known, f"{path.name}: there is no such operation any more"
        response = next(each for status, each in known[path.stem]["responses"].items() if status < "300")
        schema = response["content"]["application/json"]["schema"]
        assert answers.violations(schema, numbers_json.loads(path.read_text())) == [], path.name
        assert response["content"]["application/json"]["example"] == json.loads(path.read_text())


def test_the_function_never_loads_the_types_of_its_answers() -> None:
    code = (
        "import functions.finance_api.app as a, sys\nfrom functions.finance_api.routes import FILES\n"
        "[a.load(each) for each in FILES]\n"
        "print(*[m for m in ('functions.finance_api.answers',) if m in sys.modules])"
    )
    environ = {"PYTHONPATH": f"{ROOT}:{ROOT / 'shared'}", "ROAMCLEAR_STAGE": "local", "POWERTOOLS_SERVICE_NAME": "x"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environ)
    assert (done.returncode, done.stdout.split()) == (0, []), done.stderr


def test_every_reference_leads_somewhere_and_every_path_names_its_parameters(made: dict[str, Any]) -> None:
    assert made["openapi"] == "3.1.0"
    for name in set(re.findall(r'"#/components/(\w+/[\w-]+)"', json.dumps(made))):
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
    assert money == {"$ref": "#/components/schemas/Money"}
