"""What every paper of the house has around its content: bar, logo, sender, address window, meta card, footer.

The window follows DIN 5008 form B: return line and address stand 45 to 90 mm from the top edge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from roamclear.documents.canvas import BOTTOM, GREY, INK, LEFT, PAGE_H, PAGE_W, RIGHT, RULE, WIDTH, Canvas
from roamclear.documents.invoice_model import Language, Party
from roamclear.documents.texts import country_text
from roamclear.documents.words import word

CARD_X = 1180
CARD_W = RIGHT - CARD_X
WINDOW_W = 800


@dataclass(frozen=True, slots=True)
class Letterhead:
    """Who writes to whom, and what the paper is called."""

    issuer: Party
    recipient: Party
    title: str
    subtitle: str
    badges: tuple[str, ...]
    meta: tuple[tuple[str, str], ...]
    language: Language
    watermark: str | None = None


def address_of(party: Party, *, home: str, language: Language) -> list[str]:
    """The lines of an address; the country in capitals where it is not the sender's (Universal Postal Union S42)."""
    town = (
        f"{party.city} {party.postcode or ''}"
        if party.country in ("GB", "IE")
        else f"{party.postcode or ''} {party.city}"
    )
    lines = [*party.address_lines, town.strip()]
    if party.country and party.country != home:
        lines.append(country_text(party.country, language).upper())
    return [line for line in lines if line.strip()]


def draw_first_page(canvas: Canvas, head: Letterhead) -> None:
    """Bar, logo, sender, window, card and title; leaves ``y`` below them."""
    _bar(canvas)
    canvas.logo(LEFT, 150, 700, 200, head.issuer.name)
    _sender(canvas, head)
    _window(canvas, head)
    below = _card(canvas, head)
    _title(canvas, head, max(below + 40, 970))
    _fold_marks(canvas)


def draw_next_page(canvas: Canvas, head: Letterhead) -> None:
    """Bar and a continuation line."""
    _bar(canvas)
    canvas.pen(9, bold=True, ink=canvas.heading)
    canvas.text(LEFT, 120, 1100, 50, canvas.cut(head.title, 1100))
    canvas.pen(8, ink=GREY)
    canvas.text(LEFT + 1110, 120, WIDTH - 1110, 50, word("continued", head.language), "R")
    canvas.rule(LEFT, 180, WIDTH)
    canvas.y = 210


def draw_footers(canvas: Canvas, head: Letterhead, lines: Sequence[str]) -> None:
    """On every page: a rule, the issuer's legal lines, page x of y, and the watermark."""
    pages = len(canvas.pdf.pages)
    for page in range(1, pages + 1):
        canvas.on_page(page)
        top = BOTTOM + 40
        canvas.rule(LEFT, top, WIDTH)
        for place, line in enumerate(lines[:4]):
            canvas.pen(7, ink=GREY)
            canvas.text(LEFT, top + 18 + 34 * place, WIDTH - 300, 34, canvas.fit(line, WIDTH - 300))
        canvas.pen(7, ink=GREY)
        counted = word("page", head.language).format(page=page, pages=pages)
        canvas.text(RIGHT - 290, top + 18, 290, 34, counted, "R")
        if head.watermark:
            canvas.watermark(head.watermark)


def _bar(canvas: Canvas) -> None:
    canvas.box(0, 0, PAGE_W, 50, canvas.primary)
    canvas.box(0, 50, PAGE_W, 10, canvas.accent)


def _fold_marks(canvas: Canvas) -> None:
    for y in (1050, PAGE_H // 2, 2100):
        canvas.rule(0, y, 50 if y != PAGE_H // 2 else 70, RULE)


def _sender(canvas: Canvas, head: Letterhead) -> None:
    issuer, y = head.issuer, 130
    canvas.pen(8, bold=True, ink=canvas.heading)
    y = canvas.block(CARD_X, y, CARD_W, issuer.name, leading=38, most=4)
    canvas.pen(8, ink=GREY)
    contact = [
        *address_of(issuer, home=issuer.country, language=head.language),
        country_text(issuer.country, head.language),
        " · ".join(part for part in (issuer.contact_phone, issuer.contact_email) if part),
        issuer.website or "",
    ]
    for line in contact:
        if line and y < 420:
            y = canvas.block(CARD_X, y, CARD_W, line, leading=36, most=2)


def _window(canvas: Canvas, head: Letterhead) -> None:
    issuer, recipient = head.issuer, head.recipient
    canvas.pen(6, ink=GREY)
    sender = " · ".join([issuer.name, *address_of(issuer, home=issuer.country, language=head.language)])
    canvas.text(LEFT, 500, WINDOW_W, 30, canvas.cut(sender, WINDOW_W))
    canvas.rule(LEFT, 532, WINDOW_W)
    lines = address_of(recipient, home=issuer.country, language=head.language)
    # The window takes 27.3 mm: a long address becomes smaller, it is never cut.
    for size, leading in ((10, 47), (8, 37), (6, 28)):
        canvas.pen(size, bold=True)
        names = canvas.wrap(recipient.name, WINDOW_W)
        canvas.pen(size)
        rest = [part for line in lines for part in canvas.wrap(line, WINDOW_W)]
        if (len(names) + len(rest)) * leading <= 340:
            break
    y = 556
    for place, line in enumerate([*names, *rest]):
        canvas.pen(size, bold=place < len(names))
        canvas.text(LEFT, y, WINDOW_W, leading, line)
        y += leading


def _card(canvas: Canvas, head: Letterhead) -> int:
    label, x, y = 270, CARD_X + 30, 480
    rows = []
    for name, value in head.meta:
        canvas.pen(8)
        rows.append((name, canvas.wrap(value, CARD_W - label - 50)[:6]))
    height = sum(14 + 36 * len(lines) for _, lines in rows) + 26
    canvas.panel_box(CARD_X, y, CARD_W, height)
    y += 16
    for name, lines in rows:
        canvas.pen(8, ink=GREY)
        canvas.text(x, y, label, 40, canvas.cut(name, label - 10))
        canvas.pen(8, ink=INK, bold=name == head.meta[0][0])
        for line in lines:
            canvas.text(x + label, y, CARD_W - label - 50, 40, line)
            y += 36
        y += 14
    return 480 + height


def _title(canvas: Canvas, head: Letterhead, y: int) -> None:
    canvas.pen(18, bold=True, ink=canvas.heading)
    for line in canvas.wrap(head.title, WIDTH)[:2]:
        canvas.text(LEFT, y, WIDTH, 80, line)
        y += 80
    canvas.pen(9, ink=GREY)
    for line in canvas.wrap(head.subtitle, WIDTH)[:8]:
        canvas.text(LEFT, y, WIDTH, 44, line)
        y += 44
    if head.badges:
        y += 14
        _badges(canvas, head.badges, y)
        y += 56
    canvas.y = y + 30


def _badges(canvas: Canvas, badges: Sequence[str], y: int) -> None:
    x = LEFT
    for badge in badges:
        canvas.pen(8, bold=True, ink=canvas.heading)
        width = canvas.width(canvas.clean(badge)) + 44
        canvas.box(x, y, width, 52, canvas.panel)
        canvas.box(x, y, 8, 52, canvas.accent)
        canvas.text(x + 24, y, width, 52, badge)
        x += width + 20
