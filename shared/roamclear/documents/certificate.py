"""The certificate of the partner bench as PDF/A: whose, for which OCPI version, and every rule it stands for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from roamclear.documents.canvas import GREY, INK, LEFT, WIDTH, Canvas, Column
from roamclear.documents.invoice_model import Branding, Language, Party
from roamclear.documents.letterhead import Letterhead, draw_first_page, draw_footers, draw_next_page
from roamclear.documents.texts import long_date
from roamclear.kernel.record import Record
from roamclear.kernel.time import format_instant

ROW = 50
_COLUMNS = (Column("Rule", 520), Column("What it asks", WIDTH - 520))
_VALIDITY = (
    "This certificate says that the holder's sandbox passed every rule below. It holds for the named OCPI version as "
    "long as the set of rules is the one named here; when the rules change it is revoked. Whether it still holds is "
    "told by GET /ocpi/{0}/conformance/certificate. The SHA-256 is that of its JSON form."
)


class CertificatePaper(Record):
    """What is drawn; ``rules`` are pairs of a name and what it asks."""

    number: str
    holder: str
    ocpi_version: str
    issued_at_utc: datetime
    rule_set: str
    rules: tuple[tuple[str, str], ...]
    sha256: str
    issuer: Party
    branding: Branding = Branding()


def render_certificate(paper: CertificatePaper, fonts: Path) -> bytes:
    """Draw a certificate as PDF/A-3U; equal input gives equal bytes."""
    with Canvas(paper.branding, fonts, language=Language.EN.value) as canvas:
        return _draw(canvas, paper)


def _draw(canvas: Canvas, paper: CertificatePaper) -> bytes:
    head = Letterhead(
        issuer=paper.issuer,
        recipient=Party(name=paper.holder),
        title="OCPI conformance certificate",
        subtitle=f"OCPI {paper.ocpi_version}: {len(paper.rules)} rules passed",
        badges=(),
        meta=tuple(_meta(paper)),
        language=Language.EN,
    )

    def frame(page: int) -> None:
        draw_first_page(canvas, head) if page == 1 else draw_next_page(canvas, head)

    canvas.frame = frame
    canvas.new_page()
    canvas.pen(9)
    canvas.y = canvas.block(LEFT, canvas.y, WIDTH, _VALIDITY.format(paper.ocpi_version)) + 30
    canvas.head(_COLUMNS)
    for name, text in paper.rules:
        _rule(canvas, name, text)
    canvas.need(100)
    canvas.pen(7, ink=GREY)
    canvas.text(LEFT, canvas.y + 30, WIDTH, 40, canvas.fit(f"SHA-256 {paper.sha256}", WIDTH))
    draw_footers(canvas, head, paper.branding.footer_lines or (paper.issuer.name,))
    return canvas.finish(
        title=f"{head.title} {paper.number}",
        author=paper.issuer.name,
        subject=head.subtitle,
        day=paper.issued_at_utc.date(),
        with_invoice=False,
    )


def _meta(paper: CertificatePaper) -> Iterator[tuple[str, str]]:
    yield "Number", paper.number
    yield "Date", long_date(paper.issued_at_utc.date(), Language.EN)
    yield "Issued at", format_instant(paper.issued_at_utc)
    yield "OCPI version", paper.ocpi_version
    yield "Set of rules", paper.rule_set


def _rule(canvas: Canvas, name: str, text: str) -> None:
    canvas.pen(8, ink=INK)
    lines = canvas.wrap(text, _COLUMNS[1].width - 32)
    if canvas.need(ROW * len(lines)):
        canvas.head(_COLUMNS)
        canvas.pen(8, ink=INK)
    for place, line in enumerate(lines):
        canvas.row(_COLUMNS, [name if place == 0 else "", line], ROW)
