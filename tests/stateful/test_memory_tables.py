"""The tables in memory, and the overlay of a rehearsal, answer like the door over moto, operation by operation."""

from __future__ import annotations

from copy import deepcopy
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roamclear.kernel.context import Context
from roamclear.kernel.errors import ConditionFailed
from roamclear.kernel.writes import ABSENT, Check, Key, Put, Remove, Table, Update, When
from roamclear.rehearsal.overlay import OverlayTables
from tests.support.memory_stage import MemoryTables

SORT = st.sampled_from(["a", "ab", "b", "b#1", "c"])
VALUES = st.one_of(st.integers(0, 3), st.sampled_from(["x", "y"]), st.sampled_from([Decimal("1.5"), Decimal("2.25")]))
COLUMNS = {"n": st.integers(0, 3), "t": VALUES, "gsi1pk": st.just("p#I"), "gsi1sk": SORT}
ITEMS = st.fixed_dictionaries({}, optional=COLUMNS)
TERMS = st.one_of(
    st.just(ABSENT),
    st.just(()),
    st.builds(lambda op, v: (When("n", op, v),), st.sampled_from(["=", "<>", "<", "<=", ">", ">="]), st.integers(0, 3)),
    st.builds(lambda v: (When("n", "in", v),), st.tuples(st.integers(0, 3), st.integers(0, 3))),
    st.builds(lambda n: (When("t", n),), st.sampled_from(["exists", "absent"])),
    st.just((When("t", "prefix", "x"),)),
)


@st.composite
def actions(draw: st.DrawFn, *, check: bool) -> Any:
    key, when = Key("p", draw(SORT)), draw(TERMS)
    kind = draw(st.sampled_from(["put", "update", "remove", "check"] if check else ["put", "update", "remove"]))
    if kind == "put":
        return Put(Table.CLEARING, key, draw(ITEMS), when=when)
    if kind == "update":
        removed = draw(st.sampled_from([(), ("t",)]))
        change = {"m": draw(VALUES)}
        return Update(Table.CLEARING, key, put=change, add={"k": draw(st.integers(1, 2))}, remove=removed, when=when)
    if kind == "check" and when:
        return Check(Table.CLEARING, key, when)
    return Remove(Table.CLEARING, key, when=when)


STEPS = st.one_of(
    actions(check=False).map(lambda a: ("write", a)),
    st.lists(actions(check=True), min_size=1, max_size=3, unique_by=lambda a: a.key).map(lambda a: ("transact", a)),
)


def told(db: Any, step: tuple[str, Any]) -> Any:
    try:
        getattr(db, step[0])(step[1])
    except ConditionFailed as lost:
        return lost.index, lost.table, lost.current
    return None


def begin(real: Any) -> None:
    for row in list(real.rows(Table.CLEARING, "p", consistent=True)):
        real.write(Remove(Table.CLEARING, Key("p", row["sk"])))


def in_pages(db: Any, size: int, forward: bool, index: str | None) -> list[str]:
    """All rows page by page, as a reader with a cursor gets them."""
    found: list[str] = []
    start = None
    while True:
        pk = "p#I" if index else "p"
        page = db.page(Table.CLEARING, pk, index=index, limit=size, forward=forward, start=start)
        assert len(page.rows) <= size
        found += [r["sk"] for r in page.rows]
        if page.next is None:
            return found
        start = page.next


def seen(db: Any, bounds: dict[str, str], forward: bool) -> Any:
    return (
        list(db.rows(Table.CLEARING, "p", consistent=True, forward=forward, **bounds)),
        [(r["pk"], r["sk"], r["gsi1sk"]) for r in db.rows(Table.CLEARING, "p#I", index="gsi1")],
        [r["sk"] for r in db.page(Table.CLEARING, "p", limit=2, consistent=True).rows],
        db.get_many(Table.CLEARING, [Key("p", sk) for sk in ("a", "b", "z")]),
    )


FEW = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
BOUNDS = st.sampled_from([{}, {"prefix": "a"}, {"after": "ab"}, {"before": "b#1"}, {"after": "ab", "before": "c"}])


def like(made: Any, real: Any, steps: list[Any], bounds: dict[str, str], forward: bool) -> None:
    """Both answer each step, and afterwards each query, alike."""
    for step in steps:
        assert told(made, step) == told(real, step), step
    one, other = seen(made, bounds, forward), seen(real, bounds, forward)
    assert one[0] == other[0]
    assert sorted(one[1]) == sorted(other[1])
    assert one[2:] == other[2:]
    assert made.count(Table.CLEARING, "p", after="ab", before="c") == real.count(
        Table.CLEARING, "p", after="ab", before="c"
    )


@FEW
@given(steps=st.lists(STEPS, min_size=3, max_size=8), bounds=BOUNDS, forward=st.booleans())
def test_like_moto(ctx: Context, steps: list[Any], bounds: dict[str, str], forward: bool) -> None:
    begin(ctx.db)
    like(MemoryTables(), ctx.db, steps, bounds, forward)


@FEW
@given(
    before=st.lists(STEPS, max_size=6),
    steps=st.lists(STEPS, min_size=3, max_size=8),
    bounds=BOUNDS,
    forward=st.booleans(),
)
def test_the_overlay_like_moto_over_an_empty_and_a_filled_store(
    ctx: Context, before: list[Any], steps: list[Any], bounds: dict[str, str], forward: bool
) -> None:
    begin(ctx.db)
    below = MemoryTables()
    for step in before:
        told(below, step)
        told(ctx.db, step)
    stored = deepcopy(below.tables)
    like(OverlayTables(below), ctx.db, steps, bounds, forward)
    assert below.tables == stored


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(
    before=st.lists(STEPS, max_size=10),
    steps=st.lists(STEPS, max_size=10),
    size=st.integers(1, 3),
    forward=st.booleans(),
    index=st.sampled_from([None, "gsi1"]),
)
def test_pages_of_the_overlay_hold_every_row_once(
    before: list[Any], steps: list[Any], size: int, forward: bool, index: str | None
) -> None:
    below, whole = MemoryTables(), MemoryTables()
    for step in before:
        told(below, step)
        told(whole, step)
    made = OverlayTables(below)
    for step in steps:
        assert told(made, step) == told(whole, step), step
        if step[0] == "write" and isinstance(step[1], Update):
            again = Update(Table.CLEARING, step[1].key, add={"k": 1}, when=())
            assert made.write_and_read(again) == whole.write_and_read(again)
    mine, theirs = in_pages(made, size, forward, index), in_pages(whole, size, forward, index)
    assert sorted(mine) == sorted(theirs)
    assert len(set(mine)) == len(mine)
    if index is None:
        assert mine == theirs
