"""CDRs: the lists Rated / On hold / Not rated, and everything known of one."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter
from pydantic import BaseModel, ConfigDict, Field

from functions.finance_api.http import Request, answer
from functions.finance_api.pages import asked, paged
from roamclear.audit import service as audit
from roamclear.billing import service as billing
from roamclear.cdrs import masking
from roamclear.cdrs import service as cdrs
from roamclear.cdrs.model import Billing, Session
from roamclear.cdrs.pricing import told as told_price
from roamclear.kernel import numbers_json
from roamclear.kernel.errors import Busy, Conflict, InvalidInput, NotFound

if TYPE_CHECKING:
    from functions.finance_api.answers import Consented, Items, Rerated, Sessions, Trace
    from roamclear.cdrs.lists import ListSum

router = APIGatewayHttpRouter()
_LISTS = {
    "rated": Billing.VERIFIED,
    "on_hold": Billing.ON_HOLD,
    "not_rated": Billing.NOT_RATED,
    "out_of_scope": Billing.OUT_OF_SCOPE,
}


def _ref(text: str) -> str:
    """The reference of a CDR as it is kept, from a path in which its asterisk may be escaped."""
    return text.replace("%2A", "*").upper()


@router.get("/cdrs")
def list_cdrs() -> Response[Sessions]:
    """``list`` is rated, on_hold, not_rated or out_of_scope; ``contract`` an id, or - for none; ``route`` narrows it.

    In pages. Out of scope is what stopped before the contract's ``auto_from``.
    """
    request = Request(router)
    actor = request.actor
    name, contract = request.query("list", "rated") or "", request.query("contract", "-")
    if name not in _LISTS:
        raise InvalidInput("the list is rated, on_hold, not_rated or out_of_scope", field="list")
    issuer_id = request.issuer_of(actor)
    of_contract = None if contract == "-" else contract
    route = request.query("route")
    found = cdrs.unbilled_page(request.ctx, actor, issuer_id, _LISTS[name], of_contract, asked(request), route)
    return answer({"list": name, **paged(request, found)}, without=request.withheld(actor, issuer_id))


@router.get("/cdrs/<cdr_ref>/trace")
def get_trace(cdr_ref: str) -> Response[Trace]:
    """The body as it came, the session, its ratings with their traces, its run and what was done to it."""
    request = Request(router)
    actor = request.actor
    issuer_id = request.issuer_of(actor)
    body, session, ratings = cdrs.trace(request.ctx, actor, issuer_id, _ref(cdr_ref))
    run = billing.run(request.ctx, issuer_id, session.run_id) if session and session.run_id else None
    told: dict[str, Any] = {
        "received_at_utc": body.received_at_utc,
        "source": body.source,
        "route": body.route,
        "sha256": body.sha256,
        "raw": masking.body(actor, issuer_id, numbers_json.loads(zlib.decompress(body.raw))),
        "session": session,
        "billing": billing.effective(session, run) if session else "RECEIVED",
        "ticks": _ticks(session),
        "ratings": [told_price(r) for r in ratings],
        "run": run,
        "disputes": audit.history(request.ctx, issuer_id, "DISPUTE", session.dispute_id)
        if session and session.dispute_id
        else [],
    }
    return answer(told, without=request.withheld(actor, issuer_id))


class ReasonBody(BaseModel):
    """Why a person changes something."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(min_length=3, max_length=1000)


class RerateBody(ReasonBody):
    """Which sessions are priced again, and why."""

    cdr_refs: list[str] = Field(min_length=1, max_length=100)


@router.get("/cdrs/summary")
def get_summary() -> Response[Items[ListSum]]:
    """Rated, on hold and not rated: counts and sums per contract, currency and route (``route`` shows one only)."""
    request = Request(router)
    actor = request.actor
    return answer({"items": cdrs.summary(request.ctx, actor, request.issuer_of(actor), request.query("route"))})


@router.post("/cdrs/rerate")
def post_rerate() -> Response[Items[Rerated]]:
    """Price sessions again; each has its own result, so one that is locked does not stop the others."""
    request = Request(router)
    actor = request.actor
    body = request.read(RerateBody)
    issuer_id = request.issuer_of(actor)
    results = []
    for cdr_ref in dict.fromkeys(body.cdr_refs):
        try:
            made = cdrs.rerate(request.ctx, actor, issuer_id, cdr_ref.upper(), body.reason)
            results.append({"cdr_ref": cdr_ref, "code": "OK", "session": made})
        except (NotFound, Conflict, Busy) as error:
            results.append({"cdr_ref": cdr_ref, "code": error.code, "detail": error.message})
    return answer({"items": results})


@router.post("/cdrs/<cdr_ref>/rerate")
def post_rerate_one(cdr_ref: str) -> Response[Session]:
    """Price one session again by the contract version of its start as it reads now."""
    request = Request(router)
    actor = request.actor
    reason = request.read(ReasonBody).reason
    return answer(cdrs.rerate(request.ctx, actor, request.issuer_of(actor), _ref(cdr_ref), reason))


@router.post("/cdrs/<cdr_ref>/invalidate")
def post_invalidate(cdr_ref: str) -> Response[Session]:
    """The CPO withdraws a session from billing."""
    request = Request(router)
    actor = request.actor
    reason = request.read(ReasonBody).reason
    return answer(cdrs.invalidate(request.ctx, actor, request.issuer_of(actor), _ref(cdr_ref), reason))


@router.post("/cdrs/<cdr_ref>/late-consent")
def post_late_consent(cdr_ref: str) -> Response[Consented]:
    """One side agrees that a session after the late limit is billed; with both it joins the next run."""
    request = Request(router)
    actor = request.actor
    reason = request.read(ReasonBody).reason
    issuer_id = request.issuer_of(actor)
    told = cdrs.consent(request.ctx, actor, issuer_id, _ref(cdr_ref), reason)
    return answer(told, without=request.withheld(actor, issuer_id))


def _ticks(session: Any) -> dict[str, bool]:
    """The five ticks of product.md row 11."""
    if session is None:
        return {}
    return {
        "no_rule_open": not session.reasons,
        "one_contract": session.contract_id is not None,
        "rated_with_vat": session.net is not None and session.vat_category is not None,
        "evse_known_and_assigned": session.account_id is not None or session.payout == "PARKED",
        "has_end": session.stop_utc is not None,
    }
