"""Statements and self-billed documents as files; stands beside the service because it loads document libraries."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from roamclear.cdrs import service as cdrs
from roamclear.cdrs.model import Session
from roamclear.contracts import service as contracts
from roamclear.documents import service as documents
from roamclear.documents.model import InvoiceDocument
from roamclear.evses import service as evses
from roamclear.identity import logo
from roamclear.identity import service as identity
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionType
from roamclear.kernel import numbers_json
from roamclear.kernel.context import Context
from roamclear.kernel.errors import InvariantBroken, Unavailable
from roamclear.kernel.retry import again_on_race
from roamclear.kernel.writes import Table
from roamclear.payouts import papers, payments, store
from roamclear.payouts.model import Payout
from roamclear.retention import service as retention

_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def render_payout(ctx: Context, issuer_id: str, payout_id: str) -> list[str]:
    """Draw a payout's statement (PDF and XLSX) and its self-billed document (PDF with XML, XML); returns the keys.

    What was drawn once stays: a second call finds it and draws nothing.
    """
    payout = payments.payout(ctx, issuer_id, payout_id)
    folder = f"{issuer_id}/payouts/{payout_id}"
    if payout.statement_key is not None:
        return [payout.statement_key]
    head = evses.account_head(ctx, issuer_id, payout.account_id)
    terms = evses.account_version(ctx, issuer_id, payout.account_id, payout.account_version).terms
    issuer = identity.issuer(ctx, issuer_id)
    shares = payments.lines(ctx, payout)
    places = {
        e: found.location_name
        for e in {s.evse_id for s in shares if s.evse_id}
        if (found := evses.find(ctx, issuer_id, e))
    }
    rows = papers.rows(payout, shares, places)
    waiting = papers.excluded(_waiting(ctx, issuer_id, payout.account_id))
    statement = papers.statement(payout, head, terms, issuer, rows)
    look = statement.branding.with_logo(logo.content(ctx, statement.branding.logo_key))
    statement = statement.model_copy(update={"branding": look})
    pdf = documents.render_statement(statement, rows, waiting, Path(ctx.fonts_dir))
    keys = _self_billed(ctx, payout, folder)
    with tempfile.TemporaryDirectory() as scratch:
        target = Path(scratch) / "statement.xlsx"
        documents.write_statement_xlsx(statement, rows, waiting, target)
        keys.append(_put(ctx, payout, f"{folder}/statement.xlsx", target.read_bytes(), _XLSX))
    keys.append(_put(ctx, payout, f"{folder}/statement.pdf", pdf, "application/pdf"))
    again_on_race(lambda: _flag(ctx, issuer_id, payout_id, keys[-1]), tables=(Table.CLEARING,))
    return keys


def render_due(ctx: Context, issuer_id: str) -> list[str]:
    """Draw every payout that was not drawn yet; returns their ids.

    One that fails is told to the journal and never stops the others; the call then fails at its end, so that the
    alarm of its function goes off, and the next one tries again for ever (rules.md 7).
    """
    drawn: list[str] = []
    failed: list[str] = []
    last: Exception | None = None
    for payout_id in [p.payout_id for p in store.unfinished(ctx.db, issuer_id) if p.statement_key is None]:
        try:
            render_payout(ctx, issuer_id, payout_id)
            drawn.append(payout_id)
        except Exception as error:
            failed.append(payout_id)
            last = error
            journal.raise_once(
                ctx, issuer_id, ExceptionType.RENDER_FAILED, payout_id,
                f"the papers of {payout_id} cannot be drawn ({type(error).__name__}); tried again every hour",
                severity="HIGH", next_action="look at the log of the function that draws",
            )  # fmt: skip
    if failed:
        raise Unavailable("some payouts were not drawn", payouts=failed[:10]) from last
    return drawn


def render_all(ctx: Context, *, only: str | None = None) -> list[str]:
    """``render_due`` for every issuer, or for one."""
    issuers = [only] if only else identity.issuer_ids(ctx)
    return [payout_id for issuer_id in issuers for payout_id in render_due(ctx, issuer_id)]


def _branded(ctx: Context, document: InvoiceDocument) -> InvoiceDocument:
    found = logo.content(ctx, document.branding.logo_key)
    return document.model_copy(update={"branding": document.branding.with_logo(found)})


def _self_billed(ctx: Context, payout: Payout, folder: str) -> list[str]:
    if payout.document_number is None or payout.model_key is None:
        return []
    kept = ctx.objects.get("documents", payout.model_key)
    if kept is None:
        raise InvariantBroken("the model of an issued document is gone", number=payout.document_number)
    model = InvoiceDocument.load(numbers_json.loads(kept))
    xml = documents.write_cii(model)
    pdf = documents.render_invoice(_branded(ctx, model), Path(ctx.fonts_dir), xml=xml)
    name = f"{folder}/{payout.document_number}"
    return [
        _put(ctx, payout, f"{name}.pdf", pdf, "application/pdf"),
        _put(ctx, payout, f"{name}.xml", xml, "application/xml"),
        _put(ctx, payout, f"{name}.ubl.xml", documents.write_ubl(model), "application/xml"),
    ]


def _put(ctx: Context, payout: Payout, key: str, body: bytes, content_type: str) -> str:
    return retention.put(ctx, payout.issuer_id, "documents", key, body, content_type).key


def _waiting(ctx: Context, issuer_id: str, account_id: str) -> Iterator[Session]:
    """Sessions of the account that are on hold: listed, never paid (product.md row 107)."""
    for head in contracts.heads(ctx, issuer_id):
        for session in cdrs.waiting(ctx, issuer_id, head.contract_id):
            if session.account_id == account_id:
                yield session


def _flag(ctx: Context, issuer_id: str, payout_id: str, key: str) -> None:
    known = payments.payout(ctx, issuer_id, payout_id)
    ctx.db.write(store.payout_put(known.model_copy(update={"statement_key": key}), known))
