"""Rendering and sending what a run issued: the same run gives the same bytes under the same keys."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from roamclear.billing import mails
from roamclear.billing import service as billing
from roamclear.billing.model import Document, DocumentState, Run
from roamclear.contracts import service as contracts
from roamclear.documents.checks import missing
from roamclear.documents.cii import write_cii
from roamclear.documents.model import InvoiceDocument
from roamclear.documents.pdf import render_invoice
from roamclear.documents.schema import invoice_problems
from roamclear.documents.ubl import write_ubl
from roamclear.identity import logo
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionType
from roamclear.kernel.context import Context
from roamclear.kernel.errors import ConditionFailed, InvariantBroken, Unavailable
from roamclear.kernel.retry import TimeLeft, always
from roamclear.links import service as links
from roamclear.notify.model import Attachment
from roamclear.packages import access_point, lists, rows
from roamclear.retention import service as retention

#: What a package mail names, in this order: file ending -> content type.
_MAILED = {"pdf": "application/pdf", **lists.FORMATS}
_ATTACHED = {"pdf", "xlsx"}
#: Bytes of a whole mail (rules.md 11).
_MOST_ATTACHED = 9_000_000


def proof(ctx: Context) -> Callable[[InvoiceDocument], list[str]]:
    """The checks before a number is taken: every mandatory mention, the schemas of both e-invoices, one full render."""

    def prove(document: InvoiceDocument) -> list[str]:
        faults = missing(document) or invoice_problems(document, Path(ctx.schemas_dir))
        if not faults:
            render_invoice(branded(ctx, document), Path(ctx.fonts_dir), xml=write_cii(document))
        return faults

    return prove


def branded(ctx: Context, document: InvoiceDocument) -> InvoiceDocument:
    """The document with the bytes of its issuer's logo, for drawing."""
    found = logo.content(ctx, document.branding.logo_key)
    return document.model_copy(update={"branding": document.branding.with_logo(found)})


def render_documents(ctx: Context, issuer_id: str, run_id: str) -> list[str]:
    """PDF with the CII inside, the CII and the UBL (Peppol BIS 3) of each document of a run; returns the keys."""
    run = billing.run(ctx, issuer_id, run_id)
    keys: list[str] = []
    for number in run.numbers:
        header = billing.document(ctx, issuer_id, number)
        model = billing.document_model(ctx, header)
        xml = write_cii(model)
        pdf = render_invoice(branded(ctx, model), Path(ctx.fonts_dir), xml=xml)
        made = {"pdf": (pdf, "application/pdf"), "xml": (xml, "application/xml")}
        made["ubl.xml"] = (write_ubl(model), "application/xml")
        for kind, (body, content_type) in made.items():
            name = f"{_folder(header)}.{kind}"
            keys.append(retention.put(ctx, issuer_id, "documents", name, body, content_type).key)
    return keys


def render_sessions(ctx: Context, issuer_id: str, run_id: str, time_left: TimeLeft = always) -> list[str] | None:
    """The session list of each document of a run as XLSX, CSV and NDJSON; each sums to the document's net or fails.

    Returns the keys; None where the time ran out between two parts, and the next call goes on with the next part.
    """
    run = billing.run(ctx, issuer_id, run_id)
    if not run.numbers:
        return []
    parts = billing.parts_of(ctx, run)
    step = billing.Step(ctx, run, "LISTS")
    kept = step.state() or {"done": [], "list": None}
    done, state = list(kept["done"]), kept["list"]
    for place, number in enumerate(run.numbers[len(done) :]):
        if place and not time_left():
            step.keep({"done": done, "list": None})
            return None
        header = billing.document(ctx, issuer_id, number)
        found = lists.write(
            ctx,
            lists.Target("documents", f"{issuer_id}/{run_id}", number, retention.until(ctx, issuer_id)),
            listing_of(ctx, run, header, parts[header.place]),
            lists.FORMATS,
            state=state,
            aside=step,
            time_left=time_left,
        )
        state = None
        if found.state is not None:
            step.keep({"done": done, "list": found.state})
            return None
        done.append(found.keys)
    step.begin_anew()
    return [key for keys in done for key in keys]


def listing_of(ctx: Context, run: Run, header: Document, part: billing.Part) -> lists.Listing:
    """The session list of a document."""
    terms = contracts.version(ctx, run.issuer_id, run.contract_id, run.contract_version)
    export = rows.head(ctx, terms, run, header, billing.document_model(ctx, header))
    basis = terms.terms.basis.value
    excluded = map(rows.excluded_row, billing.not_included(ctx, run)) if header.place == 0 else ()
    fees = [rows.fee_row(charge) for charge in part.fees]
    return lists.Listing(export, lambda behind: lists.drawn(ctx, run, part.rows, behind, basis), excluded, fees)


def send(ctx: Context, issuer_id: str, run_id: str) -> list[str]:
    """Mail each document of a run once: files while they fit, links otherwise; then the document is SENT.

    Where the contract delivers through an access point, the e-invoice goes there first and the mail is the notice.

    Raises:
        Unavailable: the mail service did not take a mail; the step runs again.
    """
    run = billing.run(ctx, issuer_id, run_id)
    sent: list[str] = []
    for number in run.numbers:
        header = billing.document(ctx, issuer_id, number)
        terms = contracts.terms_at(ctx, issuer_id, run.contract_id, header.issue_date).terms  # decision 0019
        access_point.submit(ctx, terms, header, billing.document_model(ctx, header))
        ids = mails.package(ctx, run, header, attachments(ctx, header))
        if not ids:
            raise Unavailable("the mail service did not take a document", number=number)
        sent += ids
        _mark_sent(ctx, header)
    return sent


def attachments(ctx: Context, header: Document) -> tuple[Attachment, ...]:
    """PDF and XLSX to attach, the PDF first; the CSV and NDJSON twins as links alone (product.md row 62)."""
    found = []
    for key in ctx.objects.keys("documents", f"{_folder(header)}"):
        kind = key.rpartition(".")[2]
        if kind in _MAILED:
            # A file that fits into no mail is not even fetched: its link goes.
            attach = kind in _ATTACHED and (ctx.objects.length("documents", key) or 0) <= _MOST_ATTACHED
            content = ctx.objects.get("documents", key) if attach else b""
            if content is None:
                raise InvariantBroken("a rendered file is gone", key=key)
            name = key.rsplit("/", 1)[1]
            link = links.make(ctx, header.issuer_id, "documents", key, name)
            found.append(
                Attachment(name=name, content_type=_MAILED[kind], content=content, link=link, link_only=not attach)
            )
    if not _ATTACHED.issubset(a.name.rpartition(".")[2] for a in found):
        journal.raise_once(
            ctx, header.issuer_id, ExceptionType.RENDER_FAILED, header.number, "a file of a document is not there",
            severity="HIGH", document=header.number,
        )  # fmt: skip
        raise Unavailable("a file of a document is not there yet", number=header.number)
    return tuple(sorted(found, key=lambda a: list(_MAILED).index(a.name.rpartition(".")[2])))


def _mark_sent(ctx: Context, header: Document) -> None:
    for _ in range(5):
        known = billing.document(ctx, header.issuer_id, header.number)
        if known.sent_at_utc is not None:
            return
        state = DocumentState.SENT if known.state is DocumentState.ISSUED else known.state
        made, write = billing.replace_document(known, state=state, sent_at_utc=ctx.now())
        try:
            ctx.db.transact([write, billing.document_fact(made, ctx.now(), "invoice.sent")])
            return
        except ConditionFailed:
            continue  # a payment came in meanwhile
    raise Unavailable("a document is changed by too many at once", number=header.number)


def _folder(header: Document) -> str:
    return f"{header.issuer_id}/{header.run_id}/{header.number}"
