"""The one way bank XML is parsed: hardened, streaming, by local name (banking.md 5).

A DOCTYPE is refused: with entities switched off, text beside an entity would be cut without a word. Attributes are
never listed, only asked for by name, because listing them takes quadratic time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any, Protocol

from lxml import etree

from roamclear.kernel.errors import InvalidInput

Element = Any


class Readable(Protocol):
    """Whatever gives bytes when asked to read."""

    def read(self, size: int = -1, /) -> bytes:
        """At most ``size`` bytes; empty at the end."""
        ...


def parse_events(stream: Readable, ends: Iterable[str], starts: Iterable[str]) -> Iterator[tuple[str, str, Element]]:
    """Yield ``(event, local name, element)`` for start events of ``starts`` and end events of ``ends``.

    Raises:
        InvalidInput: not well-formed, a DOCTYPE, several documents in one, or beyond the limits of the parser.
    """
    wanted_ends, wanted_starts = frozenset(ends), frozenset(starts)
    parser: Any = etree.iterparse(
        stream,
        events=("start", "end"),
        tag=["{*}Document", *(f"{{*}}{name}" for name in sorted(wanted_ends | wanted_starts))],
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    checked = False
    try:
        for event, element in parser:
            if not checked:
                _refuse_doctype(element)
                checked = True
            name = local(element)
            if name in (wanted_starts if event == "start" else wanted_ends):
                yield event, name, element
        if not checked and parser.root is not None:
            _refuse_doctype(parser.root)
    except etree.XMLSyntaxError as error:
        raise InvalidInput(_explain(error), field="file") from error


def _explain(error: etree.XMLSyntaxError) -> str:
    text = str(error.msg or "")
    if "Extra content" in text or "XML declaration allowed only at the start" in text:
        return f"the file holds more than one document (line {error.lineno})"
    return f"the file is not well-formed XML (line {error.lineno})"


def _refuse_doctype(element: Element) -> None:
    info = element.getroottree().docinfo
    if info.internalDTD is not None or info.externalDTD is not None or info.doctype:
        raise InvalidInput("a file with a DOCTYPE is refused", field="file")


def release(element: Element) -> None:
    """Forget an element that has been read, and everything before it, so memory stays flat."""
    element.clear()
    parent = element.getparent()
    if parent is not None:
        while element.getprevious() is not None:
            del parent[0]


def release_repeated(element: Element) -> None:
    """Forget one of many equal siblings that has been read, and the one before it, but nothing else beside them."""
    element.clear()
    before = element.getprevious()
    if before is not None and before.tag == element.tag:
        element.getparent().remove(before)


def local(element: Element) -> str:
    """The name without its namespace; comments and the like have none."""
    tag = element.tag
    return tag[tag.rfind("}") + 1 :] if isinstance(tag, str) else ""


def namespace(element: Element) -> str:
    """The namespace of an element, or an empty text."""
    tag = element.tag
    return tag[1 : tag.rfind("}")] if isinstance(tag, str) and tag.startswith("{") else ""


def kids(element: Element | None) -> dict[str, Element]:
    """First child of each local name."""
    found: dict[str, Element] = {}
    if element is not None:
        for child in element:
            tag = child.tag
            if isinstance(tag, str):
                found.setdefault(tag[tag.rfind("}") + 1 :], child)
    return found


def every(element: Element | None, name: str) -> list[Element]:
    """All children of a local name."""
    return [] if element is None else [child for child in element if local(child) == name]


def first(element: Element | None, *path: str) -> Element | None:
    """Walk down first children by local name; None where the path ends early."""
    for name in path:
        if element is None:
            return None
        for child in element:
            tag = child.tag
            if isinstance(tag, str) and tag[tag.rfind("}") + 1 :] == name:
                element = child
                break
        else:
            return None
    return element


def text_of(element: Element | None, limit: int = 10_000) -> str | None:
    """Text of an element without outer blanks, cut at ``limit``; None where there is none."""
    if element is None:
        return None
    raw = element.text if len(element) == 0 else "".join(element.itertext())
    cleaned = (raw or "").strip()
    return cleaned[:limit] or None


def text(element: Element | None, *path: str) -> str | None:
    """Text at a path of first children."""
    return text_of(first(element, *path))


def date_of(value: str | None) -> date | None:
    """The calendar day of an ISO date or date-time as the bank wrote it (its own local day); None if unreadable.

    >>> date_of("2026-10-25T23:30:00+01:00")
    datetime.date(2026, 10, 25)
    >>> date_of("25.10.2026") is None
    True
    """
    if not value or len(value) < 10 or not value[:10].isascii():
        return None
    try:
        return date.fromisoformat(value[:10]) if value[4] == "-" and value[7] == "-" else None
    except ValueError:
        return None


def day(element: Element | None) -> date | None:
    """A date choice: ``Dt`` or ``DtTm``."""
    return date_of(text(element, "Dt") or text(element, "DtTm"))
