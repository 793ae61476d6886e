"""One-off schedules: one for all that is due at an instant, and never before it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from moto import mock_aws

from roamclear.aws.workflow import StepFunctions
from tests.support.moto_stack import REGION

GROUP = "roamclear-test"
AT = datetime(2026, 11, 8, 23, 1, tzinfo=UTC)


@pytest.fixture
def scheduler() -> Iterator[Any]:
    with mock_aws():
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": REGION}
        client = boto3.client("scheduler", **keys)
        client.create_schedule_group(Name=GROUP)
        yield client


def woken(scheduler: Any, *instants: datetime) -> list[str]:
    """The instants that are planned after these wishes."""
    target = f"arn:aws:lambda:{REGION}:111122223333:function:sweep"
    role = "arn:aws:iam::111122223333:role/wake"
    doors = StepFunctions(lambda: None, lambda: scheduler, "", GROUP, target, role)
    for at in instants:
        doors.wake_at(at)
    found = [
        scheduler.get_schedule(GroupName=GROUP, Name=each["Name"]) for each in scheduler.list_schedules()["Schedules"]
    ]
    assert {each["ActionAfterCompletion"] for each in found} == {"DELETE"}
    return sorted(each["ScheduleExpression"] for each in found)


def test_windows_that_close_at_one_instant_are_one_call(scheduler: Any) -> None:
    assert woken(scheduler, AT, AT, AT) == ["at(2026-11-08T23:01:00)"]


def test_a_part_of_a_second_is_rounded_up(scheduler: Any) -> None:
    assert woken(scheduler, AT.replace(microsecond=1)) == ["at(2026-11-08T23:01:01)"]
