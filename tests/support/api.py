"""The JSON API's real handler in process: an API Gateway event in, its answer out, on a moto stage."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from unittest import mock

from roamclear.aws import compose
from roamclear.identity import service as identity
from roamclear.identity.model import Grant, Role
from roamclear.kernel import numbers_json
from tests.support import answers
from tests.support import builders as b
from tests.support.moto_stack import BUCKETS, NAMES, REGION, Stage

LAMBDA = SimpleNamespace(
    function_name="finance_api",
    memory_limit_in_mb=512,
    invoked_function_arn="arn:aws:lambda:eu-central-1:000000000000:function:finance_api",
    aws_request_id="00000000-0000-0000-0000-000000000000",
)


@dataclass
class Reply:
    """What the API answered."""

    status: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict)


@contextmanager
def environment(stage: Stage) -> Iterator[None]:
    """The environment of a function on a stage; the composition root takes the stage's clock."""
    names = {f"TABLE_{t.name}": name for t, name in NAMES.items()} | {
        f"BUCKET_{role.upper()}": name for role, name in BUCKETS.items()
    }
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": REGION}
    with mock.patch.dict(os.environ, names | keys | {"ROAMCLEAR_STAGE": "local"}):
        for cached in (compose.settings, compose.client, compose._doors):
            cached.cache_clear()
        with mock.patch("functions.finance_api.http.context", return_value=stage.ctx):
            yield
        for cached in (compose.settings, compose.client, compose._doors):
            cached.cache_clear()


class Api:
    """Calls by people of the test issuer: one actor per role, made on first use."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self._known: set[str] = set()

    def call(
        self,
        method: str,
        path: str,
        role: str | None,
        body: Any = None,
        *,
        contract_id: str | None = None,
        headers: dict[str, str] | None = None,
        **query: str,
    ) -> Reply:
        """One request as a role."""
        from functions.finance_api.handler import handler

        claims = {"sub": self.actor(role, contract_id)} if role else {}
        event = {
            "version": "2.0",
            "routeKey": "ANY /v1/{proxy+}",
            "rawPath": path,
            "rawQueryString": "&".join(f"{k}={v}" for k, v in query.items()),
            "queryStringParameters": query or None,
            "headers": {"content-type": "application/json"} | (headers or {}),
            "requestContext": {
                "http": {"method": method, "path": path, "sourceIp": "192.0.2.1"},
                "stage": "$default",
                "requestId": "r",
                "authorizer": {"jwt": {"claims": claims}},
            },
            "isBase64Encoded": False,
        }
        if body is not None:
            event["body"] = body if isinstance(body, str) else numbers_json.dumps(body)
        answer = handler(event, LAMBDA)
        said, head = numbers_json.loads(answer["body"]), answer.get("headers", {})
        answers.check(method, path, answer["statusCode"], head["Content-Type"], said)
        return Reply(answer["statusCode"], said, head)

    def actor(self, role: str, contract_id: str | None) -> str:
        """The id of a role's person."""
        name = f"{role.lower()}-{contract_id}" if contract_id else role.lower()
        if name not in self._known:
            grant = Grant(issuer_id=b.ISSUER, role=Role(role), contract_id=contract_id)
            identity.bootstrap(self.stage.ctx, name, role, (grant,))
            self._known.add(name)
        return name
