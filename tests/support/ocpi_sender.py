"""A CPO's Sender interface over real HTTP on the loopback, with faults that a test plants."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from roamclear.kernel import numbers_json
from roamclear.kernel.context import Context
from roamclear.kernel.time import parse_instant
from roamclear.partners import service as partners
from roamclear.partners.model import Peer
from tests.support.loopback import serving
from tests.support.ocpi_partner import Partner, connect


@dataclass
class Reply:
    """What the server is about to send; a fault changes it."""

    body: bytes
    headers: dict[str, str]
    status: int = 200
    delay_s: int = 0


Fault = Callable[[Reply, int], None]


@dataclass
class Sender:
    """A list of CDRs, paged; ``fault`` sees every reply with the number of its request."""

    url: str = ""
    cdrs: list[Any] = field(default_factory=list)
    limit: int = 3
    asked: list[dict[str, str]] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    fault: Fault | None = None
    with_link: bool = True

    def answer(self, path: str) -> Reply:
        """The page a request asks for."""
        query = dict(parse_qsl(urlsplit(path).query))
        self.asked.append(query)
        matching = [c for c in self.cdrs if _within(c, query)]
        offset = int(query.get("offset", "0"))
        page = matching[offset : offset + self.limit]
        headers = {"X-Total-Count": str(len(matching)), "X-Limit": str(self.limit)}
        if self.with_link and offset + self.limit < len(matching):
            following = {**query, "offset": str(offset + self.limit)}
            headers["Link"] = f'<{self.url}/cdrs?{urlencode(following)}>; rel="next"'
        data = ",".join(c if isinstance(c, str) else numbers_json.dumps(c) for c in page)
        text = f'{{"status_code":1000,"data":[{data}],"timestamp":"2026-10-01T00:00:00Z"}}'
        reply = Reply(text.encode(), headers)
        if self.fault is not None:
            self.fault(reply, len(self.asked))
        return reply


def _within(cdr: Any, query: dict[str, str]) -> bool:
    if not isinstance(cdr, dict) or "last_updated" not in cdr:
        return True
    at = parse_instant(cdr["last_updated"])
    return parse_instant(query["date_from"]) <= at < parse_instant(query["date_to"])


@contextmanager
def sender() -> Iterator[Sender]:
    """A running server."""
    made = Sender()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.tokens.append(self.headers["Authorization"])
            reply = made.answer(self.path)
            if reply.delay_s:
                time.sleep(reply.delay_s)
            try:
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(reply.body)
            except OSError:
                return

    with serving(Handler) as made.url:
        yield made


def registered(ctx: Context, at: str, *, version: str = "2.2.1", **wanted: Any) -> Partner:
    """A CPO whose CDRs can be pulled at an address, as the handshake leaves it."""
    made = connect(ctx, **wanted)
    peer = Peer(
        versions_url=f"{at}/versions",
        version=version,
        sealed_token=partners.seal(ctx, made.credential, "token-B"),
        endpoints={"credentials:SENDER": f"{at}/credentials", "cdrs:SENDER": f"{at}/cdrs"},
        parties=(made.credential.party,),
    )
    credential, token = partners.renew(ctx, made.credential, peer)
    return Partner(credential, token, version=version)


def touched(cdr: dict[str, Any], at: datetime) -> dict[str, Any]:
    """A CDR last updated at an instant."""
    return cdr | {"last_updated": at.strftime("%Y-%m-%dT%H:%M:%SZ")}
