"""The import function on its three kinds of events, and the bank routes of the finance API."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from functions.import_bank_file import handler as function
from roamclear.kernel.errors import Busy
from roamclear.reconciliation import importing
from tests.support import builders as b
from tests.support.bank_files import IBAN, Ntry, Stmt, camt
from tests.support.moto_stack import Stage
from tests.support.receivables import balances

EVENTS = Path(__file__).resolve().parents[2] / "events" / "import_bank_file"
KEY = "statements/2026 11 03+a.xml"


@dataclass
class Invocation:
    """What Lambda tells a handler about itself."""

    function_name: str = "import_bank_file"
    memory_limit_in_mb: int = 1024
    invoked_function_arn: str = "arn:aws:lambda:eu-central-1:111122223333:function:import_bank_file"
    aws_request_id: str = "request"
    left_ms: int = 600_000

    def get_remaining_time_in_millis(self) -> int:
        """What is left of the time-out."""
        return self.left_ms


@pytest.fixture
def ready(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """An issuer, a dropped file, and the handler on this stage."""
    b.found_issuer(stage.ctx)
    data = camt(Stmt([Ntry("1.00", ref="B1"), Ntry("2.00", ref="B2")]))
    stage.ctx.objects.put("inbox", KEY, data, "application/xml")
    monkeypatch.setattr(function, "compose", lambda: stage.ctx)
    return stage


def _event(name: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads((EVENTS / name).read_text())
    return event


@pytest.mark.parametrize("name", ["object_created.json", "s3_notification.json", "schedule.json"])
def test_every_event_imports_the_file_once(ready: Stage, name: str) -> None:
    for _ in range(2):
        answer = function.handler(_event(name), Invocation())
        assert [(one["state"], one["booked"]) for one in answer["files"]] == [("PARTLY", 2)]
    assert balances(ready.ctx)[f"bank:{IBAN}"] == 100_300


def test_an_unfinished_file_goes_on_at_the_next_call(ready: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = importing.import_file
    monkeypatch.setattr(importing, "import_file", lambda ctx, key: whole(ctx, key, limit=1))
    with pytest.raises(Busy):
        function.handler(_event("schedule.json"), Invocation(left_ms=1))
    assert function.handler(_event("schedule.json"), Invocation(left_ms=1))["files"]
    assert balances(ready.ctx)[f"bank:{IBAN}"] == 100_300
