"""The page under every PDF of the house: PDF/A-3U, static fonts, brand colours, rows drawn line by line.

Coordinates and sizes are integers of a tenth of a millimetre, type sizes integers of points: so nothing here is
a float. Pages are broken by the callers; ``finish`` draws what needs the page count and returns the bytes.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any, Final

from roamclear.documents.invoice_model import Branding
from roamclear.documents.logo import draw_logo
from roamclear.documents.xmp import xmp_packet

PAGE_W: Final = 2100
PAGE_H: Final = 2970
#: DIN 5008: text begins 25 mm from the left edge; the right margin is 20 mm.
LEFT: Final = 250
RIGHT: Final = 1900
WIDTH: Final = RIGHT - LEFT
#: Content ends here; the footer stands below.
BOTTOM: Final = 2720
FAMILY = "brand"
#: A smaller letter is not read.
_LEAST_POINTS = 5

Colour = tuple[int, int, int]
INK: Final[Colour] = (33, 37, 41)
GREY: Final[Colour] = (107, 114, 124)
RULE: Final[Colour] = (214, 219, 225)
WHITE: Final[Colour] = (255, 255, 255)


def colour(text: str) -> Colour:
    """``#RRGGBB`` as three integers.

    >>> colour("#1F3A5F")
    (31, 58, 95)
    """
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


def tint(base: Colour, percent: int) -> Colour:
    """A colour mixed with white; 0 is white, 100 the colour itself.

    >>> tint((0, 0, 0), 10)
    (230, 230, 230)
    """
    r, g, b = (255 - (255 - part) * percent // 100 for part in base)
    return r, g, b


def _light(base: Colour) -> int:
    """Brightness from 0 to 255 (weights of ITU-R BT.601)."""
    return (299 * base[0] + 587 * base[1] + 114 * base[2]) // 1000


def readable_on(base: Colour) -> Colour:
    """White or ink, whichever reads better on a brand colour.

    >>> readable_on((31, 58, 95)), readable_on((250, 220, 60))
    ((255, 255, 255), (33, 37, 41))
    """
    return INK if _light(base) > 160 else WHITE


def heading_of(base: Colour) -> Colour:
    """The brand colour for headings on white, darkened until it reads.

    >>> heading_of((31, 58, 95)), heading_of((250, 220, 60))
    ((31, 58, 95), (119, 104, 28))
    """
    light = _light(base)
    if light <= 110:
        return base
    r, g, b = (part * 100 // light for part in base)
    return r, g, b


@dataclass(frozen=True, slots=True)
class Column:
    """A table column: ``width`` in tenths of a millimetre, ``align`` L or R."""

    title: str
    width: int
    align: str = "L"


class Canvas:
    """One PDF being drawn. ``frame`` is called on every new page with its number."""

    def __init__(self, branding: Branding, fonts: Path, *, language: str) -> None:
        from fpdf import FPDF

        # 72/254 points are a tenth of a millimetre.
        self.pdf: Any = FPDF(unit=72 / 254, format="A4", enforce_compliance="PDF/A-3U")
        self.pdf.set_auto_page_break(False)
        self.pdf.set_margins(0, 0, 0)
        self.pdf.c_margin = 0
        self.pdf.set_lang(language.lower())
        name = f"Noto{branding.typeface.value.title()}"
        self.pdf.add_font(FAMILY, "", fonts / f"{name}-Regular.ttf")
        self.pdf.add_font(FAMILY, "B", fonts / f"{name}-Bold.ttf")
        self.branding = branding
        self.primary = colour(branding.primary)
        self.accent = colour(branding.accent)
        self.heading = heading_of(self.primary)
        self.zebra = tint(self.primary, 5)
        self.panel = tint(self.primary, 7)
        self.frame: Callable[[int], None] = lambda page: None
        self.y = 0
        regular: Any = self.pdf.fonts[FAMILY]
        self._known = frozenset(regular.cmap)
        self._state: tuple[int, bool, Colour | None, Colour | None] = (0, False, None, None)
        self._clean: dict[str, str] = {}

    def __enter__(self) -> Canvas:
        return self

    def __exit__(self, *_: object) -> None:
        """Close the font files: fpdf2 leaves them to the garbage collector."""
        for font in self.pdf.fonts.values():
            font.ttfont.close()

    def new_page(self) -> None:
        """Begin a page; the frame draws bar and heads and sets ``y``."""
        self.pdf.add_page()
        self._forget()
        self.frame(self.pdf.page)

    def need(self, height: int) -> bool:
        """Begin a page unless ``height`` still fits; True when one was begun."""
        if self.y + height <= BOTTOM:
            return False
        self.new_page()
        return True

    def _forget(self) -> None:
        self._state = (0, False, None, None)
        self.pdf.current_font_is_set_on_page = False

    def clean(self, text: str) -> str:
        """NFC, one line, and only characters that the font has: PDF/A forbids a reference to the missing glyph."""
        known = self._clean.get(text)
        if known is None:
            flat = " ".join(unicodedata.normalize("NFC", text).split(" ")).replace("\n", " ").replace("\t", " ")
            known = flat if self._known.issuperset(map(ord, flat)) else "".join(map(self._glyph, flat))
            if len(self._clean) < 50_000:
                self._clean[text] = known
        return known

    def _glyph(self, char: str) -> str:
        if ord(char) in self._known:
            return char
        if unicodedata.category(char) in ("Cc", "Cf", "Mn"):
            return ""
        plain = unicodedata.normalize("NFKC", char)
        return plain if plain != char and self._known.issuperset(map(ord, plain)) else "?"

    def pen(self, size: int, *, bold: bool = False, ink: Colour = INK) -> None:
        """Choose type size (points), weight and colour for what follows."""
        if self._state[:3] == (size, bold, ink):
            return
        if self._state[:2] != (size, bold):
            self.pdf.set_font(FAMILY, "B" if bold else "", size)
        if self._state[2] != ink:
            self.pdf.set_text_color(*ink)
        self._state = (size, bold, ink, self._state[3])

    def fill(self, paint: Colour) -> None:
        """Choose the fill colour."""
        if self._state[3] != paint:
            self.pdf.set_fill_color(*paint)
            self._state = (*self._state[:3], paint)

    def width(self, text: str) -> int:
        """The width of a cleaned text in the present pen, rounded up."""
        # cw is per 1000 of the type size in points; 254/72 turns points into tenths of a millimetre.
        return -(-self._thousandths(text) * self._state[0] * 254 // 72_000)

    def _thousandths(self, text: str) -> int:
        font: Any = self.pdf.current_font
        return sum(map(font.cw.__getitem__, map(ord, text)))

    def text(self, x: int, y: int, width: int, height: int, text: str, align: str = "L") -> None:
        """One line in a box with the present pen: ``align`` L, R or C, centred over the height as ``cell`` does."""
        self._put(x, y, width, height, self.clean(text), align)

    def _put(self, x: int, y: int, width: int, height: int, text: str, align: str) -> None:
        # FPDF.text costs a third of FPDF.cell, which builds and aligns fragments for features not used here.
        size = self._state[0]
        if align != "L":
            free = width - self._thousandths(text) * size * 254 / 72_000
            at = x + (free if align == "R" else free / 2)
        else:
            at = x
        self.pdf.text(at, y + height / 2 + size * 762 / 720, text)

    def fit(self, text: str, width: int) -> str:
        """Make the pen smaller until a line fits; only what does not fit at five points is cut."""
        text = self.clean(text)
        while self.width(text) > width and self._state[0] > _LEAST_POINTS:
            size, bold, ink, _ = self._state
            self.pen(size - 1, bold=bold, ink=ink or INK)
        return self.cut(text, width)

    def cut(self, text: str, width: int) -> str:
        """The text, or as much of it as fits with an ellipsis (only for what is printed in full elsewhere)."""
        text = self.clean(text)
        if self.width(text) <= width:
            return text
        while text and self.width(text + "…") > width:
            text = text[:-1]
        return text.rstrip() + "…"

    def wrap(self, text: str, width: int) -> list[str]:
        """Lines that fit the width in the present pen; a word longer than a line is broken."""
        lines: list[str] = []
        for paragraph in text.split("\n"):
            current = ""
            for word in self.clean(paragraph).split(" "):
                candidate = f"{current} {word}" if current else word
                if self.width(candidate) <= width:
                    current = candidate
                    continue
                if current:
                    lines.append(current)
                current = word
                while self.width(current) > width:
                    cut = self._fitting(current, width)
                    lines.append(current[:cut])
                    current = current[cut:]
            lines.append(current)
        return lines

    def _fitting(self, word: str, width: int) -> int:
        size = max(1, len(word) - 1)
        while size > 1 and self.width(word[:size]) > width:
            size -= 1
        return size

    def block(self, x: int, y: int, width: int, text: str, *, leading: int = 40, most: int = 99) -> int:
        """Wrapped lines, left aligned; returns the y below them."""
        for line in self.wrap(text, width)[:most]:
            self.text(x, y, width, leading, line)
            y += leading
        return y

    def box(self, x: int, y: int, width: int, height: int, paint: Colour) -> None:
        """A filled rectangle."""
        self.fill(paint)
        self.pdf.rect(x, y, width, height, style="F")

    def rule(self, x: int, y: int, width: int, paint: Colour = RULE, weight: int = 2) -> None:
        """A hairline as a filled rectangle (``weight`` in tenths of a millimetre)."""
        self.box(x, y, width, weight, paint)

    def panel_box(self, x: int, y: int, width: int, height: int) -> None:
        """A tinted card with an accent edge."""
        self.box(x, y, width, height, self.panel)
        self.box(x, y, 8, height, self.accent)

    def logo(self, x: int, y: int, width: int, height: int, name: str) -> None:
        """The logo fitted into a box, or the issuer's name where there is none that can be drawn."""
        if draw_logo(self.pdf, self.branding.logo, x, y, width, height):
            self._forget()
            return
        for size in (18, 16, 14, 12, 11):
            self.pen(size, bold=True, ink=self.heading)
            if self.width(self.clean(name)) <= width:
                break
        self.block(x, y, width, name, leading=64)

    def qr(self, x: int, y: int, size: int, matrix: Sequence[Sequence[int]]) -> None:
        """A QR code as vector runs, at most ``size`` wide, modules of whole tenths of a millimetre."""
        module = max(1, size // len(matrix))
        for row, cells in enumerate(matrix):
            start = None
            for column, dark in enumerate([*cells, 0]):
                if dark and start is None:
                    start = column
                elif not dark and start is not None:
                    self.box(x + start * module, y + row * module, (column - start) * module, module, (0, 0, 0))
                    start = None

    def watermark(self, text: str) -> None:
        """A large slanted word over the page, faint enough to read everything through it."""
        with self.pdf.local_context(fill_opacity=1 / 11), self.pdf.rotation(52, PAGE_W // 2, PAGE_H // 2):
            self._forget()
            self.pen(110, bold=True, ink=self.heading)
            self.text(0, PAGE_H // 2 - 250, PAGE_W, 500, text, "C")
        self._forget()

    def head(self, columns: Sequence[Column], height: int = 62) -> None:
        """The head of a table on the brand colour."""
        self.box(LEFT, self.y, WIDTH, height, self.primary)
        self.pen(8, bold=True, ink=readable_on(self.primary))
        self.row(columns, [c.title for c in columns], height)

    def row(self, columns: Sequence[Column], texts: Sequence[str], height: int, *, pad: int = 16) -> None:
        """One row of single-line cells in the present pen; moves ``y`` below it."""
        x, y, known = LEFT, self.y, self._clean
        for column, text in zip(columns, texts, strict=True):
            if text:
                clean = known.get(text) or self.clean(text)
                self._put(x + pad, y, column.width - 2 * pad, height, clean, column.align)
            x += column.width
        self.y = y + height

    def on_page(self, page: int) -> None:
        """Go back to a page to draw what needs the page count."""
        self.pdf.page = page
        self._forget()
        # The page's own last fill colour is not known any more: a colour that nothing uses forces the next one out.
        self.pdf.set_fill_color(1, 2, 3)

    def attach(self, name: str, content: bytes, day: date, description: str) -> None:
        """Embed an XML file as the alternative form of the document (PDF/A-3, Factur-X)."""
        self.pdf.embed_file(
            bytes=content,
            basename=name,
            mime_type="text/xml",
            associated_file_relationship="Alternative",
            desc=description,
            modification_date=midnight(day),
            compress=True,
            checksum=True,
        )

    def finish(self, *, title: str, author: str, subject: str, day: date, with_invoice: bool) -> bytes:
        """The bytes; equal content gives equal bytes, for the creation date is the issue date."""
        moment = midnight(day)
        self.pdf.set_title(title)
        self.pdf.set_creation_date(moment)
        self.pdf.set_xmp_metadata(
            xmp_packet(title=title, author=author, subject=subject, moment=moment, with_invoice=with_invoice)
        )
        self.pdf.page = len(self.pdf.pages)
        return bytes(self.pdf.output())


def midnight(day: date) -> datetime:
    """The first instant of a day in UTC: the date that a document's own metadata carry."""
    return datetime.combine(day, time(0), UTC)
