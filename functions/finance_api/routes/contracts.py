"""Issuers and contracts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from http import HTTPStatus
from typing import TYPE_CHECKING

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter
from pydantic import BaseModel, ConfigDict

from functions.finance_api.http import Request, answer, moments
from roamclear.cdrs.end_impact import end_impact
from roamclear.cdrs.pricing import read_grid
from roamclear.cdrs.severities import require_changeable
from roamclear.contracts import lifecycle, rules, vat_proofs
from roamclear.contracts import service as contracts
from roamclear.contracts.difference import difference
from roamclear.contracts.model import Contract, ContractVersion, Terms
from roamclear.contracts.preview import MOST_PERIODS, next_periods
from roamclear.contracts.review import review
from roamclear.contracts.vat import VatProof
from roamclear.identity import service as identity
from roamclear.identity.issuer import Issuer
from roamclear.identity.model import Right
from roamclear.identity.rules import authorise
from roamclear.kernel.errors import InvalidInput
from roamclear.retention import service as retention
from roamclear.status import service as status

if TYPE_CHECKING:
    from functions.finance_api.answers import ContractTold, Items
    from roamclear.cdrs.end_impact import EndImpact
    from roamclear.contracts.difference import Difference
    from roamclear.contracts.model import ContractView, KnownContract
    from roamclear.contracts.preview import PeriodPreview
    from roamclear.contracts.review import Review
    from roamclear.contracts.vat import KeptProof
    from roamclear.retention.model import IssuerTold
    from roamclear.status.model import ContractStatus

router = APIGatewayHttpRouter()


class ContractBody(BaseModel):
    """A contract or its next version."""

    model_config = ConfigDict(extra="forbid")

    name: str
    valid_from: date
    valid_to: date | None = None
    terms: Terms


def check_terms(terms: Terms) -> None:
    """What higher rooms read is refused here, by the name of its field, not at the first session."""
    try:
        read_grid(terms.grid)
    except InvalidInput as error:
        raise InvalidInput(error.message, field=f"terms.{error.field}") from error
    try:
        require_changeable(terms.plausibility.severities)
    except InvalidInput as error:
        raise InvalidInput(error.message, field=f"terms.plausibility.{error.field}") from error


@router.put("/issuer")
def put_issuer() -> Response[Issuer]:
    """Create the issuer, or change it: then If-Match names the ETag that was read, or ``*``."""
    request = Request(router)
    actor, wanted = request.actor, request.read(Issuer)
    authorise(actor, Right.ISSUER_EDIT, wanted.issuer_id)
    if_match = request.require_match(identity.is_issuer(request.ctx, wanted.issuer_id))
    made = identity.save_issuer(request.ctx, actor, wanted, if_match=if_match)
    return answer(made, etag=made.changed)


@router.get("/issuer")
def get_issuer() -> Response[IssuerTold]:
    """The issuer as it stands on documents, and how long it keeps what."""
    request = Request(router)
    actor = request.actor
    issuer_id = request.issuer_of(actor)
    authorise(actor, Right.CONTRACT_VIEW, issuer_id)
    found = retention.issuer_told(request.ctx, issuer_id)
    return answer(found, etag=found.changed)


@router.put("/contracts/<contract_id>")
def put_contract(contract_id: str) -> Response[ContractView]:
    """Create a contract, or publish its next version: then If-Match names the ETag that was read, or ``*``."""
    request = Request(router)
    actor = request.actor
    issuer_id, body = request.issuer_of(actor), request.read(ContractBody)
    authorise(actor, Right.CONTRACT_EDIT, issuer_id)
    if_match = request.require_match(contracts.is_known(request.ctx, issuer_id, contract_id))
    check_terms(body.terms)
    made = contracts.publish(
        request.ctx,
        actor,
        issuer_id,
        contract_id,
        name=body.name,
        valid_from=body.valid_from,
        valid_to=body.valid_to,
        terms=body.terms,
        if_match=if_match,
    )
    status = HTTPStatus.CREATED if made.version == 1 else HTTPStatus.OK
    return answer(rules.view(made, request.ctx.now()), status, etag=made.changed)


@router.get("/contracts")
def list_contracts() -> Response[Items[ContractView]]:
    """The contracts the caller may see."""
    request = Request(router)
    actor = request.actor
    now = request.ctx.now()
    found = contracts.contracts(request.ctx, actor, request.issuer_of(actor))
    return answer({"items": [rules.view(head, now) for head in found]})


@router.get("/contracts/<contract_id>")
def get_contract(contract_id: str) -> Response[ContractTold | KnownContract]:
    """A contract with all its versions; its ETag is what If-Match asks for.

    ``as_of``: what was in force at an instant, ``known_at``: by what was recorded until then. One alone means both.
    """
    request = Request(router)
    actor = request.actor
    issuer_id = request.issuer_of(actor)
    if at := moments(request.query("as_of"), request.query("known_at")):
        found = contracts.known_at(request.ctx, actor, issuer_id, contract_id, *at)
        return answer(found, without=request.withheld(actor, issuer_id))
    head, versions = contracts.contract(request.ctx, actor, issuer_id, contract_id)
    shown = {"contract": rules.view(head, request.ctx.now()), "versions": versions}
    return answer(shown, etag=head.changed, without=request.withheld(actor, issuer_id))


@router.get("/contracts/<contract_id>/periods")
def list_periods(contract_id: str) -> Response[Items[PeriodPreview]]:
    """The next periods, twelve where ``count`` says nothing: what opens, closes, locks and is issued when."""
    request = Request(router)
    actor = request.actor
    head, versions = contracts.contract(request.ctx, actor, request.issuer_of(actor), contract_id)
    count = request.query("count", "12") or ""
    if not count.isdecimal() or not 1 <= int(count[:3]) <= MOST_PERIODS:
        raise InvalidInput(f"count is 1 to {MOST_PERIODS}", field="count")
    return answer({"items": next_periods(head, versions, request.ctx.now(), int(count))})


@router.get("/contracts/<contract_id>/end-impact")
def get_end_impact(contract_id: str) -> Response[EndImpact]:
    """Which sessions start on or after an end that is thought of (``valid_to``): what stays, and what finds none."""
    request = Request(router)
    actor = request.actor
    try:
        wanted = date.fromisoformat(request.query("valid_to") or "")
    except ValueError as error:
        raise InvalidInput("valid_to is a day", field="valid_to") from error
    return answer(end_impact(request.ctx, actor, request.issuer_of(actor), contract_id, wanted))


@router.get("/contracts/<contract_id>/status")
def get_status(contract_id: str) -> Response[ContractStatus]:
    """How each period stands: waiting, in window, disputed, locked, invoiced, paid, open, gap. ``period``: that one."""
    request = Request(router)
    actor = request.actor
    found = status.status(request.ctx, actor, request.issuer_of(actor), contract_id, request.query("period"))
    return answer(found)


@router.get("/contracts/<contract_id>/diff")
def get_difference(contract_id: str) -> Response[Difference]:
    """What changed ``from`` one version ``to`` another: price lines first, then the other terms."""
    request = Request(router)
    actor = request.actor
    issuer_id = request.issuer_of(actor)
    contracts.contract(request.ctx, actor, issuer_id, contract_id)
    old, new = (_version(request, issuer_id, contract_id, name) for name in ("from", "to"))
    without = request.withheld(actor, issuer_id)
    return answer(difference(old, new, without=without))


def _version(request: Request, issuer_id: str, contract_id: str, name: str) -> ContractVersion:
    number = request.query(name) or ""
    if not number.isdecimal() or len(number) > 6:
        raise InvalidInput(f"{name} is the number of a version", field=name)
    return contracts.version(request.ctx, issuer_id, contract_id, int(number))


@router.get("/contracts/<contract_id>/review")
def get_review(contract_id: str) -> Response[Review]:
    """What the issuer's people should look at today: what is missing, doubts, and how old the VAT proofs are."""
    request = Request(router)
    actor = request.actor
    issuer_id = request.issuer_of(actor)
    authorise(actor, Right.EXCEPTION_VIEW, issuer_id)
    return answer(review(request.ctx, actor, issuer_id, contract_id))


@router.post("/contracts/<contract_id>/vat-proofs")
def post_vat_proof(contract_id: str) -> Response[VatProof]:
    """Record what VIES answered for the buyer's or the issuer's VAT id."""
    request = Request(router)
    actor = request.actor
    proof = request.read(VatProof)
    made = vat_proofs.record(request.ctx, actor, request.issuer_of(actor), contract_id, proof)
    return answer(made, HTTPStatus.CREATED)


@router.get("/contracts/<contract_id>/vat-proofs")
def list_vat_proofs(contract_id: str) -> Response[Items[KeptProof]]:
    """The recorded proofs of both VAT ids, oldest first."""
    request = Request(router)
    actor = request.actor
    issuer_id = request.issuer_of(actor)
    authorise(actor, Right.EXCEPTION_VIEW, issuer_id)
    return answer({"items": vat_proofs.proofs(request.ctx, actor, issuer_id, contract_id)})


class ReasonBody(BaseModel):
    """Why a contract is suspended or goes on."""

    model_config = ConfigDict(extra="forbid")

    reason: str


@router.post("/contracts/<contract_id>/suspend")
def suspend(contract_id: str) -> Response[ContractView]:
    """The contract takes no new sessions from now on."""
    return _switched(contract_id, lifecycle.suspend)


@router.post("/contracts/<contract_id>/go-on")
def go_on(contract_id: str) -> Response[ContractView]:
    """A suspended contract takes sessions again."""
    return _switched(contract_id, lifecycle.go_on)


def _switched(contract_id: str, switch: Callable[..., Contract]) -> Response[ContractView]:
    request = Request(router)
    actor = request.actor
    body = request.read(ReasonBody)
    issuer_id = request.issuer_of(actor)
    made = switch(request.ctx, actor, issuer_id, contract_id, body.reason, if_match=request.if_match)
    return answer(rules.view(made, request.ctx.now()), etag=made.changed)
