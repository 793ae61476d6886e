"""Logos come from outside: sniffed, limited, turned into something PDF/A takes, and never a reason to fail.

A numbered document must always be drawable (rules.md 7), so a logo that cannot be drawn is left out and the
issuer's name stands in its place.
"""

from __future__ import annotations

import io
from typing import Any

MAX_BYTES = 1_000_000
MAX_PIXELS = 4_000_000


def draw_logo(pdf: Any, logo: bytes | None, x: int, y: int, width: int, height: int) -> bool:
    """Fit the logo into a box, left aligned and vertically centred; False when there is none to draw."""
    if not logo or len(logo) > MAX_BYTES:
        return False
    if logo.lstrip()[:1] == b"<":
        return _draw_svg(pdf, logo, x, y, width, height)
    try:
        image = _raster(logo)
    except (OSError, ValueError, SyntaxError):
        return False
    pdf.image(image, x, y, width, height, keep_aspect_ratio=True)
    return True


def _raster(logo: bytes) -> io.BytesIO:
    """PNG or JPEG as RGB(A) PNG: no CMYK, palettes or ICC profiles, which PDF/A would want described."""
    from PIL import Image

    with Image.open(io.BytesIO(logo), formats=("PNG", "JPEG")) as image:
        if image.width * image.height > MAX_PIXELS:
            raise ValueError("the logo has too many pixels")
        image.load()
        alpha = "A" in image.getbands() or "transparency" in image.info
        plain = image.convert("RGBA" if alpha else "RGB")
        canvas = Image.new("RGB", plain.size, (255, 255, 255))
        canvas.paste(plain, mask=plain.getchannel("A") if alpha else None)
    out = io.BytesIO()
    canvas.save(out, "PNG")
    out.seek(0)
    return out


def _draw_svg(pdf: Any, logo: bytes, x: int, y: int, width: int, height: int) -> bool:
    """Draw an SVG of shapes; one with references to anything outside, scripts or text is refused."""
    lowered = logo.lower()
    if any(word in lowered for word in (b"<!doctype", b"<!entity", b"<script", b"<text", b"<image", b"<foreignobject")):
        return False
    from fpdf.svg import SVGObject

    try:
        SVGObject(logo.decode("utf-8"))
        pdf.image(io.BytesIO(logo), x, y, width, height, keep_aspect_ratio=True)
    except Exception:  # fpdf2 raises whatever its parser meets
        return False
    return True
