"""Invoice Reconciliation: Sender to eMSPs, Receiver of those that bill themselves (OCPI 2.3.0 ed2)."""

from __future__ import annotations

from typing import Literal

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from functions.ocpi_api.http import Call, answer, part
from roamclear.kernel.errors import NotFound
from roamclear.ocpi.model import VERSION_OF_RECORDS, Refused
from roamclear.ocpi.objects import Address, Saved
from roamclear.partners.model import Credential

router = APIGatewayHttpRouter()
_MODULE = "/<version>/invoicereconciliation"
_RECORD = _MODULE + "/<country>/<party>/<record>"


@router.get(_MODULE)
def list_records(version: str) -> Response[str]:
    """Which CDRs are on which invoice of the calling eMSP."""
    # Rarely asked for, and it knows the billing room: kept out of every other request's cold start.
    from roamclear.ocpi import reconciliation

    call, credential = _called(version)
    page = reconciliation.record_page(call.ctx, credential, call.query())
    return call.listed("invoicereconciliation", page)


@router.post(_MODULE)
def post_record(version: str) -> Response[str]:
    """A new record of an eMSP that bills itself."""
    from roamclear.ocpi import received

    call, credential = _called(version)
    return _saved(call, credential, received.post_record(call.ctx, credential, call.message()))


@router.get(_RECORD)
def get_record(version: str, country: str, party: str, record: str) -> Response[str]:
    """A record as the calling eMSP sent it."""
    from roamclear.ocpi import received

    call, credential = _called(version)
    return answer(call.ctx, received.read_record(call.ctx, credential, _at(country, party, record)))


@router.put(_RECORD)
def put_record(version: str, country: str, party: str, record: str) -> Response[str]:
    """A whole record."""
    return _save(version, "PUT", _at(country, party, record))


@router.patch(_RECORD)
def patch_record(version: str, country: str, party: str, record: str) -> Response[str]:
    """What changed of a record."""
    return _save(version, "PATCH", _at(country, party, record))


@router.delete(_RECORD)
def delete_record(version: str, country: str, party: str, record: str) -> Response[str]:
    """The eMSP takes a record back."""
    from roamclear.ocpi import received

    call, credential = _called(version)
    received.delete_record(call.ctx, credential, _at(country, party, record))
    return answer(call.ctx)


def _save(version: str, method: Literal["PUT", "PATCH"], at: Address) -> Response[str]:
    from roamclear.ocpi import received

    call, credential = _called(version)
    return _saved(call, credential, received.save_record(call.ctx, credential, at, method, call.message()))


def _called(version: str) -> tuple[Call, Credential]:
    call = Call(router, version)
    credential = call.partner()
    if version != VERSION_OF_RECORDS:
        raise NotFound("this version knows no such module")
    return call, credential


def _saved(call: Call, credential: Credential, outcome: Saved | Refused) -> Response[str]:
    return call.refusal(outcome) if isinstance(outcome, Refused) else call.saved(credential, outcome)


def _at(country: str, party: str, record: str) -> Address:
    return Address(part(country), part(party), part(record))
