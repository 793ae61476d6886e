"""Step Functions executions and one-off EventBridge schedules."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from roamclear.kernel import numbers_json
from roamclear.kernel.context import Row
from roamclear.kernel.errors import Unavailable

#: Characters of the name of an execution.
_LONGEST = 80
_GONE = {"TaskDoesNotExist", "TaskTimedOut", "InvalidToken"}


@dataclass(slots=True)
class StepFunctions:
    """``Workflows`` over the state machine of the month close."""

    states: Callable[[], Any]
    scheduler: Callable[[], Any]
    state_machine_arn: str
    schedule_group: str
    target_arn: str
    target_role_arn: str

    def start_close(self, name: str, payload: Row) -> bool:
        """Start an execution; a name that ran before counts as started."""
        try:
            self.states().start_execution(
                stateMachineArn=self.state_machine_arn, name=fitting(name), input=numbers_json.dumps(payload)
            )
        except ClientError as error:
            if _code(error) == "ExecutionAlreadyExists":
                return False
            raise Unavailable("the workflow service did not start an execution") from error
        return True

    def complete(self, task_token: str, output: Row) -> bool:
        """Let a parked execution go on."""
        try:
            self.states().send_task_success(taskToken=task_token, output=numbers_json.dumps(output))
        except ClientError as error:
            if _code(error) in _GONE:
                return False
            raise Unavailable("the workflow service did not take a completion") from error
        return True

    def wake_at(self, at: datetime) -> None:
        """One-off schedule that runs the sweep at an instant and deletes itself; it may exist already.

        It has the name of its instant: a hundred windows that close at one midnight are one call of the sweep. A
        schedule knows whole seconds; one that came before its instant would find nothing due.
        """
        if not self.target_arn:
            return
        second = at.replace(microsecond=0) + timedelta(seconds=1 if at.microsecond else 0)
        try:
            self.scheduler().create_schedule(
                Name=f"due-{second:%Y%m%dT%H%M%S}",
                GroupName=self.schedule_group,
                ScheduleExpression=f"at({second:%Y-%m-%dT%H:%M:%S})",
                ScheduleExpressionTimezone="UTC",
                FlexibleTimeWindow={"Mode": "OFF"},
                ActionAfterCompletion="DELETE",
                Target={"Arn": self.target_arn, "RoleArn": self.target_role_arn, "Input": '{"reason":"due"}'},
            )
        except ClientError as error:
            if _code(error) != "ConflictException":
                raise Unavailable("the schedule service did not take a schedule") from error


def fitting(name: str) -> str:
    """The name of an execution within the service's limit; a longer one keeps its beginning and its identity.

    Cut off alone, long names of contracts would take each other's execution.

    >>> fitting("voltwerk.C-RON.2026-10.CLOSE"), fitting("a" * 90 + ".R1") == fitting("a" * 90 + ".R2")
    ('voltwerk.C-RON.2026-10.CLOSE', False)
    """
    if len(name) <= _LONGEST:
        return name
    return f"{name[: _LONGEST - 17]}-{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
