"""The month close as a file: every task has a time-out, a retry with jitter and a way to fail in order."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from infra.catalogue import BY_NAME, CLOSE_TASKS
from infra.constructs.close import DEFINITION
from tests.infra.templates import STAGES, service, text

MACHINE = json.loads(DEFINITION.read_text())
SERVICE_ERRORS = {"Lambda.ServiceException", "Lambda.AWSLambdaException", "Lambda.SdkClientException",
                  "Lambda.TooManyRequestsException", "Lambda.Unknown"}  # fmt: skip


def states(machine: dict[str, Any], inside: str = "") -> Iterator[tuple[str, dict[str, Any], str]]:
    """Every state with its name and the Parallel it stands in."""
    for name, state in machine["States"].items():
        yield name, state, inside
        for branch in state.get("Branches", []):
            yield from states(branch, name)


TASKS = [(name, state, inside) for name, state, inside in states(MACHINE) if state["Type"] == "Task"]


@pytest.mark.parametrize(("name", "state", "inside"), TASKS, ids=[t[0] for t in TASKS])
def test_task_has_time_out_retry_with_jitter_and_catch(name: str, state: dict[str, Any], inside: str) -> None:
    assert state["TimeoutSeconds"] > 0
    for rule in state["Retry"]:
        assert rule["JitterStrategy"] == "FULL"
        assert rule["MaxAttempts"] >= 3
        assert rule["BackoffRate"] >= 2
        assert rule["MaxDelaySeconds"] <= 300
    retried = {error for rule in state["Retry"] for error in rule["ErrorEquals"]}
    assert retried >= SERVICE_ERRORS | {"States.TaskFailed"}
    # Only errors that Step Functions itself names: business outcomes are return values (platform.md 3).
    assert all(error.startswith(("Lambda.", "States.")) for error in retried)
    catches = MACHINE["States"][inside]["Catch"] if inside else state["Catch"]
    assert catches[-1]["ErrorEquals"] == ["States.ALL"]
    assert catches[-1]["Next"] == ("Failed" if name == "FailRun" else "FailRun")
    if name != "FailRun":
        assert catches[-1]["Assign"]["failed"]["step"] == (inside or name)


@pytest.mark.parametrize(("name", "state", "inside"), TASKS, ids=[t[0] for t in TASKS])
def test_a_task_waits_longer_than_its_function(name: str, state: dict[str, Any], inside: str) -> None:
    function = state["Arguments"]["FunctionName"].removeprefix("${").removesuffix("}")
    assert function in CLOSE_TASKS
    assert state["TimeoutSeconds"] > BY_NAME[function].timeout_s


def test_every_task_function_is_used_and_none_besides() -> None:
    used = {state["Arguments"]["FunctionName"][2:-1] for _, state, _ in TASKS}
    assert used == set(CLOSE_TASKS)


def test_parked_states_give_their_token_and_gate() -> None:
    gates = {}
    for name, state, _ in TASKS:
        if "waitForTaskToken" in state["Resource"]:
            payload = state["Arguments"]["Payload"]
            assert payload["task_token"] == "{% $states.context.Task.Token %}"
            gates[name] = payload["gate"]
            assert state["TimeoutSeconds"] >= 100 * 24 * 3600
    assert gates == {"ParkUntilOpen": "OPENS", "ParkUntilClose": "CLOSES", "ParkUntilApproved": "APPROVED"}


def test_nothing_waits_on_wall_time() -> None:
    assert "Wait" not in {state["Type"] for _, state, _ in states(MACHINE)}


def test_every_state_is_reachable_and_every_way_leads_somewhere() -> None:
    known = MACHINE["States"]
    seen: set[str] = set()
    todo = [MACHINE["StartAt"]]
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        state = known[name]
        nexts = [state.get("Next"), state.get("Default")]
        nexts += [rule["Next"] for rule in [*state.get("Choices", []), *state.get("Catch", [])]]
        todo += [n for n in nexts if n]
        assert any(nexts) or state["Type"] in {"Succeed", "Fail"}
    assert seen == set(known)


@pytest.mark.parametrize("stage", STAGES)
def test_the_template_substitutes_every_function(stage: str) -> None:
    (machine,) = service(stage).of_type("AWS::StepFunctions::StateMachine").values()
    assert machine["StateMachineType"] == "STANDARD"
    assert set(machine["DefinitionSubstitutions"]) == set(CLOSE_TASKS)
    assert machine["TracingConfiguration"] == {"Enabled": True}
    assert machine["LoggingConfiguration"]["IncludeExecutionData"] is False
    assert json.loads(machine["DefinitionString"]) == MACHINE
    for name, arn in machine["DefinitionSubstitutions"].items():
        assert text(arn).endswith(f":function:roamclear-{stage}-{name.replace('_', '-')}")


def test_the_machine_may_invoke_the_tasks_of_the_close_only() -> None:
    made = service("prod")
    (role,) = (r for n, r in made.of_type("AWS::IAM::Role").items() if n.startswith("CloseRunRole"))
    (statement,) = role["Policies"][0]["PolicyDocument"]["Statement"]
    assert statement["Action"] == "lambda:InvokeFunction"
    assert len(statement["Resource"]) == len(CLOSE_TASKS)
    assert not [r for r in statement["Resource"] if "*" in text(r)]
