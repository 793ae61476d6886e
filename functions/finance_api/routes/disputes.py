"""Disputes: filed by the eMSP, talked over by both sides, answered by the CPO."""

from __future__ import annotations

from dataclasses import asdict
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter
from pydantic import BaseModel, ConfigDict, Field

from functions.finance_api.http import Request, answer, parse
from roamclear.disputes import service as disputes
from roamclear.disputes.model import Answer, Claim, Dispute, Query
from roamclear.kernel.context import UploadForm
from roamclear.kernel.errors import InvalidInput
from roamclear.kernel.money import Money
from roamclear.kernel.time import parse_instant

if TYPE_CHECKING:
    from functions.finance_api.answers import (
        DisputeExport,
        DisputesTold,
        DisputeTold,
        DisputeView,
        FileBegun,
        FileLink,
        Items,
        ListBegun,
        ListTold,
    )
    from roamclear.disputes.model import Entry, Limit, Outcome

router = APIGatewayHttpRouter()
_FORBID = ConfigDict(extra="forbid")


class AnswerBody(BaseModel):
    """The CPO's answer; ``accepted`` below the claim makes it PARTIAL."""

    model_config = _FORBID

    outcome: str = Field(pattern=r"^(ACCEPTED|PARTIAL|REJECTED)$")
    accepted: Money | None = None
    answer: str = Field("", max_length=4000)


class AnswersBody(BaseModel):
    """Answers to several disputes."""

    model_config = _FORBID

    items: list[Answer] = Field(min_length=1, max_length=100)


class RowsBody(BaseModel):
    """Claims of a list; each is judged by itself."""

    model_config = _FORBID

    rows: list[dict[str, Any]] = Field(min_length=1, max_length=disputes.MAX_ROWS)


class NumbersBody(BaseModel):
    """Several disputes."""

    model_config = _FORBID

    dispute_ids: list[str] = Field(min_length=1, max_length=100)


class TextBody(BaseModel):
    """A word of the thread."""

    model_config = _FORBID

    text: str = Field(min_length=1, max_length=4000)


class EscalationBody(TextBody):
    """Why a rejection is escalated, and the commercial contacts of the eMSP."""

    contacts: list[str] = Field(min_length=1, max_length=5)


class FileBody(BaseModel):
    """A file that will be posted."""

    model_config = _FORBID

    name: str = Field(min_length=3, max_length=100)


class LimitBody(BaseModel):
    """Up to which claimed amount a dispute agent decides."""

    model_config = _FORBID

    amount: Money
    contract_id: str | None = None


@router.post("/disputes")
def post_dispute() -> Response[DisputeTold]:
    """File a dispute within the window; a session has at most one, so a repeat is the same."""
    request = Request(router)
    actor = request.actor
    claim, key = request.read(Claim), request.header("Idempotency-Key")
    made = disputes.file(request.ctx, actor, request.issuer_of(actor), claim, key=key)
    return answer(_told(request, made), HTTPStatus.CREATED)


@router.post("/disputes/bulk")
def post_disputes() -> Response[Items[Outcome]]:
    """File up to 500 disputes; each row has its own result."""
    request = Request(router)
    actor = request.actor
    rows = request.read(RowsBody).rows
    return answer({"items": disputes.create_rows(request.ctx, actor, request.issuer_of(actor), rows)})


@router.get("/disputes")
def list_disputes() -> Response[DisputesTold]:
    """The queue: by contract, partner, state, reason, age, deadline, amount, assignee; in pages."""
    request = Request(router)
    actor = request.actor
    names = ("contract", "partner", "state", "reason", "assignee", "after")
    asked: dict[str, Any] = {name: value for name in names if (value := request.query(name)) is not None}
    for name in ("min_claimed_minor", "limit"):
        if (text := request.query(name)) is not None:
            asked[name] = _whole(name, text)
    for name in ("due_before_utc", "filed_before_utc"):
        if (text := request.query(name)) is not None:
            asked[name] = parse_instant(text, field=name)
    if (cursor := request.query("cursor")) is not None:
        asked["after"] = cursor
    asked["waiting"] = request.query("waiting") == "true"
    found, after = disputes.queue(request.ctx, actor, request.issuer_of(actor), parse(Query, asked))
    return answer({"items": [_told(request, one) for one in found], "after": after, "next": after})


@router.post("/disputes/review")
def post_reviews() -> Response[Items[Outcome]]:
    """The CPO takes several disputes in hand."""
    request = Request(router)
    actor = request.actor
    numbers = list(dict.fromkeys(request.read(NumbersBody).dispute_ids))
    return answer({"items": disputes.review_many(request.ctx, actor, request.issuer_of(actor), numbers)})


@router.post("/disputes/answers")
def post_answers() -> Response[Items[Outcome]]:
    """The CPO answers several disputes; each has its own result."""
    request = Request(router)
    actor = request.actor
    items = request.read(AnswersBody).items
    return answer({"items": disputes.answer_many(request.ctx, actor, request.issuer_of(actor), items)})


@router.post("/disputes/lists")
def post_list() -> Response[ListBegun]:
    """Announce a sheet of disputes; the answer holds the form to post it with."""
    request = Request(router)
    actor = request.actor
    made, form = disputes.announce_list(request.ctx, actor, request.issuer_of(actor))
    return answer({"list": made, "form": _form(form)}, HTTPStatus.CREATED)


@router.get("/disputes/lists/<list_id>")
def get_list(list_id: str) -> Response[ListTold]:
    """What became of a sheet, with the address of the result per row."""
    request = Request(router)
    actor = request.actor
    return answer(disputes.list_result(request.ctx, actor, request.issuer_of(actor), list_id))


@router.get("/disputes/limits")
def get_limits() -> Response[Items[Limit]]:
    """Up to which amounts dispute agents decide."""
    request = Request(router)
    actor = request.actor
    return answer({"items": disputes.limits(request.ctx, actor, request.issuer_of(actor))})


@router.put("/disputes/limits")
def put_limit() -> Response[Limit]:
    """An approver sets a limit, of one contract or of all."""
    request = Request(router)
    actor = request.actor
    body = request.read(LimitBody)
    return answer(disputes.set_limit(request.ctx, actor, request.issuer_of(actor), body.amount, body.contract_id))


@router.get("/disputes/<dispute_id>")
def get_dispute(dispute_id: str) -> Response[DisputeTold]:
    """One dispute with its clocks."""
    request = Request(router)
    actor = request.actor
    return answer(_told(request, disputes.dispute(request.ctx, actor, request.issuer_of(actor), dispute_id)))


@router.get("/disputes/<dispute_id>/view")
def get_view(dispute_id: str) -> Response[DisputeView]:
    """The dispute side by side with its CDR, prices, thread and evidence."""
    request = Request(router)
    actor = request.actor
    issuer_id = request.issuer_of(actor)
    found = disputes.side_by_side(request.ctx, actor, issuer_id, dispute_id)
    return answer(found, without=request.withheld(actor, issuer_id))


@router.get("/disputes/<dispute_id>/export")
def get_export(dispute_id: str) -> Response[DisputeExport]:
    """The dispute as a file: the view and its history."""
    request = Request(router)
    actor = request.actor
    issuer_id = request.issuer_of(actor)
    found = disputes.export(request.ctx, actor, issuer_id, dispute_id)
    return answer(found, without=request.withheld(actor, issuer_id))


@router.post("/disputes/<dispute_id>/review")
def post_review(dispute_id: str) -> Response[DisputeTold]:
    """The CPO takes a dispute in hand."""
    request = Request(router)
    actor = request.actor
    return answer(_told(request, disputes.review(request.ctx, actor, request.issuer_of(actor), dispute_id)))


@router.post("/disputes/<dispute_id>/info-request")
def post_info_request(dispute_id: str) -> Response[DisputeTold]:
    """The CPO asks; the eMSP has five working days."""
    request = Request(router)
    actor = request.actor
    text = request.read(TextBody).text
    made = disputes.request_info(request.ctx, actor, request.issuer_of(actor), dispute_id, text=text)
    return answer(_told(request, made))


@router.post("/disputes/<dispute_id>/info")
def post_info(dispute_id: str) -> Response[DisputeTold]:
    """The eMSP answers what was asked."""
    request = Request(router)
    actor = request.actor
    text = request.read(TextBody).text
    made = disputes.give_info(request.ctx, actor, request.issuer_of(actor), dispute_id, text=text)
    return answer(_told(request, made))


@router.post("/disputes/<dispute_id>/comments")
def post_comment(dispute_id: str) -> Response[Entry]:
    """A word of either side; it is never changed."""
    request = Request(router)
    actor = request.actor
    text, key = request.read(TextBody).text, request.header("Idempotency-Key")
    made = disputes.comment(request.ctx, actor, request.issuer_of(actor), dispute_id, text=text, key=key)
    return answer(made, HTTPStatus.CREATED)


@router.post("/disputes/<dispute_id>/files")
def post_file(dispute_id: str) -> Response[FileBegun]:
    """Announce a file of evidence; the answer holds the form to post it with."""
    request = Request(router)
    actor = request.actor
    name = request.read(FileBody).name
    made, form = disputes.announce_file(request.ctx, actor, request.issuer_of(actor), dispute_id, name=name)
    return answer({"file": made, "form": _form(form)}, HTTPStatus.CREATED)


@router.get("/disputes/<dispute_id>/files/<number>")
def get_file(dispute_id: str, number: str) -> Response[FileLink]:
    """A signed address that saves a file of evidence."""
    request = Request(router)
    actor = request.actor
    place = _whole("number", number)
    return answer(disputes.file_link(request.ctx, actor, request.issuer_of(actor), dispute_id, place))


@router.post("/disputes/<dispute_id>/answer")
def post_answer(dispute_id: str) -> Response[DisputeTold]:
    """The CPO accepts all or a part, or rejects with a reason."""
    request = Request(router)
    actor = request.actor
    given = Answer(dispute_id=dispute_id, **request.read(AnswerBody).model_dump())
    return answer(_told(request, disputes.answer(request.ctx, actor, request.issuer_of(actor), given)))


@router.post("/disputes/<dispute_id>/escalate")
def post_escalation(dispute_id: str) -> Response[DisputeTold]:
    """The eMSP takes a rejection to commercial contacts, once."""
    request = Request(router)
    actor = request.actor
    body, issuer_id = request.read(EscalationBody), request.issuer_of(actor)
    contacts = tuple(body.contacts)
    made = disputes.escalate(request.ctx, actor, issuer_id, dispute_id, contacts=contacts, text=body.text)
    return answer(_told(request, made))


@router.post("/disputes/<dispute_id>/withdraw")
def post_withdraw(dispute_id: str) -> Response[DisputeTold]:
    """The eMSP takes its dispute back."""
    request = Request(router)
    actor = request.actor
    return answer(_told(request, disputes.withdraw(request.ctx, actor, request.issuer_of(actor), dispute_id)))


def _told(request: Request, made: Dispute) -> dict[str, Any]:
    return made.dump() | {"clocks": disputes.clocks(made, request.ctx.now())}


def _form(form: UploadForm) -> dict[str, Any]:
    return asdict(form)


def _whole(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 15:
        raise InvalidInput(f"{name} is a whole number", field=name)
    return int(text)
