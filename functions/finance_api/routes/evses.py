"""The EVSE register, payout accounts and assignments."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal, InvalidOperation
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import unquote

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter
from pydantic import BaseModel, ConfigDict, Field

from functions.finance_api.http import Request, answer, moments, parse
from roamclear.evses import service as evses
from roamclear.evses.model import (
    AccountTerms,
    AccountVersion,
    EvseRow,
    Filters,
    Policy,
    Proposal,
    RequestState,
    Unpaid,
)
from roamclear.kernel.errors import InvalidInput
from roamclear.kernel.ids import iban
from roamclear.kernel.time import parse_instant
from roamclear.payouts import service as payouts

if TYPE_CHECKING:
    from functions.finance_api.answers import AccountId, AccountTold, Changed, EvseTold, Items
    from roamclear.evses.model import (
        AssignmentRequest,
        Counts,
        Evse,
        EvsePage,
        KnownAccount,
        PayoutAccount,
        RowResult,
    )
    from roamclear.payouts.model import Held

router = APIGatewayHttpRouter()


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class AssignBody(_Body):
    """Which EVSEs go to which account, from when on (RFC 3339; now when absent)."""

    evse_ids: list[str] = Field(min_length=1, max_length=1000)
    account_id: str
    effective_from: str | None = None


class ImportBody(_Body):
    """Lines of a list of EVSEs."""

    rows: list[EvseRow] = Field(min_length=1, max_length=500)


class ImpactBody(_Body):
    """Which EVSEs would be assigned."""

    evse_ids: list[str] = Field(min_length=1, max_length=1000)


class UnassignBody(_Body):
    """Which EVSEs leave their accounts, from when on."""

    evse_ids: list[str] = Field(min_length=1, max_length=1000)
    effective_from: str | None = None


class AccountBody(_Body):
    """A new payout account."""

    name: str
    terms: AccountTerms


class ApproveBody(_Body):
    """Which change was looked at: its ``asked_at_utc``."""

    asked_at_utc: str | None = None


class DeactivateBody(_Body):
    """What becomes of unpaid amounts."""

    unpaid: Unpaid = Unpaid.FREEZE


class GroupBody(_Body):
    """A price group, or none."""

    group: str | None = None


# ---- register ------------------------------------------------------------------------------------------------------
@router.get("/evses")
def list_evses() -> Response[EvsePage]:
    """One of the two tables (``table=assigned|unassigned``), filtered by the seven filters, by id."""
    request = Request(router)
    actor = request.actor
    issuer_id, filters = request.issuer_of(actor), _filters(request)
    table, after = request.query("table", "unassigned"), request.query("cursor")
    limit = _limit(request)
    if table == "unassigned":
        page = evses.unassigned(request.ctx, actor, issuer_id, filters, after=after, limit=limit)
    elif table == "assigned":
        account = request.query("account")
        page = evses.assigned(request.ctx, actor, issuer_id, filters, account_id=account, after=after, limit=limit)
    else:
        raise InvalidInput("the table is assigned or unassigned", field="table")
    return answer(page)


@router.get("/evses:counts")
def count_evses() -> Response[Counts]:
    """How many EVSEs stand in which table and tab."""
    request = Request(router)
    actor = request.actor
    return answer(evses.counts(request.ctx, actor, request.issuer_of(actor)))


@router.post("/evses:assign")
def assign_evses() -> Response[AssignmentRequest]:
    """Assign EVSEs; 202 when a second person must agree."""
    request = Request(router)
    actor = request.actor
    issuer_id = request.issuer_of(actor)
    body = request.read(AssignBody)
    made = evses.assign(
        request.ctx,
        actor,
        issuer_id,
        body.evse_ids,
        body.account_id,
        _instant(body.effective_from, "effective_from"),
        moved=payouts.held(request.ctx, actor, issuer_id, body.evse_ids).net,
    )
    return answer(made, HTTPStatus.OK if made.state is RequestState.APPLIED else HTTPStatus.ACCEPTED)


@router.post("/evses:import")
def import_evses() -> Response[Items[RowResult]]:
    """Take lines of a list into the register, a result per line."""
    request = Request(router)
    actor = request.actor
    rows = request.read(ImportBody).rows
    return answer({"items": evses.import_rows(request.ctx, actor, request.issuer_of(actor), rows)})


@router.post("/evses:impact")
def impact_of_assignment() -> Response[Held]:
    """What an assignment would release: held sessions and their worth, for the dialogue before it."""
    request = Request(router)
    actor = request.actor
    ids = request.read(ImpactBody).evse_ids
    return answer(payouts.held(request.ctx, actor, request.issuer_of(actor), ids))


@router.post("/evses:unassign")
def unassign_evses() -> Response[Changed]:
    """Take EVSEs from their accounts; later sessions are held."""
    request = Request(router)
    actor = request.actor
    body = request.read(UnassignBody)
    since = _instant(body.effective_from, "effective_from")
    return answer({"changed": evses.unassign(request.ctx, actor, request.issuer_of(actor), body.evse_ids, since)})


@router.get("/evses/<evse_id>")
def get_evse(evse_id: str) -> Response[EvseTold]:
    """One EVSE with what was recorded about who is paid for it, until ``as_of`` where that is given."""
    request = Request(router)
    actor = request.actor
    issuer_id = request.issuer_of(actor)
    named = unquote(evse_id)
    as_of = _instant(request.query("as_of"), "as_of")
    found = evses.evse(request.ctx, actor, issuer_id, named)
    return answer({"evse": found, "history": evses.history(request.ctx, actor, issuer_id, named, as_of)})


@router.put("/evses/<evse_id>/group")
def put_group(evse_id: str) -> Response[Evse]:
    """Put an EVSE into a price group."""
    request = Request(router)
    actor = request.actor
    group = request.read(GroupBody).group
    return answer(evses.set_group(request.ctx, actor, request.issuer_of(actor), unquote(evse_id), group))


@router.get("/assignment-requests")
def list_requests() -> Response[Items[AssignmentRequest]]:
    """Assignments that wait for a second person (``state=PENDING|APPLIED|REFUSED``)."""
    request = Request(router)
    actor = request.actor
    named = request.query("state") or RequestState.PENDING.value
    if named not in RequestState.__members__:
        raise InvalidInput("the state is PENDING, APPLIED or REFUSED", field="state")
    issuer_id = request.issuer_of(actor)
    return answer({"items": evses.assignment_requests(request.ctx, actor, issuer_id, RequestState(named))})


@router.post("/assignment-requests/<request_id>/approve")
def approve_request(request_id: str) -> Response[AssignmentRequest]:
    """A second person agrees to an assignment."""
    request = Request(router)
    actor = request.actor
    return answer(evses.approve_assignment(request.ctx, actor, request.issuer_of(actor), request_id))


@router.post("/assignment-requests/<request_id>/refuse")
def refuse_request(request_id: str) -> Response[AssignmentRequest]:
    """A second person refuses an assignment."""
    request = Request(router)
    actor = request.actor
    return answer(evses.refuse_assignment(request.ctx, actor, request.issuer_of(actor), request_id))


@router.put("/assignment-policy")
def put_policy() -> Response[Policy]:
    """From where on an assignment needs a second person."""
    request = Request(router)
    actor = request.actor
    return answer(evses.set_policy(request.ctx, actor, request.issuer_of(actor), request.read(Policy)))


# ---- accounts ------------------------------------------------------------------------------------------------------
@router.post("/payout-accounts/<account_id>")
def create_account(account_id: str) -> Response[PayoutAccount]:
    """Open a payout account."""
    request = Request(router)
    actor = request.actor
    body = request.read(AccountBody)
    made = evses.create_account(request.ctx, actor, request.issuer_of(actor), account_id, body.name, body.terms)
    return answer(made, HTTPStatus.CREATED)


@router.put("/payout-accounts/<account_id>")
def propose_change(account_id: str) -> Response[Proposal]:
    """Ask for new terms of the account that If-Match names by its ETag (or ``*``); another person approves them."""
    request = Request(router)
    actor = request.actor
    terms, if_match = request.read(AccountTerms), request.require_match(known=True)
    issuer_id = request.issuer_of(actor)
    made = evses.propose_change(request.ctx, actor, issuer_id, account_id, terms, if_match=if_match)
    return answer(_masked(made), HTTPStatus.ACCEPTED)


@router.get("/payout-accounts")
def list_accounts() -> Response[Items[PayoutAccount]]:
    """The payout accounts the caller may see."""
    request = Request(router)
    actor = request.actor
    return answer({"items": evses.accounts(request.ctx, actor, request.issuer_of(actor))})


@router.get("/payout-accounts/<account_id>")
def get_account(account_id: str) -> Response[AccountTold | KnownAccount]:
    """An account with its versions and the change that waits; IBANs are masked.

    ``as_of``: what it was at an instant, ``known_at``: by what was recorded until then. One alone means both.
    """
    request = Request(router)
    actor = request.actor
    if at := moments(request.query("as_of"), request.query("known_at")):
        found = evses.account_at(request.ctx, actor, request.issuer_of(actor), account_id, *at)
        masked = [_masked(version) for version in found.versions]
        return answer({**found.dump(), "in_force": _masked(found.in_force), "versions": masked})
    head, versions, waiting = evses.account(request.ctx, actor, request.issuer_of(actor), account_id)
    shown = [_masked(version) for version in versions]
    told = {"account": head, "versions": shown, "waiting": _masked(waiting) if waiting else None}
    return answer(told, etag=head.changed)


@router.post("/payout-accounts/<account_id>/approve")
def approve_account(account_id: str) -> Response[PayoutAccount]:
    """A second person approves the change that was looked at, or the bank details of a new account."""
    request = Request(router)
    actor = request.actor
    seen = _instant(request.read(ApproveBody).asked_at_utc, "asked_at_utc")
    return answer(evses.approve_account(request.ctx, actor, request.issuer_of(actor), account_id, seen=seen))


@router.post("/payout-accounts/<account_id>/refuse")
def refuse_change(account_id: str) -> Response[AccountId]:
    """Take a waiting change away."""
    request = Request(router)
    actor = request.actor
    evses.refuse_change(request.ctx, actor, request.issuer_of(actor), account_id)
    return answer({"account_id": account_id})


@router.post("/payout-accounts/<account_id>/deactivate")
def deactivate_account(account_id: str) -> Response[PayoutAccount]:
    """Close an account, in the state that If-Match names where it does: its EVSEs read as unassigned at once."""
    request = Request(router)
    actor = request.actor
    unpaid, if_match = request.read(DeactivateBody).unpaid, request.if_match
    issuer_id = request.issuer_of(actor)
    return answer(evses.deactivate_account(request.ctx, actor, issuer_id, account_id, unpaid, if_match=if_match))


@router.post("/payout-accounts/<account_id>/reactivate")
def reactivate_account(account_id: str) -> Response[PayoutAccount]:
    """Open an account again; its bank details cool off anew."""
    request = Request(router)
    actor = request.actor
    return answer(evses.reactivate_account(request.ctx, actor, request.issuer_of(actor), account_id))


# ---- inside --------------------------------------------------------------------------------------------------------
def _masked(row: AccountVersion | Proposal) -> dict[str, object]:
    """What is shown of terms: the IBAN by its country and last four."""
    shown = row.dump()
    if row.terms.iban:
        shown["terms"]["iban"] = iban.mask(row.terms.iban)
    return shown


def _filters(request: Request) -> Filters:
    """The seven filters out of the query, so that a list can be kept as an address."""
    named = {name: request.query(name) for name in Filters.model_fields}
    values: dict[str, object] = {name: value for name, value in named.items() if value}
    for name in ("output_min_kw", "output_max_kw"):
        if name in values:
            values[name] = _number(str(values[name]), name)
    return parse(Filters, values)


def _number(text: str, field: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation as error:
        raise InvalidInput(f"{field} is no number", field=field) from error
    if not value.is_finite() or abs(value) >= 10**6:
        raise InvalidInput(f"{field} is no number of kW", field=field)
    return value


def _limit(request: Request) -> int:
    text = request.query("limit", "100") or "100"
    if not text.isascii() or not text.isdigit() or len(text) > 4:
        raise InvalidInput("the limit is a number", field="limit")
    return int(text)


def _instant(text: str | None, field: str) -> datetime | None:
    return parse_instant(text, field=field) if text else None
