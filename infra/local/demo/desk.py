"""How the demo's people and partners reach the clearing: HTTP with their own tokens, at their own time."""

from __future__ import annotations

import base64
import sys
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from infra.local.demo.when import shown
from infra.local.stack import Answer, Http, LaptopStack

Json = dict[str, Any]


class Unexpected(Exception):
    """Something did not happen as the clearing promises; told in one sentence."""


class Desk:
    """Everybody's door to one laptop stack, and the list of what was expected and seen.

    Args:
        stack: a running laptop stack.
        issuer_id: the legal entity all requests are about.
        out: where progress lines go; None keeps quiet.
    """

    def __init__(self, stack: LaptopStack, issuer_id: str, out: Callable[[str], None] | None = print) -> None:
        self.stack = stack
        self.issuer_id = issuer_id
        self.tokens: dict[str, str] = {}
        self.confirmed: list[str] = []
        self.requests = 0
        self._http = stack.http
        self._out = out
        self._began = time.monotonic()

    # -- telling -----------------------------------------------------------------------------------------------------
    def chapter(self, title: str) -> None:
        """A new part of the story."""
        self.say(f"\n{title}  ({self.seconds:.0f} s)")

    def say(self, line: str) -> None:
        """A line of progress."""
        if self._out is not None:
            self._out(line)

    def note(self, line: str) -> None:
        """What just happened, with the demo's date."""
        self.say(f"  {shown(self.stack.now())}  {line}")

    def progress(self, done: int, total: int, what: str) -> None:
        """A counter on one line where somebody watches."""
        if self._out is print and sys.stdout.isatty():
            print(f"\r  {done:>4} of {total} {what}", end="\n" if done == total else "", flush=True)
        elif done == total or done % 100 == 0:
            self.say(f"  {done:>4} of {total} {what}")

    def expect(self, holds: object, sentence: str, seen: object = None) -> None:
        """Go on only if a promise holds."""
        if not holds:
            raise Unexpected(f"{sentence}: this does not hold{'' if seen is None else f'; seen: {seen!s:.1500}'}")
        self.confirmed.append(sentence)

    @property
    def seconds(self) -> float:
        """Since the desk was opened."""
        return time.monotonic() - self._began

    # -- the clock ---------------------------------------------------------------------------------------------------
    def at(self, instant: datetime) -> None:
        """Let the stack's clock show an instant."""
        self.stack.set_clock(instant)

    # -- the JSON API ------------------------------------------------------------------------------------------------
    def api(
        self,
        role: str,
        method: str,
        path: str,
        body: Any = None,
        *,
        status: int | tuple[int, ...] = (200, 201, 202),
        **query: Any,
    ) -> Any:
        """One request of a person; another status than the expected ones ends the demo."""
        answer = self.ask(role, method, path, body, **query)
        wanted = (status,) if isinstance(status, int) else status
        if answer.status not in wanted:
            raise Unexpected(f"{role} {method} {path} was answered with {answer.status}: {answer.text[:1500]}")
        return answer.json() if answer.body else None

    def ask(self, role: str, method: str, path: str, body: Any = None, **query: Any) -> Answer:
        """One request of a person, whatever the answer."""
        self.requests += 1
        headers = {"Roamclear-Issuer": self.issuer_id}
        return self._http(method, path, body=body, headers=headers, token=self.stack.token(role), query=query)

    # -- OCPI --------------------------------------------------------------------------------------------------------
    def ocpi(
        self,
        partner: str,
        method: str,
        path: str,
        body: Any = None,
        *,
        raw: bytes | None = None,
        query: Json | None = None,
    ) -> Answer:
        """One OCPI request of a partner with its token."""
        self.requests += 1
        token = base64.b64encode(self.tokens[partner].encode()).decode()
        headers = {"Authorization": f"Token {token}", "Content-Type": "application/json"}
        return self._http(method, path, body=body, raw=raw, headers=headers, query=query)

    def fetch(self, url: str) -> bytes:
        """What lies behind a signed address."""
        parts = urlsplit(url)
        answer = Http(self.stack.port, parts.netloc)("GET", url)
        self.expect(answer.status == 200, "a signed address gives its file", f"{answer.status} {url}")
        return answer.body

    # -- waiting -----------------------------------------------------------------------------------------------------
    def until(self, ready: Callable[[], Any], sentence: str, *, timeout_s: float = 60) -> Any:
        """Wait until something is there; what never comes ends the demo in one sentence."""
        deadline = time.monotonic() + timeout_s
        while True:
            found = ready()
            if found:
                return found
            if time.monotonic() > deadline:
                raise Unexpected(f"{sentence}: did not happen within {timeout_s:.0f} seconds")
            time.sleep(0.25)

    def run(self, function: str, payload: Any = None) -> Any:
        """Let a scheduled function run now, as its schedule would at the demo's time."""
        return self.stack.invoke(function, payload or {"reason": "schedule"})
