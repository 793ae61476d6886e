"""Pages of lists that grow: keys in their order, from a place on, and no row before it is read.

A place is the sort key of the last row that was looked at, so what is added or removed meanwhile moves nothing, and the
hundredth page costs what the first one costs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from roamclear.kernel.context import Database, Row
from roamclear.kernel.writes import Key, Table

T = TypeVar("T")
U = TypeVar("U")
#: A list that few rows of fit looks at no more than this beyond the limit; it then ends early and has a next page.
MOST_PASSED_OVER = 1000
#: The text behind a sort key and before every longer or later one.
_NEXT = "\x00"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a caller asks for: how many at most, behind which place (the empty text is the beginning)."""

    limit: int
    after: str = ""


@dataclass(frozen=True, slots=True)
class Cut(Generic[T]):
    """Some items of a list, and the place to go on from; None at the end."""

    items: list[T]
    next: str | None = None

    def of(self, items: list[U]) -> Cut[U]:
        """The same cut with its items in another form."""
        return Cut(items, self.next)


@dataclass(frozen=True, slots=True)
class Span:
    """A partition, or the part of it between two sort keys (``last`` is exclusive).

    ``label`` orders the spans of a list that lies in several partitions.
    """

    pk: str
    index: str | None = None
    first: str = ""
    last: str | None = None
    label: str = ""

    def place(self, sort_key: str) -> str:
        """The place of a row in the list."""
        return f"{self.label}|{sort_key}" if self.label else sort_key

    def after(self, place: str) -> str | None:
        """The sort key from which on this span is read, or None when all of it lies before the place."""
        if not place:
            return self.first
        if not self.label:
            return max(self.first, place + _NEXT)
        label, _, sort_key = place.partition("|")
        if label > self.label:
            return None
        return max(self.first, sort_key + _NEXT) if label == self.label else self.first


def cut(db: Database, table: Table, spans: Sequence[Span], asked: Asked, load: Callable[[Row], T | None]) -> Cut[T]:
    """The items behind a place, in the order of spans and sort keys; what ``load`` makes None of is passed over."""
    found: list[T] = []
    looked, last = 0, ""
    for span in spans:
        for rows in _chunks(db, table, span, asked):
            whole = _whole(db, table, span, rows)
            for row in rows:
                if len(found) == asked.limit or looked == asked.limit + MOST_PASSED_OVER:
                    return Cut(found, last)
                looked, last = looked + 1, span.place(row[f"{span.index}sk" if span.index else "sk"])
                full = whole.get(Key(row["pk"], row["sk"]))
                made = load(full) if full is not None else None
                if made is not None:
                    found.append(made)
    return Cut(found)


def _chunks(db: Database, table: Table, span: Span, asked: Asked) -> Iterator[list[Row]]:
    """The rows of a span behind the place, as many at a time as the page has, and one: it says whether more follow."""
    after = span.after(asked.after)
    start = None
    while after is not None:
        page = db.page(
            table,
            span.pk,
            index=span.index,
            after=after or None,
            before=span.last,
            limit=asked.limit + 1,
            start=start,
            consistent=span.index is None,
        )
        yield page.rows
        if page.next is None:
            return
        start = page.next


def _whole(db: Database, table: Table, span: Span, rows: list[Row]) -> dict[Key, Row]:
    """The rows themselves: an index holds keys only."""
    if span.index is None:
        return {Key(row["pk"], row["sk"]): row for row in rows}
    return db.get_many(table, [Key(row["pk"], row["sk"]) for row in rows])
