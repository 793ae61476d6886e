"""A partner's own list against a run: asked for, looked at, disputed."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter
from pydantic import BaseModel, ConfigDict, Field

from functions.finance_api.http import Request, answer
from roamclear.compare import service as compare
from roamclear.compare.model import Comparison, Match
from roamclear.kernel.errors import InvalidInput

if TYPE_CHECKING:
    from functions.finance_api.answers import ComparisonHead, ComparisonTold, Disputed, Items, Paged, RowTold

router = APIGatewayHttpRouter()
#: Where a result is kept and who asked for it is nobody else's business.
_HIDDEN = frozenset({"folder", "asked_by"})


class DisputeBody(BaseModel):
    """Which classes are disputed, and where a list of more than 200 claims goes on."""

    model_config = ConfigDict(extra="forbid")

    classes: list[Match] = Field(default=[Match.AMOUNT_DIFFERS, Match.MISSING_THERE], min_length=1, max_length=5)
    next: int = Field(0, ge=0, le=100_000)


@router.post("/compare")
def post_comparison() -> Response[ComparisonTold]:
    """Ask for a comparison: a short CSV as text, or the SHA-256 of a file and then the file by the form."""
    request = Request(router)
    actor = request.actor
    known, form = compare.ask(request.ctx, actor, request.issuer_of(actor), request.read(compare.Request))
    told = _told(request, known)
    if form is not None:
        told["upload"] = {"url": form.url, "fields": form.fields, "max_bytes": form.max_bytes}
    return answer(told, HTTPStatus.ACCEPTED if known.state == "WAITING" else HTTPStatus.OK)


@router.get("/compare")
def list_comparisons() -> Response[Items[ComparisonHead]]:
    """The comparisons of a run."""
    request = Request(router)
    actor = request.actor
    run_id = request.query("run")
    if run_id is None:
        raise InvalidInput("name the run", field="run")
    found = compare.comparisons(request.ctx, actor, request.issuer_of(actor), run_id)
    return answer({"items": found}, without=_HIDDEN)


@router.get("/compare/<comparison_id>")
def get_comparison(comparison_id: str) -> Response[ComparisonTold]:
    """One comparison in sums, with links to its result as files."""
    request = Request(router)
    actor = request.actor
    return answer(_told(request, compare.comparison(request.ctx, actor, request.issuer_of(actor), comparison_id)))


@router.get("/compare/<comparison_id>/rows")
def get_rows(comparison_id: str) -> Response[Paged[RowTold]]:
    """One page of the result's rows, of one class or of all; ``next`` is the cursor of the following page."""
    request = Request(router)
    actor = request.actor
    named = request.query("class")
    if named is not None and named not in Match.__members__:
        raise InvalidInput(f"a class is one of {', '.join(Match)}", field="class")
    match = Match(named) if named is not None else None
    found, following = compare.rows(
        request.ctx, actor, request.issuer_of(actor), comparison_id, match=match, cursor=request.query("cursor")
    )
    return answer({"items": found, "next": following})


@router.post("/compare/<comparison_id>/disputes")
def post_disputes(comparison_id: str) -> Response[Disputed]:
    """File the prepared claims of the named classes; ``next`` says where a further request goes on."""
    request = Request(router)
    actor = request.actor
    body = request.read(DisputeBody)
    outcomes, following = compare.dispute(
        request.ctx,
        actor,
        request.issuer_of(actor),
        comparison_id,
        matches=frozenset(body.classes),
        cursor=body.next,
    )
    return answer({"items": outcomes, "next": following})


def _told(request: Request, known: Comparison) -> dict[str, Any]:
    shown = {key: value for key, value in known.dump().items() if key not in _HIDDEN}
    return shown | {"files": compare.links(request.ctx, known)}
