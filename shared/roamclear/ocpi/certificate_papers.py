"""Certificates as paper; stands beside ``certificates`` because it loads document libraries."""

from __future__ import annotations

from pathlib import Path

from roamclear.billing.papers import branding, seller
from roamclear.documents import service as documents
from roamclear.documents.certificate import CertificatePaper
from roamclear.identity import service as identity
from roamclear.kernel.context import Context
from roamclear.kernel.errors import Unavailable
from roamclear.kernel.ids import party as party_ids
from roamclear.ocpi import store
from roamclear.ocpi.model import Certificate
from roamclear.retention import service as retention


def draw_due(ctx: Context, *, only: str | None = None) -> list[str]:
    """Draw every certificate that has no paper yet; returns their ids. Equal content gives equal bytes.

    Raises:
        Unavailable: some could not be drawn; the others are, and the next call tries again.
    """
    drawn: list[str] = []
    failed: list[str] = []
    last: Exception | None = None
    for issuer_id in [only] if only else identity.issuer_ids(ctx):
        for known in store.certificates(ctx.db, issuer_id):
            if known.pdf_key is not None:
                continue
            try:
                _draw(ctx, known)
                drawn.append(known.certificate_id)
            except Exception as error:
                failed.append(known.certificate_id)
                last = error
    if failed:
        raise Unavailable("some certificates were not drawn", certificates=failed[:10]) from last
    return drawn


def _draw(ctx: Context, known: Certificate) -> None:
    issuer = identity.issuer(ctx, known.issuer_id)
    paper = CertificatePaper(
        number=known.certificate_id,
        holder=f"{party_ids.format(known.party)} ({known.partner_id})",
        ocpi_version=known.ocpi_version,
        issued_at_utc=known.issued_at_utc,
        rule_set=known.rule_set,
        rules=known.rules,
        sha256=known.sha256,
        issuer=seller(issuer),
        branding=branding(issuer),
    )
    pdf = documents.render_certificate(paper, Path(ctx.fonts_dir))
    key = f"{known.issuer_id}/certificates/{known.certificate_id}.pdf"
    retention.put(ctx, known.issuer_id, "documents", key, pdf, "application/pdf")
    ctx.db.write(store.certificate_drawn(known, key))
