"""A partner that speaks OCPI to the real handler's edge, on an in-process stage."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import parse_qsl, urlsplit

from functions.ocpi_api import app, http
from roamclear.identity.model import Actor, Grant, Role
from roamclear.kernel import numbers_json
from roamclear.kernel.context import Context
from roamclear.partners import service as partners
from roamclear.partners.model import Credential, Wanted

EVENTS = Path(__file__).parents[2] / "events" / "ocpi_api"
CASES = Path(__file__).parents[3] / "shared" / "cases" / "ocpi-spec"


@dataclass(frozen=True)
class Answer:
    """What a partner sees."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def body(self) -> dict[str, Any]:
        """The envelope with exact numbers."""
        value: dict[str, Any] = json.loads(self.text, parse_float=Decimal)
        return value

    @property
    def code(self) -> int:
        """The OCPI status code."""
        return int(self.body["status_code"])

    @property
    def data(self) -> Any:
        """What is inside the envelope."""
        return self.body["data"]


@dataclass
class Partner:
    """One side of a connection with its token."""

    credential: Credential
    token: str
    version: str = "2.2.1"
    headers: dict[str, str] = field(default_factory=dict)

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
        authorization: str | None = None,
    ) -> Answer:
        """Send a request; ``path`` may be a whole address that an answer named."""
        parts = urlsplit(path)
        event = json.loads((EVENTS / "post_cdr.json").read_text())
        encoded = base64.b64encode(self.token.encode()).decode()
        event["rawPath"] = event["requestContext"]["http"]["path"] = parts.path
        event["requestContext"]["http"]["method"] = method
        event["headers"]["authorization"] = f"Token {encoded}" if authorization is None else authorization
        event["headers"] |= {**self.headers, **(headers or {})}
        event["queryStringParameters"] = {**dict(parse_qsl(parts.query)), **(query or {})} or None
        if isinstance(body, bytes):
            event["body"], event["isBase64Encoded"] = base64.b64encode(body).decode(), True
        else:
            event["body"] = body if isinstance(body, str | None) else numbers_json.dumps(body)
        result = app.respond(event, None)
        return Answer(result["statusCode"], result["headers"], result["body"])

    def push(self, body: Any, **more: Any) -> Answer:
        """POST a CDR."""
        return self.call("POST", f"/ocpi/{self.version}/cdrs", body, **more)


@contextmanager
def served(ctx: Context) -> Iterator[None]:
    """The endpoint on a given stage instead of the environment's."""
    with patch.object(http, "context", lambda: ctx), patch.object(app, "context", lambda: ctx):
        yield


def admin(issuer_id: str) -> Actor:
    """Who may issue credentials."""
    return Actor(actor_id=f"admin-{issuer_id}", grants=(Grant(issuer_id=issuer_id, role=Role.ADMIN),))


def connect(ctx: Context, party: str = "DEVWK", role: str = "CPO", issuer_id: str = "voltwerk", **more: Any) -> Partner:
    """A partner with a fresh token."""
    wanted = Wanted.model_validate({"partner_id": f"partner-{party.lower()}", "party": party, "role": role, **more})
    made, token = partners.issue(ctx, admin(issuer_id), issuer_id, wanted)
    return Partner(made, token, version=made.ocpi_version)
