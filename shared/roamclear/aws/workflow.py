"""Step Functions executions and one-off EventBridge schedules."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from roamclear.kernel import numbers_json
from roamclear.kernel.context import Row
from roamclear.kernel.errors import Unavailable

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
                stateMachineArn=self.state_machine_arn, name=fitting(name, 80), input=numbers_json.dumps(payload)
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

    def wake_at(self, name: str, at: datetime) -> None:
        """One-off schedule that runs the sweep at an instant and deletes itself; it may exist already."""
        if not self.target_arn:
            return
        try:
            self.scheduler().create_schedule(
                Name=fitting(name, 64),
                GroupName=self.schedule_group,
                ScheduleExpression=f"at({at.strftime('%Y-%m-%dT%H:%M:%S')})",
                ScheduleExpressionTimezone="UTC",
                FlexibleTimeWindow={"Mode": "OFF"},
                ActionAfterCompletion="DELETE",
                Target={"Arn": self.target_arn, "RoleArn": self.target_role_arn, "Input": '{"reason":"due"}'},
            )
        except ClientError as error:
            if _code(error) != "ConflictException":
                raise Unavailable("the schedule service did not take a schedule") from error


def fitting(name: str, longest: int) -> str:
    """A name within the service's limit (execution 80, schedule 64); a longer one keeps its beginning and its identity.

    Cut off alone, the openings and closings of long contract names would take each other's schedule.

    >>> fitting("voltwerk.C-RON.2026-10.CLOSE", 80), fitting("a" * 70 + ".OPENS", 64) == fitting("a" * 70, 64)
    ('voltwerk.C-RON.2026-10.CLOSE', False)
    """
    if len(name) <= longest:
        return name
    return f"{name[: longest - 17]}-{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
