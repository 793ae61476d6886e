"""The credentials handshake with a partner that answers over real HTTP (ocpi.md 3; rules.md 4)."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from roamclear.kernel.context import Context
from roamclear.kernel.errors import InvalidInput, Unavailable
from roamclear.outgoing import service as outgoing
from roamclear.partners import service as partners
from tests.support.builders import cdr, found_issuer
from tests.support.loopback import serving
from tests.support.ocpi_partner import Partner, connect, served

PLACE = "/ocpi/2.2.1/credentials"


@dataclass
class Backend:
    """A partner's own OCPI server."""

    url: str = ""
    seen: list[tuple[str, str]] = field(default_factory=list)
    answers: dict[str, Any] = field(default_factory=dict)
    status: int = 200
    delay_s: int = 0


def envelope(data: Any, code: int = 1000) -> dict[str, Any]:
    return {"data": data, "status_code": code, "timestamp": "2026-10-01T00:00:00Z"}


@pytest.fixture
def backend() -> Iterator[Backend]:
    made = Backend()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.seen.append((self.path, self.headers["Authorization"]))
            time.sleep(made.delay_s)
            body = made.answers.get(self.path)
            raw = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(made.status)
            self.send_header("Location", "http://127.0.0.1:1/")
            self.end_headers()
            self.wfile.write(raw)

    with serving(Handler) as made.url:
        versions = [{"version": v, "url": f"{made.url}/{v}"} for v in ("2.1.1", "2.2.1", "2.3.0")]
        made.answers["/versions"] = envelope(versions)
        for version in ("2.1.1", "2.2.1", "2.3.0"):
            endpoints = [
                {"identifier": m, "role": "SENDER", "url": f"{made.url}/{version}/{m}"} for m in ("credentials", "cdrs")
            ]
            made.answers[f"/{version}"] = envelope({"version": version, "endpoints": endpoints})
        yield made


@pytest.fixture(autouse=True)
def _served(ctx: Context) -> Iterator[None]:
    found_issuer(ctx)
    with served(ctx):
        yield


def offer(backend: Backend, **changes: Any) -> dict[str, Any]:
    role = {"role": "CPO", "business_details": {"name": "VWK"}, "party_id": "VWK", "country_code": "DE"}
    return {"token": "token-B", "url": f"{backend.url}/versions", "roles": [role]} | changes


def renewed(partner: Partner, token: str) -> Partner:
    return replace(partner, token=token)


def test_the_whole_handshake(ctx: Context, backend: Backend) -> None:
    invited = connect(ctx, registration=True)
    answer = invited.call("POST", PLACE, offer(backend))
    assert (answer.status, answer.code) == (200, 1000), answer.text
    assert answer.data["url"] == "https://clearing.roamclear.example/ocpi/versions"
    assert [(r["role"], r["country_code"], r["party_id"]) for r in answer.data["roles"]] == [("HUB", "DE", "VWK")]
    assert backend.seen == [("/versions", "Token dG9rZW4tQg=="), ("/2.2.1", "Token dG9rZW4tQg==")]
    assert invited.call("GET", "/ocpi/versions").status == 401, "token A is dead"
    registered = renewed(invited, answer.data["token"])
    assert registered.push(cdr(1)).status == 201
    credential_id = invited.credential.credential_id
    assert partners.call_header(ctx, partners.credential(ctx, "voltwerk", credential_id)) == "Token dG9rZW4tQg=="
    known = partners.credential(ctx, "voltwerk", invited.credential.credential_id)
    assert known.peer is not None
    assert known.peer.endpoints["cdrs:SENDER"] == f"{backend.url}/2.2.1/cdrs"
    assert registered.call("GET", PLACE).data["token"] == registered.token
    assert registered.call("POST", PLACE, offer(backend)).status == 405


def test_put_rotates_and_delete_ends(ctx: Context, backend: Backend) -> None:
    partner = connect(ctx)
    answer = partner.call("PUT", PLACE, offer(backend, token="token-B2"))
    assert answer.code == 1000, answer.text
    assert partner.push(cdr(1)).status == 401
    rotated = renewed(partner, answer.data["token"])
    assert rotated.push(cdr(1)).status == 201
    assert rotated.call("DELETE", PLACE).code == 1000
    assert rotated.push(cdr(2)).status == 401


def test_who_is_not_registered_cannot_put_or_delete(ctx: Context, backend: Backend) -> None:
    invited = connect(ctx, registration=True)
    assert invited.call("PUT", PLACE, offer(backend)).status == 405
    assert invited.call("DELETE", PLACE).status == 405
    assert invited.call("PATCH", PLACE, {}).status == 405


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"token": ""}, 2001),
        ({"token": "x" * 65}, 2001),
        ({"url": None}, 2001),
        ({"url": "ftp://127.0.0.1/"}, 2001),
        ({"url": "http://user@127.0.0.1/"}, 2001),
        ({"url": "http://10.0.0.1/"}, 2001),
        ({"roles": []}, 2001),
        ({"roles": [{"role": "CPO", "party_id": "XXX", "country_code": "DE"}]}, 2001),
    ],
)
def test_an_offer_that_cannot_be_taken(ctx: Context, backend: Backend, change: dict[str, Any], code: int) -> None:
    invited = connect(ctx, registration=True)
    answer = invited.call("POST", PLACE, offer(backend, **change))
    assert (answer.status, answer.code) == (200, code)
    assert invited.call("GET", "/ocpi/versions").status == 200, "token A still lives"


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/versions", envelope([{"version": "2.1.1", "url": "x"}]), 200, 3002),
        ("/versions", envelope([], code=2000), 200, 3001),
        ("/versions", b"<html>", 200, 3001),
        ("/versions", envelope([]), 302, 3001),
        ("/versions", b'"' + b"x" * 5_000_001 + b'"', 200, 3001),
        ("/2.2.1", envelope({"endpoints": []}), 200, 3003),
        ("/2.2.1", envelope([]), 200, 3001),
    ],
)
def test_a_peer_that_cannot_be_used(
    ctx: Context, backend: Backend, path: str, body: Any, status: int, code: int
) -> None:
    backend.answers[path] = body
    backend.status = status
    invited = connect(ctx, registration=True)
    answer = invited.call("POST", PLACE, offer(backend))
    assert (answer.status, answer.code) == (200, code), answer.text
    assert invited.call("GET", "/ocpi/versions").status == 200


def test_a_peer_that_drips_is_cut(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outgoing, "TIMEOUT_S", 1)
    backend.delay_s = 3
    began = time.monotonic()
    with pytest.raises(Unavailable):
        outgoing.get_json(f"{backend.url}/versions", "Token x", allow_loopback=True)
    assert time.monotonic() - began < 2.5


def test_older_and_newer_shapes(ctx: Context, backend: Backend) -> None:
    flat = {"token": "B", "url": f"{backend.url}/versions", "party_id": "VWK", "country_code": "DE"}
    answer = connect(ctx, registration=True).call("POST", "/ocpi/2.1.1/credentials", flat)
    assert answer.code == 1000, answer.text
    assert (answer.data["party_id"], answer.data["country_code"]) == ("VWK", "DE")
    assert backend.seen[0] == ("/versions", "Token B")
    hub = connect(ctx, "NLHUB", "HUB", cpo_parties=("DEVWK",), emsp_parties=("NLRON",), registration=True)
    role = {"role": "EMSP", "party_id": "RON", "country_code": "NL"}
    answer = hub.call("POST", "/ocpi/2.3.0/credentials", offer(backend, roles=[role], hub_party_id="NLHUB"))
    assert answer.data["hub_party_id"] == "DEVWK"
    assert [r["role"] for r in answer.data["roles"]] == ["CPO", "OTHER"]


@pytest.mark.parametrize(
    "address",
    [
        "10.1.2.3",
        "127.0.0.1",
        "169.254.169.254",
        "::1",
        "fd00::1",
        "::ffff:10.0.0.1",
        "64:ff9b::a00:1",
        "2002:a00:1::",
        "0.0.0.0",
    ],
)
def test_names_that_resolve_inside_are_not_called(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(*_: Any, **__: Any) -> list[Any]:
        return [(0, 0, 0, "", ("93.184.216.34", 443)), (0, 0, 0, "", (address, 443))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with pytest.raises(InvalidInput):
        outgoing.check("https://partner.example/versions")


def test_a_name_is_resolved_once_and_the_checked_address_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(0, 0, 0, "", ("93.184.216.34", 443))])
    target = outgoing.check("https://partner.example:8443/versions?x=1")
    assert (target.address, target.host, target.port, target.path) == (
        "93.184.216.34",
        "partner.example",
        8443,
        "/versions?x=1",
    )


def test_an_issuer_without_a_party_changes_no_token(ctx: Context, backend: Backend) -> None:
    found_issuer(ctx, parties=())
    invited = connect(ctx, registration=True)
    assert invited.call("POST", PLACE, offer(backend)).code == 2000
    assert invited.call("GET", "/ocpi/versions").status == 200


def test_a_dead_token_keeps_nothing_of_the_partner(ctx: Context, backend: Backend) -> None:
    partner = connect(ctx)
    rotated = renewed(partner, partner.call("PUT", PLACE, offer(backend)).data["token"])
    assert rotated.call("DELETE", PLACE).code == 1000
    known = partners.credential(ctx, "voltwerk", partner.credential.credential_id)
    assert (known.status, known.peer) == ("REVOKED", None)


def test_no_stage_but_local_calls_loopback(ctx: Context, backend: Backend) -> None:
    with served(replace(ctx, stage="dev")):
        answer = connect(ctx, registration=True).call("POST", PLACE, offer(backend))
    assert (answer.code, backend.seen) == (2001, [])


def test_a_cpo_learns_which_emsp_buys_from_it(ctx: Context, backend: Backend) -> None:
    found_issuer(ctx, emsp_parties=("DEVWM",))
    answer = connect(ctx, registration=True).call("POST", PLACE, offer(backend))
    roles = [(r["role"], r["country_code"], r["party_id"]) for r in answer.data["roles"]]
    assert roles == [("HUB", "DE", "VWK"), ("EMSP", "DE", "VWM")]
