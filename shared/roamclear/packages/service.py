"""Rendering and sending what a run issued: the same run gives the same bytes under the same keys."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from roamclear.billing import mails
from roamclear.billing import service as billing
from roamclear.billing.model import Document, DocumentState, Run
from roamclear.cdrs import service as cdrs
from roamclear.contracts import service as contracts
from roamclear.documents.checks import missing
from roamclear.documents.cii import write_cii
from roamclear.documents.model import InvoiceDocument
from roamclear.documents.pdf import render_invoice
from roamclear.documents.sessions import write_xlsx
from roamclear.identity import service as identity
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionType
from roamclear.kernel.context import Context
from roamclear.kernel.errors import ConditionFailed, InvariantBroken, Unavailable
from roamclear.links import service as links
from roamclear.notify.model import Attachment
from roamclear.packages import rows

_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def proof(ctx: Context) -> Callable[[InvoiceDocument], list[str]]:
    """The checks before a number is taken: every mandatory mention, and one full render with the placeholder."""

    def prove(document: InvoiceDocument) -> list[str]:
        faults = missing(document)
        if not faults:
            render_invoice(document, Path(ctx.fonts_dir), xml=write_cii(document))
        return faults

    return prove


def render_documents(ctx: Context, issuer_id: str, run_id: str) -> list[str]:
    """PDF (with the XML inside) and the XML by itself, per document of a run; returns the keys."""
    run = billing.run(ctx, issuer_id, run_id)
    keys: list[str] = []
    for number in run.numbers:
        header = billing.document(ctx, issuer_id, number)
        model = billing.document_model(ctx, header)
        xml = write_cii(model)
        pdf = render_invoice(model, Path(ctx.fonts_dir), xml=xml)
        keys.append(ctx.objects.put("documents", f"{_folder(header)}.pdf", pdf, "application/pdf").key)
        keys.append(ctx.objects.put("documents", f"{_folder(header)}.xml", xml, "application/xml").key)
    return keys


def render_sessions(ctx: Context, issuer_id: str, run_id: str) -> list[str]:
    """The session list of each document of a run; its sum equals the document's net or nothing is written."""
    run = billing.run(ctx, issuer_id, run_id)
    parts = billing.parts(ctx, run) if run.numbers else []
    return [
        key for number in run.numbers for key in _sessions(ctx, run, billing.document(ctx, issuer_id, number), parts)
    ]


def _sessions(ctx: Context, run: Run, header: Document, parts: list[list[billing.Row]]) -> list[str]:
    issuer = identity.issuer(ctx, run.issuer_id)
    terms = contracts.version(ctx, run.issuer_id, run.contract_id, run.contract_version)
    part = parts[header.place]
    bodies = cdrs.originals(ctx, run.issuer_id, [s.cdr_ref for s, _, _ in part])
    export = rows.head(issuer, terms, run, header, billing.document_model(ctx, header))
    basis = terms.terms.basis.value
    sessions = [
        rows.session_row(s, rating, bodies[s.cdr_ref], basis, section)
        for s, rating, section in part
        if section != "ADJUSTMENT"
    ]
    adjustments = [
        rows.adjustment_row(s, rating, _document_of(ctx, run.issuer_id, s.credit_of))
        for s, rating, section in part
        if section == "ADJUSTMENT"
    ]
    excluded = [rows.excluded_row(s) for s in billing.not_included(ctx, run)] if header.place == 0 else []
    keys = []
    with tempfile.TemporaryDirectory() as folder:
        made = write_xlsx(export, sessions, Path(folder), header.number, adjustments=adjustments, excluded=excluded)
        for piece in made:
            path = Path(piece.path)
            key = f"{header.issuer_id}/{header.run_id}/{path.name}"
            keys.append(ctx.objects.put("documents", key, path.read_bytes(), _XLSX).key)
    return keys


def _document_of(ctx: Context, issuer_id: str, cdr_ref: str | None) -> str:
    original = cdrs.session(ctx, issuer_id, cdr_ref) if cdr_ref else None
    if original is None or original.run_id is None:
        return "-"
    numbers = billing.run(ctx, issuer_id, original.run_id).numbers
    return numbers[0] if numbers else "-"


def send(ctx: Context, issuer_id: str, run_id: str) -> list[str]:
    """Mail each document of a run once: files while they fit, links otherwise; then the document is SENT.

    Raises:
        Unavailable: the mail service did not take a mail; the step runs again.
    """
    run = billing.run(ctx, issuer_id, run_id)
    sent: list[str] = []
    for number in run.numbers:
        header = billing.document(ctx, issuer_id, number)
        ids = mails.package(ctx, run, header, _attachments(ctx, header))
        if not ids:
            raise Unavailable("the mail service did not take a document", number=number)
        sent += ids
        _mark_sent(ctx, header)
    return sent


def _attachments(ctx: Context, header: Document) -> tuple[Attachment, ...]:
    found = []
    for key in ctx.objects.keys("documents", f"{_folder(header)}"):
        if key.endswith((".pdf", ".xlsx")):
            content = ctx.objects.get("documents", key)
            if content is None:
                raise InvariantBroken("a rendered file is gone", key=key)
            name = key.rsplit("/", 1)[1]
            found.append(
                Attachment(
                    name=name,
                    content_type="application/pdf" if key.endswith(".pdf") else _XLSX,
                    content=content,
                    link=links.make(ctx, header.issuer_id, "documents", key, name),
                )
            )
    if not any(a.name.endswith(".pdf") for a in found) or not any(a.name.endswith(".xlsx") for a in found):
        journal.raise_once(
            ctx, header.issuer_id, ExceptionType.RENDER_FAILED, header.number, "a file of a document is not there",
            severity="HIGH", document=header.number,
        )  # fmt: skip
        raise Unavailable("a file of a document is not there yet", number=header.number)
    return tuple(sorted(found, key=lambda a: a.content_type != "application/pdf"))


def _mark_sent(ctx: Context, header: Document) -> None:
    for _ in range(5):
        known = billing.document(ctx, header.issuer_id, header.number)
        if known.sent_at_utc is not None:
            return
        state = DocumentState.SENT if known.state is DocumentState.ISSUED else known.state
        _, write = billing.replace_document(known, state=state, sent_at_utc=ctx.now())
        try:
            ctx.db.write(write)
            return
        except ConditionFailed:
            continue  # a payment came in meanwhile
    raise Unavailable("a document is changed by too many at once", number=header.number)


def _folder(header: Document) -> str:
    return f"{header.issuer_id}/{header.run_id}/{header.number}"
