"""Pricing again what was priced: jobs over a filter of sessions, and versions of past days."""

from __future__ import annotations

from datetime import date
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter
from pydantic import BaseModel, ConfigDict, Field

from functions.finance_api.http import Request, answer, parse
from functions.finance_api.routes.contracts import check_terms
from roamclear.cdrs import backdating
from roamclear.cdrs.jobs import service as jobs
from roamclear.cdrs.selection import Filter
from roamclear.contracts import backdated
from roamclear.contracts.model import Terms
from roamclear.contracts.proposals import Seen
from roamclear.kernel.errors import InvalidInput
from roamclear.kernel.time import parse_instant

if TYPE_CHECKING:
    from functions.finance_api.answers import BackdatedTold, Items, JobTold
    from roamclear.cdrs.impact import Impact
    from roamclear.cdrs.jobs.model import Job
    from roamclear.contracts.proposals import Proposal

router = APIGatewayHttpRouter()
_INSTANTS = ("start_from_utc", "start_until_utc")


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class JobBody(_Body):
    """Which sessions are priced again, and why; ``job_id`` is the caller's, so that it may ask twice."""

    job_id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{2,40}$")
    filter: dict[str, Any]
    reason: str


class PreviewBody(_Body):
    """Which sessions would be priced again."""

    filter: dict[str, Any]


class BackdatedBody(_Body):
    """A version that starts on a past day."""

    contract_id: str
    valid_from: date
    terms: Terms
    reason: str


class SeenBody(_Body):
    """Which preview a person agrees to."""

    as_of_utc: str
    digest: str = Field(pattern=r"^[0-9a-f]{64}$")


class ReasonBody(_Body):
    """Why a proposal is refused."""

    reason: str


# ---- jobs over a filter --------------------------------------------------------------------------------------------
@router.post("/rerate-jobs:preview")
def preview_job() -> Response[Impact]:
    """How many sessions a filter means, their prices before and after, and which are refused for what."""
    request = Request(router)
    actor = request.actor
    wanted = _filter(request.read(PreviewBody).filter)
    return answer(jobs.preview(request.ctx, actor, request.issuer_of(actor), wanted))


@router.post("/rerate-jobs")
def post_job() -> Response[Job]:
    """Price the sessions of a filter again; the work goes on behind the answer."""
    request = Request(router)
    actor = request.actor
    body = request.read(JobBody)
    wanted = _filter(body.filter)
    made = jobs.order(request.ctx, actor, request.issuer_of(actor), body.job_id, wanted, body.reason)
    return answer(made, HTTPStatus.ACCEPTED)


@router.get("/rerate-jobs")
def list_jobs() -> Response[Items[Job]]:
    """Every job, the latest first."""
    request = Request(router)
    actor = request.actor
    return answer({"items": jobs.jobs(request.ctx, actor, request.issuer_of(actor))})


@router.get("/rerate-jobs/<job_id>")
def get_job(job_id: str) -> Response[JobTold]:
    """A job and what it did with each CDR, a page at a time (``cursor``)."""
    request = Request(router)
    actor = request.actor
    after = request.query("cursor") or ""
    found, items, cursor = jobs.job(request.ctx, actor, request.issuer_of(actor), job_id, after=after)
    return answer({"job": found, "items": items, "cursor": cursor})


# ---- versions of past days -----------------------------------------------------------------------------------------
@router.post("/backdated-versions")
def post_backdated() -> Response[Proposal]:
    """Propose a version that starts on a past day; two other persons put it in force."""
    request = Request(router)
    actor = request.actor
    body = request.read(BackdatedBody)
    check_terms(body.terms)
    made = backdated.propose(
        request.ctx,
        actor,
        request.issuer_of(actor),
        body.contract_id,
        valid_from=body.valid_from,
        terms=body.terms,
        reason=body.reason,
    )
    return answer(made, HTTPStatus.CREATED)


@router.get("/backdated-versions/<contract_id>")
def list_backdated(contract_id: str) -> Response[Items[Proposal]]:
    """Every proposal of a contract, the latest first."""
    request = Request(router)
    actor = request.actor
    return answer({"items": backdated.proposals(request.ctx, actor, request.issuer_of(actor), contract_id)})


@router.get("/backdated-versions/<contract_id>/<proposal_id>")
def get_backdated(contract_id: str, proposal_id: str) -> Response[BackdatedTold]:
    """A proposal with its impact (``as_of_utc`` as given, else now), or with its job once it is in force."""
    request = Request(router)
    actor = request.actor
    at = request.query("as_of_utc")
    as_of = parse_instant(at, field="as_of_utc") if at else None
    issuer_id = request.issuer_of(actor)
    found, impact, job = backdating.preview(request.ctx, actor, issuer_id, contract_id, proposal_id, as_of)
    return answer({"proposal": found, "impact": impact, "job": job})


@router.post("/backdated-versions/<contract_id>/<proposal_id>/preview")
def order_preview(contract_id: str, proposal_id: str) -> Response[Job]:
    """Make the preview of very many sessions behind the answer; it is read with ``as_of_utc`` = ``until_utc``."""
    request = Request(router)
    actor = request.actor
    issuer_id = request.issuer_of(actor)
    made = backdating.order_preview(request.ctx, actor, issuer_id, contract_id, proposal_id)
    return answer(made, HTTPStatus.ACCEPTED)


@router.post("/backdated-versions/<contract_id>/<proposal_id>/approve")
def approve_backdated(contract_id: str, proposal_id: str) -> Response[Proposal]:
    """Agree to a proposal as one preview showed it; 409 with a fresh one when sessions changed since."""
    request = Request(router)
    actor = request.actor
    body = request.read(SeenBody)
    seen = Seen(as_of_utc=parse_instant(body.as_of_utc, field="as_of_utc"), digest=body.digest)
    return answer(backdating.approve(request.ctx, actor, request.issuer_of(actor), contract_id, proposal_id, seen))


@router.post("/backdated-versions/<contract_id>/<proposal_id>/reject")
def reject_backdated(contract_id: str, proposal_id: str) -> Response[Proposal]:
    """Refuse a proposal, or withdraw one's own."""
    request = Request(router)
    actor = request.actor
    reason = request.read(ReasonBody).reason
    return answer(backdated.reject(request.ctx, actor, request.issuer_of(actor), contract_id, proposal_id, reason))


def _filter(given: dict[str, Any]) -> Filter:
    """A filter with its instants in RFC 3339; the first fault is named by its field."""
    for name in _INSTANTS:
        if isinstance(given.get(name), str):
            given = given | {name: parse_instant(given[name], field=f"filter.{name}")}
    try:
        return parse(Filter, given)
    except InvalidInput as error:
        raise InvalidInput(error.message, field=f"filter.{error.field}") from error
