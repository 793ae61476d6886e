"""Refused messages, nightly pulls, and the invoice records of partners that bill themselves; certificates."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING
from urllib.parse import unquote

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from functions.finance_api.http import Request, answer
from roamclear.kernel.errors import InvalidInput
from roamclear.ocpi import certificates, claims, reports

if TYPE_CHECKING:
    from functions.finance_api.answers import CertificateTold, Items, RecordHead, RecordTold, Refusals
    from roamclear.ocpi.model import PullReport

router = APIGatewayHttpRouter()


@router.get("/ingest-log")
def list_refused() -> Response[Refusals]:
    """What was refused on a UTC day (today), of one partner or all."""
    request = Request(router)
    actor = request.actor
    day = _day(request, "day", request.ctx.now().date())
    partner = request.query("partner") or None
    found = reports.ingest_log(request.ctx, actor, request.issuer_of(actor), partner, day)
    return answer({"day": day, "items": found})


@router.get("/pulls")
def list_pulls() -> Response[Items[PullReport]]:
    """The pulls of the last 31 nights, or of those between two days."""
    request = Request(router)
    actor = request.actor
    last = _day(request, "to", request.ctx.now().date())
    first = _day(request, "from", last - timedelta(days=30))
    return answer({"items": reports.pulls(request.ctx, actor, request.issuer_of(actor), first, last)})


@router.get("/received-records")
def list_received_records() -> Response[Items[RecordHead]]:
    """The Invoice Reconciliation records that partners sent, the latest first."""
    request = Request(router)
    actor = request.actor
    return answer({"items": claims.received(request.ctx, actor, request.issuer_of(actor))})


@router.get("/received-records/<party>/<record_id>")
def get_received_record(party: str, record_id: str) -> Response[RecordTold]:
    """One of them compared with our sessions as they are now."""
    request = Request(router)
    actor = request.actor
    return answer(claims.report(request.ctx, actor, request.issuer_of(actor), unquote(party), unquote(record_id)))


@router.get("/certificates")
def list_certificates() -> Response[Items[CertificateTold]]:
    """The conformance certificates of partners, the latest first, each with a link to its paper."""
    request = Request(router)
    actor = request.actor
    return answer({"items": certificates.listed(request.ctx, actor, request.issuer_of(actor))})


def _day(request: Request, name: str, default: date) -> date:
    given = request.query(name)
    if not given:
        return default
    try:
        found = date.fromisoformat(given)
    except ValueError as error:
        raise InvalidInput(f"{name} is no day (YYYY-MM-DD)", field=name) from error
    if not date(2000, 1, 1) <= found <= date(2100, 1, 1):
        raise InvalidInput(f"{name} lies outside the calendar", field=name)
    return found
