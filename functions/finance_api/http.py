"""How the JSON API reads requests and writes answers: exact numbers, one issuer, RFC 9457 problems."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Any, TypeVar

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter
from pydantic import BaseModel, ValidationError

from roamclear.aws.compose import context
from roamclear.identity import service as identity
from roamclear.identity.model import Actor, Role
from roamclear.kernel import errors, numbers_json
from roamclear.kernel.context import Context
from roamclear.kernel.record import Record, plain
from roamclear.kernel.time import parse_instant
from roamclear.mode import service as mode

M = TypeVar("M", bound=BaseModel)
LIMIT_BYTES = 1_000_000
_LOOKS = frozenset({"GET", "HEAD", "OPTIONS"})
#: Who holds it may let an execution go on: it leaves the system for nobody.
SECRET = frozenset({"approval_token"})
#: What partners are not told of their own sessions and runs.
INTERNAL = frozenset(
    {
        "account_id",
        "payout",
        "failed_step",
        "failure",
        "approved_by",
        "approved_hash",
        "approval_lapsed",
        "recipient_by",
        "draft_changed",
        "resumed",
        "findings",
        "credit_limit",
        "vat_proofs",
    }
)

_STATUS: dict[type[errors.RoamclearError], HTTPStatus] = {
    errors.InvalidInput: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.NotAuthenticated: HTTPStatus.UNAUTHORIZED,
    errors.Forbidden: HTTPStatus.FORBIDDEN,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.Stale: HTTPStatus.PRECONDITION_FAILED,
    errors.MatchRequired: HTTPStatus.PRECONDITION_REQUIRED,
    errors.Busy: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.InvariantBroken: HTTPStatus.INTERNAL_SERVER_ERROR,
}


class Request:
    """One request: who asks, at which issuer, with what."""

    def __init__(self, app: APIGatewayHttpResolver | APIGatewayHttpRouter) -> None:
        self._event = app.current_event
        self.ctx: Context = context()
        if self._event.http_method not in _LOOKS:
            # After a restore nothing is changed by hand until the tables were compared (rules.md 10).
            mode.require_normal(self.ctx)

    @property
    def actor(self) -> Actor:
        """The actor of the verified token (the JWT authorizer has checked it)."""
        authorizer: Any = self._event.raw_event.get("requestContext", {}).get("authorizer", {})
        claims = authorizer.get("jwt", {}).get("claims", {})
        subject = claims.get("sub")
        if not isinstance(subject, str):
            raise errors.NotAuthenticated("no token was sent")
        return identity.signed_in(self.ctx, subject)

    def issuer_of(self, actor: Actor) -> str:
        """The issuer named by the header ``Roamclear-Issuer``, else the only one the actor has."""
        named = self._event.headers.get("roamclear-issuer")
        if named:
            return str(named)
        own = {grant.issuer_id for grant in actor.grants}
        if len(own) != 1:
            raise errors.InvalidInput("name the issuer in the header Roamclear-Issuer", field="Roamclear-Issuer")
        return own.pop()

    def withheld(self, actor: Actor, issuer_id: str) -> frozenset[str]:
        """What an eMSP does not learn of its own sessions and runs: whom the CPO pays, and how its steps fared."""
        roles = {grant.role for grant in actor.grants if grant.issuer_id == issuer_id}
        return INTERNAL if roles <= {Role.EMSP_USER, Role.API_PARTNER} else frozenset()

    def query(self, name: str, default: str | None = None) -> str | None:
        """A query parameter."""
        value = (self._event.query_string_parameters or {}).get(name, default)
        return str(value) if value is not None else None

    def listing(self, without: tuple[str, ...]) -> str:
        """What a request lists: issuer, path, and every parameter but some."""
        query = sorted((k, v) for k, v in (self._event.query_string_parameters or {}).items() if k not in without)
        return repr((self._event.headers.get("roamclear-issuer") or "", self._event.path, query))

    def header(self, name: str) -> str | None:
        """A header by its name, whatever its case."""
        value = self._event.headers.get(name.lower())
        return str(value) if value is not None else None

    @property
    def if_match(self) -> int | None:
        """The counter of the state that the caller read (header If-Match, RFC 9110), or None where it does not say."""
        given = (self._event.headers.get("if-match") or "").strip()
        if given in ("", "*"):
            return None
        text = given.removeprefix('"').removesuffix('"')
        if not (text.isascii() and text.isdigit()) or len(text) > 12:
            raise errors.Stale("If-Match is not an ETag of this object")
        return int(text)

    def require_match(self, known: bool) -> int | None:
        """``if_match``, which a change of master data that is there has to name (``*`` for whatever it is by now).

        Raises:
            MatchRequired: it is there, and the request does not say which state was read.
        """
        if known and not (self._event.headers.get("if-match") or "").strip():
            raise errors.MatchRequired("say which state you read in If-Match: the ETag of the GET, or *")
        return self.if_match

    def body(self) -> dict[str, Any]:
        """The JSON object of the body with exact numbers."""
        raw = self._event.decoded_body if self._event.is_base64_encoded else self._event.body
        value = numbers_json.loads(raw or "{}", limit_bytes=LIMIT_BYTES)
        if not isinstance(value, dict):
            raise errors.InvalidInput("the body is a JSON object", field="body")
        return value

    def read(self, model: type[M]) -> M:
        """The body as a model; the first fault is named by its field."""
        return parse(model, self.body())


def parse(model: type[M], value: dict[str, Any]) -> M:
    """Plain values as a model, or ``InvalidInput`` naming the first field at fault."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "body"
        raise errors.InvalidInput(f"{field}: {first['msg']}", field=field) from error


def moments(as_of: str | None, known_at: str | None) -> tuple[datetime, datetime] | None:
    """What was in force when, and by what was known when; one alone means both, none is a question of now."""
    if not as_of and not known_at:
        return None
    first = parse_instant(as_of or known_at or "", field="as_of" if as_of else "known_at")
    second = parse_instant(known_at or as_of or "", field="known_at" if known_at else "as_of")
    return first, second


def answer(
    value: Any, status: HTTPStatus = HTTPStatus.OK, *, without: frozenset[str] = frozenset(), etag: int | None = None
) -> Response[Any]:
    """A JSON answer; records, money and decimals keep their digits. Fields named in ``without`` are left out.

    ``etag`` is the counter of an object's state; the caller sends it back as If-Match when it changes the object.
    """
    body = numbers_json.dumps(_shown(value, SECRET | without))
    headers = {} if etag is None else {"ETag": f'"{etag}"'}
    return Response(status_code=status.value, content_type="application/json", body=body, headers=headers)


def problem(error: errors.RoamclearError) -> Response[Any]:
    """An error as application/problem+json (RFC 9457)."""
    kind = next((k for k in type(error).__mro__ if k in _STATUS), errors.InvariantBroken)
    status = _STATUS[kind]
    details = error.details if status < HTTPStatus.INTERNAL_SERVER_ERROR else {}
    body = {"type": f"urn:roamclear:{error.code}", "title": status.phrase, "status": status.value}
    body |= {"code": error.code, "detail": error.message, **{k: plain(v) for k, v in details.items()}}
    return Response(status_code=status.value, content_type="application/problem+json", body=numbers_json.dumps(body))


def _shown(value: Any, without: frozenset[str]) -> Any:
    if isinstance(value, Record):
        value = value.dump()
    if isinstance(value, dict):
        return {k: _shown(v, without) for k, v in value.items() if k not in without}
    if isinstance(value, list | tuple):
        return [_shown(v, without) for v in value]
    return value.hex() if isinstance(value, bytes) else plain(value)
