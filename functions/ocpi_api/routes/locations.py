"""Locations: the Receiver at all three levels (OCPI mod_locations)."""

from __future__ import annotations

from typing import Literal

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from functions.ocpi_api.http import Call, answer, part
from roamclear.ocpi import service as ocpi
from roamclear.ocpi.model import Refused

router = APIGatewayHttpRouter()
_LOCATION = "/<version>/locations/<country>/<party>/<location>"
_EVSE = _LOCATION + "/<evse>"
_CONNECTOR = _EVSE + "/<connector>"


@router.get(_CONNECTOR)
@router.get(_EVSE)
@router.get(_LOCATION)
def get_location(
    version: str, country: str, party: str, location: str, evse: str | None = None, connector: str | None = None
) -> Response[str]:
    """What the owner last said of a Location, an EVSE or a Connector."""
    call = Call(router, version)
    credential = call.partner()
    return answer(call.ctx, ocpi.read_location(call.ctx, credential, _at(country, party, location, evse, connector)))


@router.put(_CONNECTOR)
@router.put(_EVSE)
@router.put(_LOCATION)
def put_location(
    version: str, country: str, party: str, location: str, evse: str | None = None, connector: str | None = None
) -> Response[str]:
    """A whole Location, EVSE or Connector."""
    return _save(version, "PUT", _at(country, party, location, evse, connector))


@router.patch(_CONNECTOR)
@router.patch(_EVSE)
@router.patch(_LOCATION)
def patch_location(
    version: str, country: str, party: str, location: str, evse: str | None = None, connector: str | None = None
) -> Response[str]:
    """What changed of a Location, EVSE or Connector."""
    return _save(version, "PATCH", _at(country, party, location, evse, connector))


def _save(version: str, method: Literal["PUT", "PATCH"], at: ocpi.Address) -> Response[str]:
    call = Call(router, version)
    credential = call.partner()
    outcome = ocpi.save_location(call.ctx, credential, at, method, call.message())
    return call.refusal(outcome) if isinstance(outcome, Refused) else call.saved(credential, outcome)


def _at(country: str, party: str, location: str, evse: str | None, connector: str | None) -> ocpi.Address:
    evse, connector = part(evse) if evse else None, part(connector) if connector else None
    return ocpi.Address(part(country), part(party), part(location), evse, connector)
