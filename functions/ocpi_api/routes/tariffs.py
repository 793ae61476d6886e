"""Tariffs: the Receiver of CPOs, the Sender to eMSPs (OCPI mod_tariffs)."""

from __future__ import annotations

from http import HTTPStatus
from typing import Literal

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from functions.ocpi_api.http import Call, answer, part
from roamclear.ocpi import service as ocpi
from roamclear.ocpi.model import Code, Refused

router = APIGatewayHttpRouter()
_TARIFF = "/<version>/tariffs/<country>/<party>/<tariff>"


@router.get("/<version>/tariffs")
def list_tariffs(version: str) -> Response[str]:
    """The tariffs of the issuer's CPOs for an eMSP."""
    call = Call(router, version)
    credential = call.partner()
    return call.listed("tariffs", ocpi.tariff_page(call.ctx, credential, call.query()))


@router.get(_TARIFF)
def get_tariff(version: str, country: str, party: str, tariff: str) -> Response[str]:
    """What the owner last said of a Tariff."""
    call = Call(router, version)
    credential = call.partner()
    return answer(call.ctx, ocpi.read_tariff(call.ctx, credential, _at(country, party, tariff)))


@router.put(_TARIFF)
def put_tariff(version: str, country: str, party: str, tariff: str) -> Response[str]:
    """A whole Tariff."""
    return _save(version, "PUT", _at(country, party, tariff))


@router.patch(_TARIFF)
def patch_tariff(version: str, country: str, party: str, tariff: str) -> Response[str]:
    """What changed of a Tariff; only 2.1.1 knows it."""
    if version != "2.1.1":
        call = Call(router, version)
        call.partner()
        text, allow = "this version does not PATCH tariffs", {"Allow": "DELETE, GET, PUT"}
        return answer(call.ctx, None, HTTPStatus.METHOD_NOT_ALLOWED, Code.CLIENT, text, allow)
    return _save(version, "PATCH", _at(country, party, tariff))


@router.delete(_TARIFF)
def delete_tariff(version: str, country: str, party: str, tariff: str) -> Response[str]:
    """The owner takes a Tariff back."""
    call = Call(router, version)
    ocpi.delete_tariff(call.ctx, call.partner(), _at(country, party, tariff))
    return answer(call.ctx)


def _save(version: str, method: Literal["PUT", "PATCH"], at: ocpi.Address) -> Response[str]:
    call = Call(router, version)
    credential = call.partner()
    outcome = ocpi.save_tariff(call.ctx, credential, at, method, call.message())
    return call.refusal(outcome) if isinstance(outcome, Refused) else call.saved(credential, outcome)


def _at(country: str, party: str, tariff: str) -> ocpi.Address:
    return ocpi.Address(part(country), part(party), part(tariff))
