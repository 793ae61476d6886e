"""How OCPI messages become requests, and outcomes and errors become OCPI answers (OCPI transport, status_codes)."""

from __future__ import annotations

import base64
import binascii
import re
import uuid
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote, urlencode

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from roamclear.aws.compose import context
from roamclear.kernel import errors, numbers_json
from roamclear.kernel.context import Context
from roamclear.kernel.ids import party as party_ids
from roamclear.kernel.time import format_instant, parse_instant
from roamclear.ocpi.model import VERSIONS, Code, ListPage, ListQuery, Message, Refused
from roamclear.ocpi.objects import Saved
from roamclear.partners import service as partners
from roamclear.partners.model import Credential, CredentialStatus

_ID = re.compile(r"[!-~]{1,64}", re.ASCII)
_BLANK_FOR_PLUS = re.compile(r" (\d{2}:?\d{2})$", re.ASCII)
_NATURAL = re.compile(r"\d{1,9}", re.ASCII)
_SWAPPED = {
    "ocpi-to-party-id": "OCPI-from-party-id",
    "ocpi-to-country-code": "OCPI-from-country-code",
    "ocpi-from-party-id": "OCPI-to-party-id",
    "ocpi-from-country-code": "OCPI-to-country-code",
}
#: One place that maps the house's errors to HTTP and OCPI codes.
_CODES: dict[type[errors.RoamclearError], tuple[HTTPStatus, Code]] = {
    errors.InvalidInput: (HTTPStatus.OK, Code.INVALID),
    errors.NotAuthenticated: (HTTPStatus.UNAUTHORIZED, Code.CLIENT),
    errors.Forbidden: (HTTPStatus.FORBIDDEN, Code.CLIENT),
    errors.NotFound: (HTTPStatus.NOT_FOUND, Code.CLIENT),
    errors.Conflict: (HTTPStatus.OK, Code.CLIENT),
    errors.TooManyRequests: (HTTPStatus.TOO_MANY_REQUESTS, Code.CLIENT),
    errors.Busy: (HTTPStatus.SERVICE_UNAVAILABLE, Code.SERVER),
    errors.Unavailable: (HTTPStatus.SERVICE_UNAVAILABLE, Code.SERVER),
    errors.InvariantBroken: (HTTPStatus.INTERNAL_SERVER_ERROR, Code.SERVER),
}


class Call:
    """One request: who asks, in which version, with what."""

    def __init__(self, app: APIGatewayHttpResolver | APIGatewayHttpRouter, version: str | None = None) -> None:
        self.event: Mapping[str, Any] = app.current_event.raw_event
        self.headers: Mapping[str, str] = self.event["headers"]
        self.ctx: Context = context()
        self.version = version or VERSIONS[0]

    def anyone(self) -> Credential:
        """The caller, also one whose token is only good for registering."""
        found = partners.authenticate(self.ctx, self.headers.get("authorization"))
        partners.count_request(self.ctx, found)
        if self.version not in VERSIONS:
            raise errors.NotFound("no such OCPI version")
        return found

    def partner(self) -> Credential:
        """The caller of a functional module; a registration token is nobody here (401)."""
        found = self.anyone()
        if found.status is not CredentialStatus.ACTIVE:
            raise errors.NotAuthenticated("this token is for registering only")
        return found

    @property
    def base(self) -> str:
        """The scheme and host that partners use."""
        if self.ctx.public_base_url:
            return self.ctx.public_base_url.rstrip("/")
        host = self.headers.get("host", "localhost")
        return f"{self.headers.get('x-forwarded-proto', 'https')}://{host}"

    @property
    def receiver(self) -> str:
        """The party that the routing headers name, folded; 2.1.1 knows none, and half a name is none."""
        country, party = (self.headers.get(f"ocpi-to-{name}", "") for name in ("country-code", "party-id"))
        found = party_ids.compact(country, party)
        return found if self.version != "2.1.1" and party_ids.is_valid(found) else ""

    def message(self) -> Message:
        """The body with its ids."""
        return Message(
            version=self.version,
            body=body_bytes(self.event),
            correlation_id=self.headers.get("x-correlation-id", ""),
            request_id=self.headers.get("x-request-id", ""),
            path=str(self.event.get("rawPath", "")),
            to_party=self.receiver,
        )

    def query(self) -> ListQuery:
        """The parameters of a list; what cannot be read is named."""
        given: Mapping[str, str] = self.event.get("queryStringParameters") or {}
        limit = _natural(given, "limit", 50)
        if limit == 0:
            raise errors.InvalidInput("limit is 1 or more", field="limit")
        return ListQuery(
            date_from=_instant(given, "date_from"),
            date_to=_instant(given, "date_to"),
            offset=_natural(given, "offset", 0),
            limit=limit,
            position=given.get("position") or None,
        )

    def refusal(self, refused: Refused) -> Response[str]:
        """A message that was not taken."""
        return answer(self.ctx, None, HTTPStatus(refused.http_status), refused.code, refused.reason)

    def saved(self, credential: Credential, outcome: Saved) -> Response[str]:
        """A client owned object that was taken: 201 when it is new (200 by the partner's switch), else 200."""
        new = outcome.created and not credential.answer_200
        text = "older than what is known; nothing changed" if outcome.stale else "Success"
        return answer(self.ctx, None, HTTPStatus.CREATED if new else HTTPStatus.OK, message=text)

    def listed(self, module: str, page: ListPage) -> Response[str]:
        """A page of a list with its paging headers; ``Link`` keeps all filters."""
        headers = {"X-Total-Count": str(page.total), "X-Limit": str(page.limit)}
        if page.position is not None:
            given: Mapping[str, str] = self.event.get("queryStringParameters") or {}
            kept = {k: v for k, v in given.items() if k in ("date_from", "date_to", "limit")}
            url = f"{self.base}/ocpi/{self.version}/{module}/?{urlencode({**kept, 'position': page.position})}"
            headers["Link"] = f'<{url}>; rel="next"'
        return answer(self.ctx, b"[" + b",".join(page.bodies) + b"]", headers=headers)


def answer(
    ctx: Context,
    data: bytes | None = None,
    status: HTTPStatus = HTTPStatus.OK,
    code: Code = Code.OK,
    message: str = "Success",
    headers: dict[str, str] | None = None,
) -> Response[str]:
    """The OCPI envelope; ``data`` is JSON already and is put in as it is."""
    shown = numbers_json.dumps(message[:255])
    stamp = format_instant(ctx.now().replace(microsecond=0))
    inner = f'"data":{data.decode()},' if data is not None else ""
    body = f'{{{inner}"status_code":{code.value},"status_message":{shown},"timestamp":"{stamp}"}}'
    return Response(status_code=status.value, content_type="application/json", body=body, headers={**(headers or {})})


def fault(ctx: Context, error: errors.RoamclearError) -> Response[str]:
    """An error of the house as an OCPI answer."""
    kind = next((k for k in type(error).__mro__ if k in _CODES), errors.InvariantBroken)
    status, code = _CODES[kind]
    headers = {}
    if status is HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Token"
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = "5"
    if isinstance(error, errors.TooManyRequests):
        headers["Retry-After"] = str(error.retry_after_s)
    text = error.message if status < HTTPStatus.INTERNAL_SERVER_ERROR else "the request could not be served"
    return answer(ctx, None, status, code, text, headers)


def body_bytes(event: Mapping[str, Any]) -> bytes:
    """The bytes of the body as they were sent."""
    body = event.get("body") or ""
    if not event.get("isBase64Encoded"):
        return str(body).encode("utf-8", "surrogatepass")
    try:
        return base64.b64decode(body)
    except (binascii.Error, ValueError):
        return b""


def tidy(event: Mapping[str, Any]) -> dict[str, Any]:
    """The event with a plain path and lower-case header names.

    ``//`` and slashes at the end do not count, and an id glued to the module's name by clients that append to an
    address without a slash (``locationsUS/NON/LOC1``) is cut off again.
    """
    http = event.get("requestContext", {}).get("http", {})
    parts = [p for p in str(event.get("rawPath") or http.get("path") or "").split("/") if p]
    if "ocpi" in parts:
        parts = parts[parts.index("ocpi") :]
    if len(parts) > 2:
        for module in ("locations", "tariffs"):
            if parts[2] != module and parts[2].startswith(module) and len(parts[2]) == len(module) + 2:
                parts[2:3] = [module, parts[2][len(module) :]]
    path = "/" + "/".join(parts)
    headers = {str(k).lower(): str(v) for k, v in (event.get("headers") or {}).items()}
    frame = {**event.get("requestContext", {}), "stage": "$default", "http": {**http, "path": path}}
    return {**event, "rawPath": path, "headers": headers, "requestContext": frame}


def common_headers(event: Mapping[str, Any]) -> dict[str, str]:
    """Headers of every answer: ids echoed or made; routing headers swapped on functional modules from 2.2 on."""
    sent: Mapping[str, str] = event["headers"]
    request_id, correlation_id = sent.get("x-request-id", ""), sent.get("x-correlation-id", "")
    found = {
        "X-Request-ID": request_id if _ID.fullmatch(request_id) else str(uuid.uuid4()),
        "X-Correlation-ID": correlation_id if _ID.fullmatch(correlation_id) else str(uuid.uuid4()),
    }
    parts = str(event["rawPath"]).split("/")
    if len(parts) > 3 and parts[2] != "2.1.1" and parts[3] != "credentials":
        found |= {swapped: sent[n] for n, swapped in _SWAPPED.items() if _ID.fullmatch(sent.get(n, ""))}
    return found


def part(text: str) -> str:
    """One segment of a path; gateways hand it over with or without its escapes."""
    return unquote(text) if "%" in text else text


def _natural(given: Mapping[str, str], name: str, default: int) -> int:
    value = given.get(name)
    if value is None or value == "":
        return default
    if not _NATURAL.fullmatch(value):
        raise errors.InvalidInput(f"{name} is no natural number", field=name)
    return int(value)


def _instant(given: Mapping[str, str], name: str) -> Any:
    value = given.get(name)
    if value is None or value == "":
        return None
    try:
        return parse_instant(_BLANK_FOR_PLUS.sub(r"+\1", value.strip()), field=name)
    except OverflowError as error:
        raise errors.InvalidInput(f"{name} lies outside the calendar", field=name) from error
