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
from roamclear.kernel.errors import InvalidInput
from roamclear.rates import service as rates

if TYPE_CHECKING:
    from functions.finance_api.answers import Items
    from roamclear.rates.model import Rate

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
