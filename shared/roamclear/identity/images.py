"""Telling PNG and JPEG by their bytes, with their size in pixels, without a library that draws. Pure."""

from __future__ import annotations

from roamclear.kernel.errors import InvalidInput

MAX_BYTES = 1_000_000
MAX_PIXELS = 4_000_000
_PNG, _PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"
_JPEG, _JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"
#: Frames of a JPEG: all SOFn but the three markers between them that mean something else.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def sniff(content: bytes) -> str:
    """``png`` or ``jpeg``; whole, of at most a million bytes and four million pixels.

    Raises:
        InvalidInput: it is neither, or cut off, or too large.
    """
    if not content or len(content) > MAX_BYTES:
        raise InvalidInput(f"the logo has 1 to {MAX_BYTES} bytes", field="file")
    if content.startswith(_PNG) and content.endswith(_PNG_END) and content[12:16] == b"IHDR":
        kind, width, height = "png", _number(content[16:20]), _number(content[20:24])
    elif content.startswith(_JPEG) and content.rstrip(b"\x00").endswith(_JPEG_END):
        kind, (width, height) = "jpeg", _jpeg_size(content)
    else:
        raise InvalidInput("the logo is a whole PNG or JPEG file", field="file")
    if not 0 < width * height <= MAX_PIXELS:
        raise InvalidInput(f"the logo has at most {MAX_PIXELS} pixels", field="file")
    return kind


def _number(part: bytes) -> int:
    return int.from_bytes(part, "big")


def _jpeg_size(content: bytes) -> tuple[int, int]:
    """Width and height of the first frame; 0 where there is none."""
    place = 2
    while place + 9 < len(content) and content[place] == 0xFF:
        marker, length = content[place + 1], _number(content[place + 2 : place + 4])
        if marker in _FRAMES:
            return _number(content[place + 7 : place + 9]), _number(content[place + 5 : place + 7])
        if length < 2:
            break
        place += 2 + length
    return 0, 0
