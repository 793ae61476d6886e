"""Bank accounts, statements, payments and matches."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter
from pydantic import BaseModel, ConfigDict, Field

from functions.finance_api.http import Request, answer
from functions.finance_api.pages import asked, paged
from roamclear.kernel.money import Money
from roamclear.reconciliation import service as reconciliation
from roamclear.reconciliation.model import BankAccount, Share

if TYPE_CHECKING:
    from functions.finance_api.answers import Items, Paged
    from roamclear.reconciliation.model import Allocation, Payment, StatementRow

router = APIGatewayHttpRouter()


class AccountBody(BaseModel):
    """A bank account whose statements are booked."""

    model_config = ConfigDict(extra="forbid")

    account: str = Field(min_length=4, max_length=70)
    currency: str = Field("EUR", pattern=r"^[A-Z]{3}$")
    books_from: tuple[str, ...] = ("camt.053",)


class ShareBody(BaseModel):
    """How much of a payment goes to a document."""

    model_config = ConfigDict(extra="forbid")

    number: str = Field(min_length=1, max_length=40)
    amount: Money


class MatchBody(BaseModel):
    """A match by hand."""

    model_config = ConfigDict(extra="forbid")

    shares: tuple[ShareBody, ...] = Field(min_length=1, max_length=20)


@router.post("/bank-accounts")
def post_account() -> Response[BankAccount]:
    """Register a bank account of the issuer; the same again is the same."""
    request = Request(router)
    actor = request.actor
    issuer_id = request.issuer_of(actor)
    body = request.read(AccountBody)
    wanted = BankAccount(issuer_id=issuer_id, **body.model_dump())
    return answer(reconciliation.register_account(request.ctx, actor, issuer_id, wanted), HTTPStatus.CREATED)


@router.get("/bank-accounts")
def list_accounts() -> Response[Items[BankAccount]]:
    """The registered accounts."""
    request = Request(router)
    actor = request.actor
    return answer({"items": reconciliation.bank_accounts(request.ctx, actor, request.issuer_of(actor))})


@router.get("/statements")
def list_statements() -> Response[Paged[StatementRow]]:
    """Statements with balances and whether they add up, account by account, in pages."""
    request = Request(router)
    actor = request.actor
    found = reconciliation.statements_page(request.ctx, actor, request.issuer_of(actor), asked(request))
    return answer(paged(request, found))


@router.get("/payments")
def list_payments() -> Response[Paged[Payment]]:
    """Payments that nothing explains yet, with their suggestions, oldest first, in pages."""
    request = Request(router)
    actor = request.actor
    found = reconciliation.open_payments_page(request.ctx, actor, request.issuer_of(actor), asked(request))
    return answer(paged(request, found))


@router.get("/payments/<payment_id>/matches")
def list_matches(payment_id: str) -> Response[Items[Allocation]]:
    """Matches of a payment with rule, score and fields."""
    request = Request(router)
    actor = request.actor
    return answer({"items": reconciliation.matches(request.ctx, actor, request.issuer_of(actor), payment_id)})


@router.post("/payments/<payment_id>/matches")
def post_match(payment_id: str) -> Response[Payment]:
    """Match a payment by hand."""
    request = Request(router)
    actor = request.actor
    body = request.read(MatchBody)
    shares = tuple(Share(number=s.number, contract_id="", amount=s.amount) for s in body.shares)
    issuer_id = request.issuer_of(actor)
    made = reconciliation.match_by_hand(request.ctx, actor, issuer_id, payment_id, shares)
    return answer(made, HTTPStatus.CREATED)
