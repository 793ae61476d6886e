"""Runs, their members, documents and signed links to their files."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter
from pydantic import BaseModel, ConfigDict, Field

from functions.finance_api.http import Request, answer
from functions.finance_api.pages import asked, cursor_of, paged
from roamclear.billing import drafts, early, reminders, self_billing, slices
from roamclear.billing import lock_file as locks
from roamclear.billing import service as billing
from roamclear.billing.lists import service as lists
from roamclear.billing.model import Document, Recipient
from roamclear.deliveries import service as deliveries
from roamclear.kernel.errors import InvalidInput, NotFound
from roamclear.kernel.time import format_instant, parse_instant
from roamclear.packages import exporting, resend
from roamclear.rehearsal import service as rehearsal

if TYPE_CHECKING:
    from functions.finance_api.answers import DocumentTold, Items, Members, Paged, RehearsalHead, RunFiles, SentTold
    from roamclear.billing.lock_file import LockFile
    from roamclear.billing.model import Run
    from roamclear.packages.model import CopyRequest
    from roamclear.rehearsal.model import DraftView

router = APIGatewayHttpRouter()
#: A link of the console lives an hour (product.md row 64).
_LINK_SECONDS = 3600


@router.get("/runs")
def list_runs() -> Response[Paged[Run]]:
    """All runs by the end of their period; ``limit`` and ``cursor`` page it."""
    request = Request(router)
    actor = request.actor
    issuer_id = request.issuer_of(actor)
    found = lists.runs(request.ctx, actor, issuer_id, asked(request))
    return answer(paged(request, found), without=request.withheld(actor, issuer_id))


@router.get("/runs/<run_id>")
def get_run(run_id: str) -> Response[Run]:
    """One run."""
    request = Request(router)
    actor = request.actor
    issuer_id = request.issuer_of(actor)
    found = billing.run_for(request.ctx, actor, issuer_id, run_id)
    return answer(found, without=request.withheld(actor, issuer_id))


@router.get("/runs/<run_id>/sessions")
def get_members(run_id: str) -> Response[Members]:
    """The sessions of a run now and the fees they would be charged, and those that left it, with the reason.

    ``limit`` and ``cursor`` page the sessions; what left and the fees stand on the first page.
    """
    request = Request(router)
    actor = request.actor
    issuer_id = request.issuer_of(actor)
    run = billing.run_for(request.ctx, actor, issuer_id, run_id)
    page = asked(request)
    found, last = slices.members_after(request.ctx, run, page.after, page.limit)
    members = [s.dump() | {"billing": billing.effective(s, run).value, "section": section} for s, section in found]
    # The eMSP that reads its open list has reviewed it: it is not reminded (product.md row 45).
    reminders.read_by(request.ctx, actor, run)
    told: dict[str, Any] = {"run": run, "items": members, "next": cursor_of(request, last)}
    if not page.after:
        told |= {"left": list(billing.left(request.ctx, run)), "fees": billing.fees_now(request.ctx, run)}
    return answer(told, without=request.withheld(actor, issuer_id))


@router.get("/runs/<run_id>/export")
def export_run(run_id: str) -> Response[RunFiles]:
    """The list of a run as a file; 202 while it is drawn: ask again, with the ``as_of`` of the answer or without."""
    request = Request(router)
    actor = request.actor
    kind, named = request.query("format", ""), request.query("as_of")
    as_of = parse_instant(named, field="as_of") if named is not None else None
    found = exporting.export(request.ctx, actor, request.issuer_of(actor), run_id, kind=str(kind), as_of=as_of)
    files = [{"name": name, "link": link} for name, link in found.files]
    told = {"files": files, "as_of": format_instant(found.as_of) if found.as_of else None}
    return answer(told, HTTPStatus.OK if files else HTTPStatus.ACCEPTED)


@router.get("/runs/<run_id>/lock")
def get_lock(run_id: str) -> Response[LockFile]:
    """The manifest of a locked run, to be checked by ``roamclear verify-lock`` or at ``/console/verify``."""
    request = Request(router)
    actor = request.actor
    return answer(locks.lock_file(request.ctx, actor, request.issuer_of(actor), run_id))


@router.post("/runs/<run_id>/rehearse")
def rehearse_run(run_id: str) -> Response[RehearsalHead]:
    """Rehearse a run: its pro-forma or its drafts are at ``GET /rehearsals/{id}`` a moment later."""
    request = Request(router)
    actor = request.actor
    known = rehearsal.rehearse_run(request.ctx, actor, request.issuer_of(actor), run_id)
    rehearsal.wake(request.ctx, known)
    return answer(known, HTTPStatus.ACCEPTED, without=frozenset({"folder"}))


@router.post("/runs/<run_id>/review")
def review_run(run_id: str) -> Response[Run]:
    """The eMSP says that it reviewed its open window."""
    request = Request(router)
    actor = request.actor
    issuer_id = request.issuer_of(actor)
    found = reminders.reviewed(request.ctx, actor, issuer_id, run_id, "SAID")
    return answer(found, without=request.withheld(actor, issuer_id))


@router.post("/runs/<run_id>/accept")
def accept_run(run_id: str) -> Response[Run]:
    """The eMSP accepts all of its list and closes its window now, where the contract allows it; it is final."""
    request = Request(router)
    actor = request.actor
    issuer_id = request.issuer_of(actor)
    made = early.accept_all(request.ctx, actor, issuer_id, run_id)
    return answer(made, without=request.withheld(actor, issuer_id))


@router.get("/runs/<run_id>/draft")
def get_draft(run_id: str) -> Response[DraftView]:
    """What would be approved now: to whom it goes, the hash of all it says, and the rehearsal that drew it."""
    request = Request(router)
    actor = request.actor
    return answer(rehearsal.draft_of(request.ctx, actor, request.issuer_of(actor), run_id))


@router.put("/runs/<run_id>/recipient")
def put_recipient(run_id: str) -> Response[Run]:
    """Say to whom the documents of a run that waits for approval go; the contract stays as it is."""
    request = Request(router)
    actor = request.actor
    wanted = request.read(Recipient)
    return answer(drafts.address_to(request.ctx, actor, request.issuer_of(actor), run_id, wanted))


class ApprovalBody(BaseModel):
    """The draft that was looked at, by its ``content_hash``; another one is 412."""

    model_config = ConfigDict(extra="forbid")

    content_hash: str = Field(pattern=r"^[0-9a-f]{64}$")


@router.post("/runs/<run_id>/approve")
def approve_run(run_id: str) -> Response[Run]:
    """Let a run that waits for approval go on to exactly the documents that were looked at."""
    request = Request(router)
    actor = request.actor
    body = request.read(ApprovalBody)
    return answer(billing.approve(request.ctx, actor, request.issuer_of(actor), run_id, body.content_hash))


class NoticeBody(BaseModel):
    """How the eMSP is, or was, told of its window: other contacts, or a statement of other proof."""

    model_config = ConfigDict(extra="forbid")

    contacts: list[str] = Field(default_factory=list, max_length=10)
    proof: str | None = None


@router.post("/runs/<run_id>/notice")
def post_notice(run_id: str) -> Response[Run]:
    """Tell other contacts (the window starts again), or record other proof that the eMSP was told."""
    request = Request(router)
    actor = request.actor
    body = request.read(NoticeBody)
    issuer_id = request.issuer_of(actor)
    if body.proof is not None:
        return answer(billing.record_proof(request.ctx, actor, issuer_id, run_id, body.proof))
    return answer(billing.notify_other(request.ctx, actor, issuer_id, run_id, tuple(body.contacts)))


@router.post("/runs/<run_id>/resume")
def resume_run(run_id: str) -> Response[Run]:
    """Start a run again whose step gave up; what was done stays done."""
    request = Request(router)
    actor = request.actor
    return answer(billing.resume(request.ctx, actor, request.issuer_of(actor), run_id))


@router.get("/invoices")
def list_documents() -> Response[Paged[Document]]:
    """Issued documents in order of issue; ``limit`` and ``cursor`` page it."""
    request = Request(router)
    actor = request.actor
    return answer(paged(request, lists.documents(request.ctx, actor, request.issuer_of(actor), asked(request))))


@router.get("/invoices/<number>")
def get_document(number: str) -> Response[DocumentTold]:
    """A document with signed links to its files."""
    request = Request(router)
    actor = request.actor
    header = billing.document_for(request.ctx, actor, request.issuer_of(actor), number)
    return answer(header.dump() | {"files": _files(request, header)})


def _files(request: Request, header: Document) -> list[dict[str, Any]]:
    found = []
    for key in request.ctx.objects.keys("documents", f"{header.issuer_id}/{header.run_id}/{header.number}"):
        name = key.rsplit("/", 1)[1]
        link = request.ctx.objects.link("documents", key, seconds=_LINK_SECONDS, filename=name)
        found.append({"name": name, "link": link})
    return found


class ResendBody(BaseModel):
    """Who gets a copy: other contacts, or nobody named for those of the contract. One request id is one copy."""

    model_config = ConfigDict(extra="forbid")

    contacts: list[str] = Field(default_factory=list, max_length=10)
    request_id: str = Field("", max_length=64)


@router.post("/invoices/<number>/resend")
def post_resend(number: str) -> Response[CopyRequest]:
    """Have a document drawn as COPY and mailed again within minutes; the original stays as it is."""
    request = Request(router)
    actor = request.actor
    body = request.read(ResendBody)
    issuer_id = request.issuer_of(actor)
    made = resend.ask(request.ctx, actor, issuer_id, number, tuple(body.contacts), body.request_id)
    return answer(made, HTTPStatus.ACCEPTED)


class ObjectionBody(BaseModel):
    """What is wrong with a self-billed document."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(max_length=1000)


@router.post("/invoices/<number>/accept")
def accept_self_billed(number: str) -> Response[Document]:
    """The supplier accepts a document that we drew up in its name; then it is paid."""
    request = Request(router)
    actor = request.actor
    return answer(self_billing.accept(request.ctx, actor, request.issuer_of(actor), number))


@router.post("/invoices/<number>/object")
def object_to_self_billed(number: str) -> Response[Document]:
    """The supplier objects to a document that we drew up in its name; then it is not paid."""
    request = Request(router)
    actor = request.actor
    body = request.read(ObjectionBody)
    return answer(self_billing.object_to(request.ctx, actor, request.issuer_of(actor), number, body.reason))


@router.get("/invoices/<number>/deliveries")
def list_deliveries(number: str) -> Response[Items[SentTold]]:
    """What left of a document and what came back of it, oldest first."""
    request = Request(router)
    actor = request.actor
    header = billing.document_for(request.ctx, actor, request.issuer_of(actor), number)
    found = deliveries.log(request.ctx, header.issuer_id, header.number)
    return answer({"items": found}, without=request.withheld(actor, header.issuer_id) | {"issuer_id", "entry_id"})


@router.get("/document-by-reference")
def find_document() -> Response[Document]:
    """The document of a number or RF reference in any spelling."""
    request = Request(router)
    actor = request.actor
    issuer_id = request.issuer_of(actor)
    text = request.query("text")
    if not text:
        raise InvalidInput("give a number or reference", field="text")
    found = billing.find_document(request.ctx, actor, issuer_id, text)
    if found is None:
        raise NotFound("no document has this number or reference")
    return answer(found)
