"""CDRs: the Receiver of CPOs and hubs, the Sender to eMSPs (OCPI mod_cdrs)."""

from __future__ import annotations

from http import HTTPStatus

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from functions.ocpi_api.http import Call, answer, part
from roamclear.cdrs.model import Receipt
from roamclear.ocpi import service as ocpi
from roamclear.ocpi.model import Refused

router = APIGatewayHttpRouter()


@router.post("/<version>/cdrs")
def post_cdr(version: str) -> Response[str]:
    """Take a CDR: 201 when it is new (200 by the partner's switch), 200 when it is known, 2001 when it is refused."""
    call = Call(router, version)
    credential = call.partner()
    outcome = ocpi.receive_cdr(call.ctx, credential, call.message())
    if isinstance(outcome, Refused):
        return call.refusal(outcome)
    new = outcome.receipt is Receipt.NEW and not credential.answer_200
    place = ocpi.location_url(call.base, version, outcome.party, outcome.cdr_id)
    return answer(call.ctx, None, HTTPStatus.CREATED if new else HTTPStatus.OK, headers={"Location": place})


@router.get("/<version>/cdrs")
def list_cdrs(version: str) -> Response[str]:
    """The CDRs of the calling eMSP."""
    call = Call(router, version)
    credential = call.partner()
    return call.listed("cdrs", ocpi.cdr_page(call.ctx, credential, call.query(), version))


@router.get("/<version>/cdrs/<country>/<party>/<cdr>")
def get_cdr(version: str, country: str, party: str, cdr: str) -> Response[str]:
    """A CDR by the address its POST was answered with, for its CPO and its eMSP."""
    call = Call(router, version)
    credential = call.partner()
    return answer(call.ctx, ocpi.stored_cdr(call.ctx, credential, part(country), part(party), part(cdr), version))
