"""Published exchange rates: recorded by people or by the installation's own job, read by the close."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from functions.finance_api.http import Request, answer
from roamclear.billing.rate_use import documents_by_rate
from roamclear.kernel.errors import InvalidInput
from roamclear.rates import corrections
from roamclear.rates import service as rates

if TYPE_CHECKING:
    from functions.finance_api.answers import CorrectedRate, Items
    from roamclear.rates.model import Rate, RateCorrection

router = APIGatewayHttpRouter()
_Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
_Rate = Annotated[Decimal, Field(gt=0, lt=1_000_000, max_digits=12, decimal_places=6)]


class RatesBody(BaseModel):
    """What the ECB published for a day: currency -> units per euro."""

    model_config = ConfigDict(extra="forbid")

    day: date
    rates: dict[_Currency, _Rate] = Field(min_length=1, max_length=50)


@router.post("/rates")
def post_rates() -> Response[Items[Rate]]:
    """Record the rates of a day; the same again is the same, another value is 409."""
    request = Request(router)
    actor = request.actor
    body = request.read(RatesBody)
    made = rates.record(request.ctx, actor, request.issuer_of(actor), body.day, body.rates)
    return answer({"items": made}, HTTPStatus.CREATED)


@router.get("/rates")
def list_rates() -> Response[Items[Rate]]:
    """The rates of ``currency`` in the 31 days until ``until`` (default: today), the latest first."""
    request = Request(router)
    actor = request.actor
    currency, until = request.query("currency"), request.query("until")
    if not currency:
        raise InvalidInput("name a currency", field="currency")
    try:
        last = date.fromisoformat(until) if until else request.ctx.now().date()
    except ValueError as error:
        raise InvalidInput("the day is no date", field="until") from error
    found = rates.listed(request.ctx, actor, request.issuer_of(actor), currency, last - timedelta(days=31), last)
    return answer({"items": found})


class CorrectionBody(BaseModel):
    """Another value for a stored rate, and why."""

    model_config = ConfigDict(extra="forbid")

    currency: _Currency
    day: date
    rate: _Rate
    reason: str = Field(min_length=1, max_length=200)


@router.post("/rate-corrections")
def post_correction() -> Response[RateCorrection]:
    """Propose another value for a stored rate; it counts when another person approved it."""
    request = Request(router)
    actor = request.actor
    body = request.read(CorrectionBody)
    issuer_id = request.issuer_of(actor)
    made = corrections.propose(
        request.ctx, actor, issuer_id, body.currency, body.day, body.rate, body.reason
    )  # fmt: skip
    return answer(made, HTTPStatus.CREATED)


@router.get("/rate-corrections")
def list_corrections() -> Response[Items[RateCorrection]]:
    """Every correction of a stored rate, waiting or decided, by currency and day."""
    request = Request(router)
    actor = request.actor
    return answer({"items": corrections.corrections(request.ctx, actor, request.issuer_of(actor))})


@router.get("/rate-corrections/<correction_id>")
def get_correction(correction_id: str) -> Response[CorrectedRate]:
    """A correction and the issued documents that state their VAT by the rate of its day: they keep it."""
    request = Request(router)
    actor = request.actor
    issuer_id = request.issuer_of(actor)
    known = corrections.correction(request.ctx, actor, issuer_id, correction_id)
    uses = documents_by_rate(request.ctx, actor, issuer_id, known.currency, known.day)
    return answer({"correction": known, "uses": uses})


@router.post("/rate-corrections/<correction_id>/approve")
def approve_correction(correction_id: str) -> Response[RateCorrection]:
    """A second person lets the new value count for documents issued from now on."""
    request = Request(router)
    actor = request.actor
    return answer(corrections.approve(request.ctx, actor, request.issuer_of(actor), correction_id))


@router.post("/rate-corrections/<correction_id>/refuse")
def refuse_correction(correction_id: str) -> Response[RateCorrection]:
    """Decide against a correction, or take one's own back."""
    request = Request(router)
    actor = request.actor
    return answer(corrections.refuse(request.ctx, actor, request.issuer_of(actor), correction_id))
