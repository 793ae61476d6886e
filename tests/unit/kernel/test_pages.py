"""A list is walked in pages of any size: every item once, in its order, over one partition or several."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from roamclear.kernel.context import Row
from roamclear.kernel.pages import MOST_PASSED_OVER, Asked, Cut, Span, cut
from roamclear.kernel.writes import Key, Put, Table
from tests.support.memory_stage import MemoryTables

_TEXTS = st.text("ab#|~1", min_size=1, max_size=4)


def tables(spans: dict[str, list[str]]) -> MemoryTables:
    made = MemoryTables()
    for pk, sort_keys in spans.items():
        for sk in sort_keys:
            made.write(Put(Table.CLEARING, Key(pk, sk), {"value": f"{pk}/{sk}"}))
    return made


def walked(db: MemoryTables, spans: list[Span], limit: int, drop: str = "") -> list[str]:
    def load(row: Row) -> str | None:
        return None if drop and drop in row["sk"] else str(row["value"])

    found: list[str] = []
    asked = Asked(limit)
    for _ in range(1000):
        page = cut(db, Table.CLEARING, spans, asked, load)
        assert len(page.items) <= limit
        found += page.items
        if page.next is None:
            return found
        asked = Asked(limit, page.next)
    raise AssertionError("a list without an end")


@given(
    st.lists(st.sets(_TEXTS, max_size=9), min_size=1, max_size=4), st.integers(1, 5), st.sampled_from(["", "a", "#"])
)
def test_every_item_once_in_order(parts: list[set[str]], limit: int, drop: str) -> None:
    kept = {f"P{n}": sorted(part) for n, part in enumerate(parts)}
    spans = [Span(pk, label=f"{n:02d}") for n, pk in enumerate(kept)] if len(parts) > 1 else [Span("P0")]
    expected = [f"{pk}/{sk}" for pk, part in kept.items() for sk in part if not drop or drop not in sk]
    assert walked(tables(kept), spans, limit, drop) == expected


@given(st.sets(_TEXTS, max_size=12), _TEXTS, _TEXTS, st.integers(1, 4))
def test_a_span_ends_where_it_says(part: set[str], first: str, last: str, limit: int) -> None:
    spans = [Span("P", first=min(first, last), last=max(first, last))]
    expected = [f"P/{sk}" for sk in sorted(part) if min(first, last) <= sk < max(first, last)]
    assert walked(tables({"P": sorted(part)}), spans, limit) == expected


def test_a_page_that_nothing_fits_ends_early_and_goes_on() -> None:
    db = tables({"P": [*(f"{n:05d}" for n in range(MOST_PASSED_OVER + 50)), "x"]})

    def only(row: Row) -> str | None:
        return "x" if row["sk"] == "x" else None

    page = cut(db, Table.CLEARING, [Span("P")], Asked(3), only)
    assert page == Cut([], f"{MOST_PASSED_OVER + 2:05d}")
    assert cut(db, Table.CLEARING, [Span("P")], Asked(3, page.next or ""), only) == Cut(["x"])
