"""What a file is by its bytes, whatever it calls itself; pure. Only kinds that nobody's browser runs are taken."""

from __future__ import annotations

import io
import zipfile

from roamclear.kernel.errors import InvalidInput

#: Ending of a name -> what its bytes must be, and the type that its upload declares.
KINDS: dict[str, tuple[str, str]] = {
    "pdf": ("PDF", "application/pdf"),
    "png": ("PNG", "image/png"),
    "jpg": ("JPEG", "image/jpeg"),
    "jpeg": ("JPEG", "image/jpeg"),
    "csv": ("TEXT", "text/csv"),
    "txt": ("TEXT", "text/plain"),
    "xlsx": ("XLSX", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    "zip": ("ZIP", "application/zip"),
}
_MAGIC = ((b"%PDF-", "PDF"), (b"\x89PNG\r\n\x1a\n", "PNG"), (b"\xff\xd8\xff", "JPEG"))
_MOST_MEMBERS = 2_000
_LINES = {"\t", "\n", "\r"}


def ending(name: str) -> str:
    """The ending of a file's name; ``InvalidInput`` where it is none that is taken.

    >>> ending("Meter values.PDF")
    'pdf'
    """
    found = name.rpartition(".")[2].lower() if "." in name else ""
    if found not in KINDS:
        raise InvalidInput(f"a file ends in {', '.join(sorted(KINDS))}", field="name")
    return found


def file_name(text: str) -> str:
    """A name that is harmless in a header and on a disk; ``InvalidInput`` where it says nothing.

    >>> file_name('a"b;c/../photo é.png')
    'a_b_c_.._photo _.png'
    """
    name = "".join(c if c.isascii() and (c.isalnum() or c in " ._-") else "_" for c in text).strip(" .")
    if not 3 <= len(name) <= 100:
        raise InvalidInput("a file has a name of 3 to 100 characters", field="name")
    ending(name)
    return name


def kind_of(data: bytes) -> str | None:
    """The kind of a file's bytes, or None where it is none that is taken.

    >>> kind_of(b"%PDF-1.7 ..."), kind_of(b"<html></html>"), kind_of(b"a;b"), kind_of(b"MZ\\x90\\x00")
    ('PDF', None, 'TEXT', None)
    """
    for magic, kind in _MAGIC:
        if data.startswith(magic):
            return kind
    if data.startswith(b"PK\x03\x04"):
        return _packed(data)
    return "TEXT" if _is_text(data) else None


def _packed(data: bytes) -> str | None:
    """XLSX, another ZIP, or None for one that is broken or carries macros; nothing is unpacked."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            names = {member.filename for member in packed.infolist()[: _MOST_MEMBERS + 1]}
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return None
    if len(names) > _MOST_MEMBERS or any(name.endswith("vbaProject.bin") for name in names):
        return None
    return "XLSX" if {"[Content_Types].xml", "xl/workbook.xml"} <= names else "ZIP"


def _is_text(data: bytes) -> bool:
    """Text without control characters that does not begin like a page or a drawing."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        try:
            text = data.decode("cp1252")
        except UnicodeDecodeError:
            return False
    if any(ord(c) < 32 and c not in _LINES for c in text):
        return False
    return bool(text.strip()) and not text.lstrip().startswith("<")
