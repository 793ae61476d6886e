"""Drivers' data: requests of data subjects, what the retention of detail did, and the secrets of pseudonyms."""

from __future__ import annotations

from datetime import date
from http import HTTPStatus
from typing import TYPE_CHECKING, Literal

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter
from pydantic import BaseModel, ConfigDict, Field

from functions.finance_api.http import Request, answer
from roamclear.privacy import requests
from roamclear.privacy.model import Subject
from roamclear.retention import pseudonyms

if TYPE_CHECKING:
    from functions.finance_api.answers import Items
    from roamclear.privacy.model import DataRequest, DetailReport, PackageLink
    from roamclear.retention.model import Epoch

router = APIGatewayHttpRouter()


class SubjectBody(BaseModel):
    """A request that came through an eMSP; ``token_uid`` or ``contract_id`` says whose data are meant."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["EXPORT", "ERASURE"]
    reference: str = Field(min_length=3, max_length=200)
    emsp_party: str = Field(pattern=r"^[A-Z]{2}[A-Z0-9]{3}$")
    token_uid: str | None = Field(None, min_length=1, max_length=36)
    contract_id: str | None = Field(None, min_length=1, max_length=36)
    since: date | None = None


class ReasonBody(BaseModel):
    """Why a person does something that cannot be taken back."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(min_length=3, max_length=1000)


@router.post("/data-requests")
def post_data_request() -> Response[DataRequest]:
    """Ask what is held of a data subject; ERASURE also gives up what is over. Answered within a quarter of an hour."""
    request = Request(router)
    actor = request.actor
    body = request.read(SubjectBody)
    subject = Subject(emsp_party=body.emsp_party, token_uid=body.token_uid, contract_id=body.contract_id)
    issuer_id = request.issuer_of(actor)
    made = requests.ask(request.ctx, actor, issuer_id, body.kind, subject, body.reference, body.since)
    return answer(made, HTTPStatus.ACCEPTED)


@router.get("/data-requests")
def list_data_requests() -> Response[Items[DataRequest]]:
    """All requests with their state; whom they are about is not told."""
    request = Request(router)
    actor = request.actor
    return answer({"items": requests.requests(request.ctx, actor, request.issuer_of(actor))})


@router.get("/data-requests/<request_id>")
def get_data_request(request_id: str) -> Response[DataRequest]:
    """One request."""
    request = Request(router)
    actor = request.actor
    return answer(requests.request(request.ctx, actor, request.issuer_of(actor), request_id))


@router.get("/data-requests/<request_id>/files")
def get_files(request_id: str) -> Response[Items[PackageLink]]:
    """Short-lived addresses of the package (JSON and XLSX); every opening is audited."""
    request = Request(router)
    actor = request.actor
    return answer({"items": requests.opened(request.ctx, actor, request.issuer_of(actor), request_id)})


@router.get("/detail-reports")
def list_reports() -> Response[Items[DetailReport]]:
    """What the retention of detail gave up and what still waits, latest first."""
    request = Request(router)
    actor = request.actor
    return answer({"items": requests.reports(request.ctx, actor, request.issuer_of(actor))})


@router.get("/pseudonym-secrets")
def list_secrets() -> Response[Items[Epoch]]:
    """The secrets of pseudonyms by their numbers, without their bytes."""
    request = Request(router)
    actor = request.actor
    return answer({"items": pseudonyms.epochs(request.ctx, actor, request.issuer_of(actor))})


@router.post("/pseudonym-secrets/<epoch>/destroy")
def post_destroy(epoch: str) -> Response[Epoch]:
    """Destroy a secret for good: nobody comes from a token to its expired sessions any more."""
    request = Request(router)
    actor = request.actor
    number = int(epoch) if epoch.isascii() and epoch.isdigit() and len(epoch) < 5 else 0
    reason = request.read(ReasonBody).reason
    return answer(pseudonyms.destroy(request.ctx, actor, request.issuer_of(actor), number, reason))
