"""VIES and the ECB over real HTTP on the loopback, with answers and faults that a test plants."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.support.loopback import serving


@dataclass
class Services:
    """What the two services say. ``vies`` maps a number without its prefix to an answer or to ``(status, body)``."""

    url: str = ""
    vies: dict[str, Any] = field(default_factory=dict)
    asked: list[dict[str, Any]] = field(default_factory=list)
    files: dict[str, bytes | tuple[int, bytes]] = field(default_factory=dict)
    fetched: list[str] = field(default_factory=list)

    @property
    def vies_url(self) -> str:
        """The base that the setting names."""
        return f"{self.url}/vies"

    @property
    def ecb_url(self) -> str:
        """The base that the setting names."""
        return f"{self.url}/eurofxref"

    def check(self, question: dict[str, Any]) -> tuple[int, bytes]:
        """The answer to one number; without a planted one it is valid."""
        self.asked.append(question)
        planted = self.vies.get(question["vatNumber"], {})
        if isinstance(planted, tuple):
            status, body = planted
            return status, body if isinstance(body, bytes) else json.dumps(body).encode()
        said = {
            "countryCode": question["countryCode"],
            "vatNumber": question["vatNumber"],
            "requestDate": "2026-11-09T08:00:00.000Z",
            "valid": True,
            "requestIdentifier": f"WAPIAAAA{len(self.asked):08d}" if "requesterNumber" in question else "",
            "name": "---",
            "address": "---",
            "traderNameMatch": "NOT_PROCESSED",
            **planted,
        }
        return 200, json.dumps(said).encode()


def fault(code: str, status: int = 200) -> tuple[int, dict[str, Any]]:
    """How VIES tells of a fault."""
    return status, {"actionSucceed": False, "errorWrappers": [{"error": code, "message": "told by the service"}]}


@contextmanager
def services() -> Iterator[Services]:
    """A running server for both."""
    made = Services()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            text = self.rfile.read(int(self.headers["Content-Length"]))
            self._say(*made.check(json.loads(text)))

        def do_GET(self) -> None:
            name = self.path.rsplit("/", 1)[1]
            made.fetched.append(name)
            found = made.files.get(name, (404, b""))
            self._say(*(found if isinstance(found, tuple) else (200, found)))

        def _say(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with serving(Handler) as made.url:
        yield made
