"""Issuers and contracts."""

from __future__ import annotations

from datetime import date
from http import HTTPStatus

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter
from pydantic import BaseModel, ConfigDict

from functions.finance_api.http import Request, answer
from roamclear.cdrs.pricing import read_grid
from roamclear.contracts import service as contracts
from roamclear.contracts.model import Terms
from roamclear.identity import service as identity
from roamclear.identity.issuer import Issuer
from roamclear.identity.model import Right
from roamclear.identity.rules import authorise
from roamclear.kernel.errors import InvalidInput

router = APIGatewayHttpRouter()


class ContractBody(BaseModel):
    """A contract or its next version."""

    model_config = ConfigDict(extra="forbid")

    name: str
    valid_from: date
    valid_to: date | None = None
    terms: Terms


def check_grid(terms: Terms) -> None:
    """A price grid that cannot be read is refused here, by the name of its field, not at the first session."""
    try:
        read_grid(terms.grid)
    except InvalidInput as error:
        raise InvalidInput(error.message, field=f"terms.{error.field}") from error


@router.put("/issuer")
def put_issuer() -> Response[str]:
    """Create or change the issuer."""
    request = Request(router)
    return answer(identity.save_issuer(request.ctx, request.actor, request.read(Issuer)))


@router.get("/issuer")
def get_issuer() -> Response[str]:
    """The issuer as it stands on documents."""
    request = Request(router)
    actor = request.actor
    issuer_id = request.issuer_of(actor)
    authorise(actor, Right.CONTRACT_VIEW, issuer_id)
    return answer(identity.issuer(request.ctx, issuer_id))


@router.put("/contracts/<contract_id>")
def put_contract(contract_id: str) -> Response[str]:
    """Create a contract or publish its next version."""
    request = Request(router)
    actor = request.actor
    body = request.read(ContractBody)
    check_grid(body.terms)
    made = contracts.publish(
        request.ctx,
        actor,
        request.issuer_of(actor),
        contract_id,
        name=body.name,
        valid_from=body.valid_from,
        valid_to=body.valid_to,
        terms=body.terms,
    )
    return answer(made, HTTPStatus.CREATED if made.version == 1 else HTTPStatus.OK)


@router.get("/contracts")
def list_contracts() -> Response[str]:
    """The contracts the caller may see."""
    request = Request(router)
    actor = request.actor
    return answer({"items": contracts.contracts(request.ctx, actor, request.issuer_of(actor))})


@router.get("/contracts/<contract_id>")
def get_contract(contract_id: str) -> Response[str]:
    """A contract with all its versions."""
    request = Request(router)
    actor = request.actor
    head, versions = contracts.contract(request.ctx, actor, request.issuer_of(actor), contract_id)
    return answer({"contract": head, "versions": versions})
