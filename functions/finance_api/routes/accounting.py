"""The ledger for the bookkeeping of the house: chart of accounts, monthly exports and accrual packs."""

from __future__ import annotations

from datetime import date
from http import HTTPStatus
from typing import TYPE_CHECKING

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter
from pydantic import BaseModel, ConfigDict, Field

from functions.finance_api.http import Request, answer, parse
from roamclear.accounting import service as accounting
from roamclear.accounting.model import Chart, Profile
from roamclear.status import books, packs

if TYPE_CHECKING:
    from functions.finance_api.answers import ExportTold, Items, PackTold

router = APIGatewayHttpRouter()


class ExportBody(BaseModel):
    """A calendar month and how it is written."""

    model_config = ConfigDict(extra="forbid")

    period: str = Field(pattern=r"^[0-9]{4}-[0-9]{2}$")
    profile: Profile


@router.get("/accounting/chart")
def get_chart() -> Response[Chart]:
    """The issuer's chart of accounts, or the proposal to begin with."""
    request = Request(router)
    actor = request.actor
    return answer(accounting.chart(request.ctx, actor, request.issuer_of(actor)))


@router.put("/accounting/chart")
def put_chart() -> Response[Chart]:
    """Save the chart of accounts; personal accounts that were given stay."""
    request = Request(router)
    actor = request.actor
    body = request.body() | {"issuer_id": request.issuer_of(actor)}
    return answer(accounting.save_chart(request.ctx, actor, parse(Chart, body)))


@router.post("/accounting/exports")
def post_export() -> Response[ExportTold]:
    """Write a month that is over, or hand it out again as a copy."""
    request = Request(router)
    actor = request.actor
    body = request.read(ExportBody)
    made = books.export(request.ctx, actor, request.issuer_of(actor), body.period, body.profile)
    status = HTTPStatus.OK if made.copies else HTTPStatus.CREATED
    return answer(accounting.shown(request.ctx, made), status)


@router.get("/accounting/exports")
def list_exports() -> Response[Items[ExportTold]]:
    """What was exported, with signed links."""
    request = Request(router)
    actor = request.actor
    return answer({"items": accounting.exports(request.ctx, actor, request.issuer_of(actor))})


class AccrualBody(BaseModel):
    """A calendar month, and the day whose end counts; the month's last where none is named."""

    model_config = ConfigDict(extra="forbid")

    period: str = Field(pattern=r"^[0-9]{4}-[0-9]{2}$")
    as_of: date | None = None


@router.post("/accounting/accruals")
def post_accruals() -> Response[PackTold]:
    """The accrual pack of a month as of a day: its files, or 202 while it is being drawn."""
    request = Request(router)
    actor = request.actor
    body = request.read(AccrualBody)
    found = packs.ask(request.ctx, actor, request.issuer_of(actor), body.period, body.as_of)
    return answer(found, HTTPStatus.OK if found["files"] else HTTPStatus.ACCEPTED)


@router.get("/accounting/accruals")
def list_accruals() -> Response[Items[PackTold]]:
    """The accrual packs that were drawn, with signed links."""
    request = Request(router)
    actor = request.actor
    return answer({"items": packs.listed(request.ctx, actor, request.issuer_of(actor))})
