"""Every function's real handler in process on a stage, with its sample events."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from infra.catalogue import BY_NAME
from roamclear.aws import compose
from roamclear.kernel.context import Context

EVENTS = Path(__file__).resolve().parents[2] / "events"
#: The composition root before any test put a stage in its place.
_REAL = compose.context


@dataclass(frozen=True)
class Invocation:
    """What Lambda tells a handler about itself."""

    function_name: str
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:eu-central-1:111122223333:function:it"
    aws_request_id: str = "00000000-0000-0000-0000-000000000000"
    left_ms: int = 600_000

    def get_remaining_time_in_millis(self) -> int:
        """What is left of the time-out."""
        return self.left_ms


def samples(function: str) -> list[str]:
    """The names of a function's sample events."""
    return sorted(path.stem for path in (EVENTS / function).glob("*.json"))


def sample(function: str, name: str, **values: str) -> dict[str, Any]:
    """A sample event with its ``${placeholders}`` filled."""
    text = (EVENTS / function / f"{name}.json").read_text()
    for key, value in values.items():
        text = text.replace(f"${{{key}}}", value)
    found: dict[str, Any] = json.loads(text)
    return found


@contextmanager
def on(ctx: Context) -> Iterator[None]:
    """Wherever a function took ``roamclear.aws.compose.context``, it gets this context while the block runs."""
    for name in BY_NAME:
        importlib.import_module(f"functions.{name}.handler")
    with ExitStack() as stack:
        for module_name, module in list(sys.modules.items()):
            if module_name.split(".")[0] != "functions" or module is None:
                continue
            for attribute, value in list(vars(module).items()):
                if value is _REAL:
                    stack.enter_context(mock.patch.object(module, attribute, return_value=ctx))
        yield


def call(function: str, event: dict[str, Any], **invocation: Any) -> Any:
    """Let a function's handler work on an event; its answer must survive Lambda's JSON."""
    module = importlib.import_module(f"functions.{function}.handler")
    answer = module.handler(event, Invocation(function, **invocation))
    return json.loads(json.dumps(answer))
