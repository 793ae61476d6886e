"""A small HTTP client for the laptop stack: it connects to this machine and names the API in the Host header.

Python does not resolve ``<id>.execute-api.localhost`` as browsers do (platform.md 3).
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode, urlsplit


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers in lower case, and the body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON; numbers with a point become Decimal."""
        return json.loads(self.body, parse_float=Decimal)

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")


@dataclass(slots=True)
class Http:
    """Requests to one API. One connection per request: safe from several threads."""

    port: int
    host: str
    timeout_s: float = 60.0
    headers: dict[str, str] = field(default_factory=dict)

    def __call__(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        raw: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        token: str | None = None,
        query: Mapping[str, Any] | None = None,
    ) -> Answer:
        """Send one request. ``path`` may be a whole URL of this API (a Location or Link header).

        Args:
            method: the HTTP verb.
            path: beginning with ``/``, or absolute.
            body: sent as JSON; Decimal keeps its digits.
            raw: sent as it is, instead of ``body``.
            headers: more headers, they win.
            token: a bearer token.
            query: query parameters; None values are left out.
        """
        parts = urlsplit(path)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        if query:
            pairs = {k: v for k, v in query.items() if v is not None}
            target += ("&" if "?" in target else "?") + urlencode(pairs)
        sent = {"Host": self.host, **self.headers}
        data = raw
        if body is not None:
            data = to_json(body)
            sent["Content-Type"] = "application/json"
        if token:
            sent["Authorization"] = f"Bearer {token}"
        sent |= dict(headers or {})
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.timeout_s)
        try:
            connection.request(method, target, body=data, headers=sent)
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, found, answer.read())
        finally:
            connection.close()


def to_json(body: Any) -> bytes:
    """JSON with Decimals as plain numbers, digit for digit."""
    import simplejson

    return simplejson.dumps(body, use_decimal=True, ensure_ascii=False).encode()
