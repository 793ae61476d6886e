"""Calls to partners and public services: https, public addresses only, no redirects, little time and few bytes.

(rules.md 4.) The address that was checked is the one that is connected to, so a name that resolves differently a
moment later gains nothing.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import threading
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from roamclear.kernel import numbers_json
from roamclear.kernel.errors import InvalidInput, Unavailable

TIMEOUT_S = 10
LIMIT_BYTES = 5_000_000
MAX_URL = 255
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class Target:
    """An address that may be called: the name for TLS and ``Host``, and the one resolved address to connect to."""

    secure: bool
    host: str
    port: int
    address: str
    path: str


@dataclass(frozen=True, slots=True)
class Answered:
    """A partner's answer: the bytes of its body and its headers by lower-case name."""

    body: bytes
    headers: dict[str, str]


def get_json(url: str, authorization: str, *, allow_loopback: bool = False) -> Any:
    """GET a JSON document with exact numbers.

    Raises:
        InvalidInput: an address that we do not call.
        Unavailable: no answer in time, another status than 200, too large, or no JSON.
    """
    answered = get(url, authorization, allow_loopback=allow_loopback)
    try:
        return numbers_json.loads(answered.body, limit_bytes=LIMIT_BYTES)
    except InvalidInput as error:
        raise Unavailable("the partner's answer is no JSON") from error


def get(url: str, authorization: str, *, allow_loopback: bool = False, max_url: int = MAX_URL) -> Answered:
    """GET whatever stands at an address; ``InvalidInput`` and ``Unavailable`` as with ``get_json``."""
    target = check(url, allow_loopback=allow_loopback, max_url=max_url)
    headers = {"Authorization": authorization, "Accept": "application/json"}
    status, answered = _exchange(target, "GET", None, headers)
    if status != 200:
        raise Unavailable(f"the partner answered with HTTP {status}")
    return answered


def post(url: str, body: bytes, headers: dict[str, str], *, allow_loopback: bool = False) -> None:
    """POST a body; any 2xx takes it, everything else, redirects too, is ``Unavailable``."""
    status, _ = _exchange(check(url, allow_loopback=allow_loopback), "POST", body, headers)
    if not 200 <= status <= 299:
        raise Unavailable(f"the receiver answered with HTTP {status}")


def ask(
    url: str,
    hosts: frozenset[str],
    *,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
    allow_loopback: bool = False,
) -> tuple[int, Answered]:
    """Status and answer of a public service; a body makes it a POST. Its host is one of a fixed list.

    Stage local may point to a server on the machine itself instead.

    Raises:
        InvalidInput: another host, or an address that we do not call.
        Unavailable: no answer in time, or too large.
    """
    target = check(url, allow_loopback=allow_loopback)
    if target.host not in hosts and not ipaddress.ip_address(target.address).is_loopback:
        raise InvalidInput("url: this host is not on the list of services", field="url")
    return _exchange(target, "GET" if body is None else "POST", body, headers or {})


def _exchange(target: Target, method: str, body: bytes | None, headers: dict[str, str]) -> tuple[int, Answered]:
    connection = _connection(target)
    watchdog = threading.Timer(TIMEOUT_S, _cut, (connection,))
    watchdog.daemon = True
    watchdog.start()
    try:
        connection.request(method, target.path, body=body, headers={**headers, "User-Agent": "roamclear"})
        answer = connection.getresponse()
        content = answer.read(LIMIT_BYTES + 1)
        if len(content) > LIMIT_BYTES:
            raise Unavailable(f"the partner's answer has more than {LIMIT_BYTES} bytes")
        return answer.status, Answered(content, {name.lower(): value for name, value in answer.getheaders()})
    except (OSError, http.client.HTTPException, AttributeError) as error:
        raise Unavailable("the partner did not answer in time") from error
    finally:
        watchdog.cancel()
        connection.close()


def check(url: str, *, allow_loopback: bool = False, max_url: int = MAX_URL) -> Target:
    """The target of an address that may be called, else ``InvalidInput``.

    >>> check("http://192.0.2.1/versions")
    Traceback (most recent call last):
    roamclear.kernel.errors.InvalidInput: url: only https is called
    """
    if not isinstance(url, str) or len(url) > max_url or not url.isascii() or not url.isprintable() or " " in url:
        raise InvalidInput(f"url: no address of at most {max_url} characters", field="url")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise InvalidInput("url: no address", field="url") from error
    if not host or parts.username is not None or parts.password is not None:
        raise InvalidInput("url: an address names a host and no user", field="url")
    if parts.scheme != "https" and not (parts.scheme == "http" and allow_loopback):
        raise InvalidInput("url: only https is called", field="url")
    secure = parts.scheme == "https"
    port = port or (443 if secure else 80)
    addresses = _resolve(host, port)
    if not all(_callable(ip, allow_loopback=allow_loopback) for ip in addresses):
        raise InvalidInput("url: only public addresses are called", field="url")
    if not secure and not all(ipaddress.ip_address(ip).is_loopback for ip in addresses):
        raise InvalidInput("url: only https is called", field="url")
    query = f"?{parts.query}" if parts.query else ""
    return Target(secure, host, port, addresses[0], (parts.path or "/") + query)


def _resolve(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unavailable("the partner's host name does not resolve") from error
    return [str(entry[4][0]).split("%", 1)[0] for entry in found]


def _callable(text: str, *, allow_loopback: bool) -> bool:
    ip = ipaddress.ip_address(text)
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        elif ip.sixtofour is not None or ip.teredo is not None or ip in _NAT64:
            return False
    if ip.is_loopback:
        return allow_loopback
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def _connection(target: Target) -> http.client.HTTPConnection:
    if not target.secure:
        return _Pinned(target)
    return _PinnedTls(target)


def _cut(connection: http.client.HTTPConnection) -> None:
    """End a connection that drips: a socket's own time-out begins anew with every byte."""
    if connection.sock is not None:
        try:
            connection.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            return


class _Pinned(http.client.HTTPConnection):
    """Connects to the checked address whatever the name resolves to by now."""

    def __init__(self, target: Target) -> None:
        super().__init__(target.host, target.port, timeout=TIMEOUT_S)
        self._target = target

    def connect(self) -> None:
        """Open the socket."""
        self.sock = socket.create_connection((self._target.address, self._target.port), TIMEOUT_S)


class _PinnedTls(_Pinned):
    """The same under TLS, with the certificate checked against the name."""

    default_port = http.client.HTTPS_PORT

    def connect(self) -> None:
        """Open the socket and shake hands."""
        super().connect()
        self.sock = ssl.create_default_context().wrap_socket(self.sock, server_hostname=self._target.host)
