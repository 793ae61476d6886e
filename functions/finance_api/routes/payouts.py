"""Payouts and payment batches."""

from __future__ import annotations

from datetime import date
from http import HTTPStatus
from typing import TYPE_CHECKING

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter
from pydantic import BaseModel, ConfigDict, Field

from functions.finance_api.http import Request, answer
from functions.finance_api.pages import asked, cursor_of, paged
from roamclear.kernel.ids import iban
from roamclear.kernel.time import parse_instant
from roamclear.payouts import service as payouts
from roamclear.payouts.model import Batch

if TYPE_CHECKING:
    from functions.finance_api.answers import Download, Items, Paged, PayoutFiles, PayoutTold
    from roamclear.payouts.model import Payout

router = APIGatewayHttpRouter()
_LINK_SECONDS = 3600


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class CloseBody(_Body):
    """Up to when shares are stated (RFC 3339; now when absent)."""

    until: str | None = None


class BatchBody(_Body):
    """The day on which the bank executes: a TARGET business day."""

    execution_date: date


class ApproveBody(_Body):
    """The hash of the batch that was shown."""

    digest: str = Field(pattern=r"^[0-9a-f]{64}$")


class ReasonBody(_Body):
    """Why."""

    reason: str = Field(min_length=3, max_length=200)


# ---- payouts -------------------------------------------------------------------------------------------------------
@router.post("/payouts:close")
def close_cycle() -> Response[Items[Payout]]:
    """Make the statements of everything that was accrued; again makes none twice."""
    request = Request(router)
    actor = request.actor
    until = request.read(CloseBody).until
    instant = parse_instant(until, field="until") if until else request.ctx.now()
    return answer({"items": payouts.close_cycle(request.ctx, actor, request.issuer_of(actor), instant)})


@router.get("/payouts")
def list_payouts() -> Response[Paged[Payout]]:
    """The payouts the caller may see, oldest first, in pages; ``account`` names one account."""
    request = Request(router)
    actor = request.actor
    account = request.query("account")
    found = payouts.payouts_page(request.ctx, actor, request.issuer_of(actor), asked(request), account)
    return answer(paged(request, found))


@router.get("/payouts/<payout_id>")
def get_payout(payout_id: str) -> Response[PayoutTold]:
    """A payout with its sessions, in pages."""
    request = Request(router)
    actor = request.actor
    found = payouts.payout_for(request.ctx, actor, request.issuer_of(actor), payout_id)
    lines = payouts.lines_page(request.ctx, found, asked(request))
    return answer({"payout": found, "sessions": lines.items, "next": cursor_of(request, lines.next)})


@router.get("/payouts/<payout_id>/files")
def payout_files(payout_id: str) -> Response[PayoutFiles]:
    """Signed addresses (one hour) of the statement and the self-billed document."""
    request = Request(router)
    actor = request.actor
    found = payouts.payout_for(request.ctx, actor, request.issuer_of(actor), payout_id)
    links = {
        name: request.ctx.objects.link("documents", key, seconds=_LINK_SECONDS, filename=name)
        for name, key in payouts.files(found).items()
    }
    return answer({"files": links})


@router.post("/payouts/<payout_id>/release")
def release_payout(payout_id: str) -> Response[Payout]:
    """Let a returned payout be paid again."""
    request = Request(router)
    actor = request.actor
    return answer(payouts.release_returned(request.ctx, actor, request.issuer_of(actor), payout_id))


# ---- batches -------------------------------------------------------------------------------------------------------
@router.post("/batches")
def make_batch() -> Response[Batch]:
    """Collect what may be paid now; another person approves it."""
    request = Request(router)
    actor = request.actor
    body = request.read(BatchBody)
    made = payouts.make_batch(request.ctx, actor, request.issuer_of(actor), body.execution_date)
    return answer(_masked(made), HTTPStatus.CREATED)


@router.get("/batches")
def list_batches() -> Response[Paged[Batch]]:
    """All batches, oldest first, in pages."""
    request = Request(router)
    actor = request.actor
    found = payouts.batches_page(request.ctx, actor, request.issuer_of(actor), asked(request))
    return answer(paged(request, found.of([_masked(batch) for batch in found.items])))


@router.get("/batches/<batch_id>")
def get_batch(batch_id: str) -> Response[Batch]:
    """A batch with its transfers and its hash."""
    request = Request(router)
    actor = request.actor
    return answer(_masked(payouts.batch(request.ctx, actor, request.issuer_of(actor), batch_id)))


@router.post("/batches/<batch_id>/approve")
def approve_batch(batch_id: str) -> Response[Batch]:
    """Approve exactly the batch that was shown; its file is written by the export function."""
    request = Request(router)
    actor = request.actor
    digest = request.read(ApproveBody).digest
    return answer(_masked(payouts.approve_batch(request.ctx, actor, request.issuer_of(actor), batch_id, digest)))


@router.post("/batches/<batch_id>/cancel")
def cancel_batch(batch_id: str) -> Response[Batch]:
    """Take a batch back before its export."""
    request = Request(router)
    actor = request.actor
    reason = request.read(ReasonBody).reason
    return answer(_masked(payouts.cancel_batch(request.ctx, actor, request.issuer_of(actor), batch_id, reason)))


@router.post("/batches/<batch_id>/reject")
def reject_batch(batch_id: str) -> Response[Batch]:
    """The bank refused the whole batch; ``reason`` says what proves that nothing was booked."""
    request = Request(router)
    actor = request.actor
    reason = request.read(ReasonBody).reason
    return answer(_masked(payouts.reject_batch(request.ctx, actor, request.issuer_of(actor), batch_id, reason)))


@router.post("/batches/<batch_id>/download")
def download_batch(batch_id: str) -> Response[Download]:
    """A signed address (one hour) of the payment file; COPY stands in the name from the second time on."""
    request = Request(router)
    actor = request.actor
    made = payouts.copy_of(request.ctx, actor, request.issuer_of(actor), batch_id)
    link = request.ctx.objects.link("exports", made.file_key, seconds=_LINK_SECONDS, filename=made.file_name)
    return answer({"file_name": made.file_name, "sha256": made.sha256, "url": link})


def _masked(batch: Batch) -> dict[str, object]:
    """A batch as it is shown: IBANs by country and last four."""
    shown = batch.dump()
    shown["debtor_iban"] = iban.mask(batch.debtor_iban)
    for item, kept in zip(shown["items"], batch.items, strict=True):
        item["iban"] = iban.mask(kept.iban)
    return shown
