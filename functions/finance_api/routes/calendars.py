"""Holidays by place and year: stored by the schedule, or recorded by people."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from functions.finance_api.http import Request, answer
from roamclear.calendars import service as calendars
from roamclear.kernel.errors import InvalidInput

if TYPE_CHECKING:
    from functions.finance_api.answers import Items
    from roamclear.calendars.model import CalendarYear

router = APIGatewayHttpRouter()
_Name = Annotated[str, StringConstraints(min_length=1, max_length=80)]


class CalendarBody(BaseModel):
    """Every holiday of the year with its name, weekends apart, and why a person records them."""

    model_config = ConfigDict(extra="forbid")

    days: dict[date, _Name] = Field(max_length=60)
    reason: str = Field(min_length=1, max_length=200)


@router.get("/calendars/<code>/<year>")
def get_calendar(code: str, year: str) -> Response[Items[CalendarYear]]:
    """Every state of a place's holidays in a year, oldest first; the last one counts."""
    request = Request(router)
    actor = request.actor
    return answer({"items": calendars.states(request.ctx, actor, request.issuer_of(actor), code, _year(year))})


@router.put("/calendars/<code>/<year>")
def put_calendar(code: str, year: str) -> Response[CalendarYear]:
    """Record the holidays of a place by hand; the schedule never overwrites them, deadlines already set stay."""
    request = Request(router)
    actor = request.actor
    body = request.read(CalendarBody)
    issuer_id = request.issuer_of(actor)
    return answer(calendars.record(request.ctx, actor, issuer_id, code, _year(year), body.days, body.reason))


def _year(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) == 4):
        raise InvalidInput("a year has four digits", field="year")
    return int(text)
