"""The console as a browser meets it: the real pages and the real JSON API on one address of this machine.

Behind both stands a stage in memory. Whoever sends ``Bearer NAME`` is the actor NAME: that is what the gateway's
authorizer makes of a token. The store of posted files and of signed links is part of the same address; what arrives in
the inbox is worked on by the real functions, as its events would have them do.
"""

from __future__ import annotations

import email.parser
import email.policy
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any, ClassVar
from unittest import mock
from urllib.parse import parse_qsl, quote, urlsplit

from roamclear.identity import service as identity
from roamclear.identity.model import Grant, Role
from roamclear.kernel.context import UploadForm
from tests.integration import test_close as month
from tests.support import api, memory_stage
from tests.support import builders as b
from tests.support.handlers import call, on, sample
from tests.support.loopback import serving
from tests.support.memory_stage import MemoryObjects
from tests.support.moto_stack import Stage

#: Powertools keeps the event of the running request in one place per process: one request at a time.
_ONE = threading.Lock()
#: Functions that an object in the inbox wakes.
_WAKING = ("take_dispute_file", "compare_sessions", "export_window")


@dataclass
class HereObjects(MemoryObjects):
    """Objects in memory whose links and forms lead back to this machine."""

    origin: str = ""

    def link(self, bucket: str, key: str, *, seconds: int, filename: str) -> str:
        """An address that saves the object."""
        return f"{self.origin}/store/{bucket}/{quote(key)}?filename={quote(filename)}"

    def upload(self, bucket: str, key: str, *, seconds: int, max_bytes: int, content_type: str) -> UploadForm:
        """A form that is posted to this machine."""
        fields = {"key": key, "Content-Type": content_type}
        return UploadForm(f"{self.origin}/store/{bucket}", fields, max_bytes, seconds)


@dataclass
class Desk:
    """A running console; ``requests`` are what browsers asked of it, as method and path."""

    stage: Stage
    origin: str
    requests: list[tuple[str, str]] = field(default_factory=list)

    def person(self, name: str, role: str, *, contract_id: str | None = None, issuer_id: str = b.ISSUER) -> str:
        """Grant a person a role; the name is its token."""
        grant = Grant(issuer_id=issuer_id, role=Role(role), contract_id=contract_id)
        identity.bootstrap(self.stage.ctx, name, name, (grant,))
        return name


def opened(sessions: int = 3, *, terms: dict[str, Any] | None = None, **changes: Any) -> Stage:
    """A stage with an open control window of so many sessions."""
    stage = memory_stage.fresh()
    month.start(stage, **(terms or {}))
    for number in range(1, sessions + 1):
        start = datetime.fromisoformat("2026-10-05T10:00:00+00:00") + timedelta(minutes=30 * number)
        month.push(stage, b.cdr(number, start=start, kwh=str(20 + number % 7), hours="0.4", **changes))
    month.open_run(stage)
    return stage


@contextmanager
def console(stage: Stage) -> Iterator[Desk]:
    """Serve the console over a stage while the block runs."""

    class Handler(_Handler):
        pass

    with serving(Handler) as origin:
        known = stage.ctx.objects
        assert isinstance(known, MemoryObjects)
        object.__setattr__(stage.ctx, "objects", HereObjects(**vars(known), origin=origin))
        Handler.desk = Desk(stage, origin)
        told = {"ROAMCLEAR_STAGE": "local", "CONSOLE_PASTE_TOKEN": "1", "CONSOLE_UPLOADS": origin}
        with api.environment(stage), on(stage.ctx), mock.patch.dict("os.environ", told):
            yield Handler.desk


class _Handler(BaseHTTPRequestHandler):
    """One request: a page, the API, or the store."""

    protocol_version = "HTTP/1.1"
    desk: ClassVar[Desk]

    def do_GET(self) -> None:
        """A page, an answer of the API, or a file of the store."""
        self._answer("GET")

    def do_POST(self) -> None:
        """A request of the API, or a posted form."""
        self._answer("POST")

    def _answer(self, method: str) -> None:
        desk = self.desk
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        desk.requests.append((method, self.path))
        with _ONE:
            if parts.path.startswith("/store/"):
                status, headers, data = self._store(desk, method, parts.path, body)
            else:
                status, headers, data = self._function(desk, method, parts.path, parts.query, body)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _function(
        self, desk: Desk, method: str, path: str, query: str, body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        name = "serve_console" if path == "/console" or path.startswith("/console/") else "finance_api"
        pairs = dict(parse_qsl(query, keep_blank_values=True))
        bearer = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        event = sample("serve_console", "page") | {
            "rawPath": path,
            "rawQueryString": query,
            "queryStringParameters": pairs or None,
            "headers": {key.lower(): value for key, value in self.headers.items()},
            "body": body.decode() if body else None,
        }
        event["requestContext"] |= {
            "http": {"method": method, "path": path, "sourceIp": "192.0.2.1"},
            "authorizer": {"jwt": {"claims": {"sub": bearer}}},
        }
        if name == "finance_api" and not (path.startswith("/v1/") and bearer):
            return 401, {"Content-Type": "application/json"}, b'{"message":"Unauthorized"}'
        answer = call(name, event)
        if method == "POST" or path.endswith("/export"):
            _wake(desk)
        return answer["statusCode"], dict(answer["headers"]), answer["body"].encode()

    def _store(self, desk: Desk, method: str, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        bucket, _, key = path.removeprefix("/store/").partition("/")
        objects: Any = desk.stage.ctx.objects
        if method == "GET":
            found = objects.get(bucket, key)
            headers = {"Content-Type": "application/octet-stream", "Content-Disposition": 'attachment; filename="file"'}
            return (200, headers, found) if found is not None else (404, {}, b"")
        fields = _form(self.headers["Content-Type"], body)
        objects.put(bucket, fields["key"].decode(), fields["file"], fields["Content-Type"].decode())
        _wake(desk)
        return 204, {}, b""


def _form(content_type: str, body: bytes) -> dict[str, bytes]:
    """The fields of a posted multipart form."""
    head = f"Content-Type: {content_type}\r\n\r\n".encode()
    parsed = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + body)
    found = {}
    for part in parsed.iter_parts():
        name = part.get_param("name", header="content-disposition")
        data = part.get_payload(decode=True)
        assert isinstance(data, bytes)
        found[str(name)] = data.removesuffix(b"\r\n")
    return found


def _wake(desk: Desk) -> None:
    """Let the functions of the inbox look at what waits."""
    if not any(desk.stage.ctx.objects.keys("inbox")):
        return
    for name in _WAKING:
        call(name, json.loads(json.dumps({"reason": "schedule"})))
