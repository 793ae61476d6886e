"""What goes out and comes back between two steps of a close: copies, and what access points report."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from roamclear.billing import mails
from roamclear.billing import service as billing
from roamclear.documents.cii import write_cii
from roamclear.documents.model import Purpose
from roamclear.documents.pdf import render_invoice
from roamclear.identity import service as identity
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionType
from roamclear.kernel.context import Context
from roamclear.kernel.errors import ConditionFailed, InProgress, Unavailable
from roamclear.links import service as links
from roamclear.mode import service as mode
from roamclear.notify.model import Attachment
from roamclear.packages import access_point, service, store
from roamclear.packages.model import CopyRequest
from roamclear.retention import service as retention


def work(ctx: Context, *, only: str | None = None) -> dict[str, int]:
    """Send the copies that wait and read the status files, of every issuer or of one; how many of each.

    What fails is told to the journal, stops nothing else, and is tried again; the call then fails at its end, so that
    the alarm of its function goes off. A stage in RECOVERY sends nothing; what waits goes on waiting.
    """
    done = {"copies": 0, "taken": 0, "quarantined": 0}
    if mode.recovering(ctx):
        return done
    failed: list[Exception] = []
    for issuer_id in [identity.issuer(ctx, only).issuer_id] if only else identity.issuer_ids(ctx):
        for name, part in _parts(ctx, issuer_id):
            try:
                for what, count in part().items():
                    done[what] += count
            except InProgress:
                continue  # another worker sends it
            except Exception as error:
                failed.append(error)
                journal.raise_once(
                    ctx, issuer_id, ExceptionType.DELIVERY_FAILED, name[:400],
                    f"a delivery failed with {type(error).__name__}; it is tried again", severity="HIGH",
                    next_action="look at the log of deliver_documents",
                )  # fmt: skip
    if failed:
        raise Unavailable("some deliveries failed", count=len(failed)) from failed[-1]
    return done


def _parts(ctx: Context, issuer_id: str) -> Iterator[tuple[str, Callable[[], dict[str, int]]]]:
    for request in store.waiting(ctx.db, issuer_id):
        name = f"{request.number}#COPY#{request.request_id}"
        yield name, partial(send_copy, ctx, request)
    yield "access-point", partial(access_point.read_statuses, ctx, issuer_id)


def send_copy(ctx: Context, request: CopyRequest) -> dict[str, int]:
    """Draw the copy beside the untouched original, mail it once, and close what the first sending left open."""
    header = billing.document(ctx, request.issuer_id, request.number)
    run = billing.run(ctx, request.issuer_id, header.run_id)
    model = billing.document_model(ctx, header)
    pdf = render_invoice(service.branded(ctx, model), Path(ctx.fonts_dir), xml=write_cii(model), purpose=Purpose.COPY)
    name = f"{header.number}-COPY.pdf"
    key = f"{header.issuer_id}/{header.run_id}/copies/{name}"
    key = retention.put(ctx, header.issuer_id, "documents", key, pdf, "application/pdf").key
    link = links.make(ctx, header.issuer_id, "documents", key, name)
    copy = Attachment(name=name, content_type="application/pdf", content=pdf, link=link)
    others = (a for a in service.attachments(ctx, header) if a.content_type != copy.content_type)
    ids = mails.copy_of(ctx, run, header, (copy, *others), request.request_id, request.contacts)
    if not ids:
        raise Unavailable("the mail service did not take a copy", number=header.number)
    sent = request.model_copy(update={"state": "SENT", "sent_at_utc": ctx.now(), "message_ids": ids})
    try:
        ctx.db.transact(store.sent(sent))
    except ConditionFailed:
        return {}  # another worker sent the same mail
    for what in ("BOUNCED", "COMPLAINED", "REFUSED"):
        journal.resolve(
            ctx, header.issuer_id, ExceptionType.DELIVERY_FAILED, f"{header.number}#SENT#{what}",
            by=request.asked_by, reason="a copy was sent",
        )  # fmt: skip
    return {"copies": 1}
