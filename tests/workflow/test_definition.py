"""What the file of the month close must hold beyond tests/infra: its choices, its branches, the words it listens to."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest
from jsonata import Jsonata

from infra.constructs.close import DEFINITION
from tests.workflow.month import shortened

ROOT = Path(__file__).resolve().parents[2]
MACHINE: dict[str, Any] = json.loads(DEFINITION.read_text())
STATES: dict[str, dict[str, Any]] = MACHINE["States"]
BRANCHES = [branch["States"] for state in STATES.values() for branch in state.get("Branches", [])]
#: Those of the machine and of its branches; a name stands once.
EVERY: dict[str, dict[str, Any]] = {name: state for states in (STATES, *BRANCHES) for name, state in states.items()}
CHOICES = {name: state for name, state in EVERY.items() if state["Type"] == "Choice"}
#: Where the outcomes of the task before a choice are written down: file and function.
OUTCOMES = {
    "IsReady": ("functions/prepare_run/handler.py", "handler"),
    "IsOpen": ("functions/open_window/handler.py", "handler"),
    "IsLocked": ("shared/roamclear/billing/service.py", "lock_outcome"),
    "IsIssued": ("functions/issue_invoice/handler.py", "handler"),
    "IsDrawn": ("functions/render_session_xlsx/handler.py", "handler"),
}
#: Where each outcome leads; `approval` stands for LOCKED with a contract that asks for one.
ROUTES = {
    ("IsReady", "READY"): "ParkUntilOpen",
    ("IsReady", "ALREADY_DONE"): "NothingToDo",
    ("IsOpen", "NOT_YET"): "ParkUntilOpen",
    ("IsOpen", "MORE"): "OpenWindow",
    ("IsOpen", "NOTHING_TO_BILL"): "Finish",
    ("IsOpen", "OPEN"): "ParkUntilClose",
    ("IsLocked", "NOT_YET"): "ParkUntilClose",
    ("IsLocked", "MORE"): "Lock",
    ("IsLocked", "NOTHING_TO_BILL"): "Finish",
    ("IsLocked", "LOCKED"): "IssueInvoice",
    ("IsLocked", "approval"): "ParkUntilApproved",
    ("IsIssued", "MORE"): "IssueInvoice",
    ("IsIssued", "DONE"): "Render",
    ("IsDrawn", "MORE"): "RenderXlsx",
    ("IsDrawn", "DRAWN"): "Drawn",
}


def outcomes(choice: str) -> set[str]:
    """Every text that a function can answer as its ``outcome``: constants of its returns and assignments."""
    path, name = OUTCOMES[choice]
    tree = ast.parse((ROOT / path).read_text())
    (function,) = (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == name)
    values: list[ast.expr] = []
    for node in ast.walk(function):
        if isinstance(node, ast.Dict):
            pairs = zip(node.keys, node.values, strict=True)
            values += [v for k, v in pairs if isinstance(k, ast.Constant) and k.value == "outcome"]
        if isinstance(node, ast.Assign) and [t.id for t in node.targets if isinstance(t, ast.Name)] == ["outcome"]:
            values.append(node.value)
    found = {text for value in values for text in _answers(value)}
    assert found, f"{path} names no outcome"
    return found


def _answers(value: ast.expr) -> set[str]:
    if isinstance(value, ast.IfExp):
        return _answers(value.body) | _answers(value.orelse)
    if isinstance(value, ast.Constant):
        return {str(value.value)}
    assert isinstance(value, ast.Name), "an outcome is a constant, so that the machine can be held against it"
    return set()


def route(choice: str, given: dict[str, Any]) -> str:
    """The next state by the conditions themselves."""
    for rule in CHOICES[choice]["Choices"]:
        condition = Jsonata(rule["Condition"].removeprefix("{%").removesuffix("%}"))
        condition.assign("states", {"input": given})
        if condition.evaluate(None) is True:
            return str(rule["Next"])
    return str(CHOICES[choice]["Default"])


def test_every_choice_follows_a_task_and_has_a_default() -> None:
    assert set(OUTCOMES) == set(CHOICES)
    for name, state in CHOICES.items():
        assert state["Default"] in EVERY, name
        before = [n for n, s in EVERY.items() if s.get("Next") == name]
        assert [EVERY[n]["Type"] for n in before] == ["Task"]
        # The choice reads the function's answer, not the envelope of the service.
        assert EVERY[before[0]]["Output"] == "{% $states.result.Payload %}"


@pytest.mark.parametrize("choice", sorted(OUTCOMES))
def test_a_choice_knows_every_outcome_of_its_task_and_no_other(choice: str) -> None:
    known = {outcome for name, outcome in ROUTES if name == choice} - {"approval"}
    assert outcomes(choice) == known
    heard = {
        rule["Condition"].split("'")[1] for rule in CHOICES[choice]["Choices"] if ".outcome = '" in rule["Condition"]
    }
    assert heard <= known, "a condition waits for a word that nobody says"


@pytest.mark.parametrize(("choice", "outcome"), sorted(ROUTES))
def test_an_outcome_leads_where_it_should(choice: str, outcome: str) -> None:
    asked = outcome == "approval"
    given: dict[str, Any] = {"outcome": "LOCKED" if asked else outcome}
    assert route(choice, given | {"needs_approval": asked}) == ROUTES[choice, outcome]
    if not asked:
        assert route(choice, given) == ROUTES[choice, outcome], "an absent needs_approval asks for nobody"


def test_every_name_leads_to_a_state() -> None:
    def check(machine: dict[str, Any]) -> None:
        states = machine["States"]
        seen, todo = set(), [machine["StartAt"]]
        while todo:
            name = todo.pop()
            assert name in states, name
            if name not in seen:
                seen.add(name)
                state = states[name]
                rules = [*state.get("Choices", []), *state.get("Catch", [])]
                todo += [n for n in (state.get("Next"), state.get("Default"), *(r["Next"] for r in rules)) if n]
                for branch in state.get("Branches", []):
                    check(branch)
                ends = state.get("End") is True or state["Type"] in ("Succeed", "Fail", "Choice")
                assert ends != ("Next" in state), f"{name} ends and goes on, or does neither"
        assert seen == set(states), "a state that nothing leads to"

    check(MACHINE)


def test_tasks_are_given_what_the_run_is_called_and_nothing_of_the_state_before() -> None:
    """So a resumed execution, or a longer answer of a task, changes nothing of what the next one is told."""
    tasks = {n: s for n, s in EVERY.items() if s["Type"] == "Task"}
    for name, task in tasks.items():
        payload = task["Arguments"]["Payload"]
        if isinstance(payload, str):
            assert payload == ("{% $states.input %}" if name == "Prepare" else "{% $run %}")
        else:
            assert payload["issuer_id"] == "{% $run.issuer_id %}"
            assert payload["run_id"] == "{% $run.run_id %}"


def test_the_machine_of_the_tests_differs_in_its_patience_only() -> None:
    def without(value: Any) -> Any:
        if isinstance(value, list):
            return [without(v) for v in value]
        if isinstance(value, dict):
            drop = {"IntervalSeconds", "BackoffRate", "MaxDelaySeconds"}
            return {k: without(v) for k, v in value.items() if k not in drop}
        return value

    short = json.loads(shortened(json.dumps(MACHINE)))
    assert short != MACHINE
    assert without(short) == without(MACHINE)
