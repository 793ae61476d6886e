"""The tables in memory answer like the door over moto, operation by operation."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roamclear.kernel.context import Context
from roamclear.kernel.errors import ConditionFailed
from roamclear.kernel.writes import ABSENT, Check, Key, Put, Remove, Table, Update, When
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


def seen(db: Any, bounds: dict[str, str], forward: bool) -> Any:
    return (
        list(db.rows(Table.CLEARING, "p", consistent=True, forward=forward, **bounds)),
        [(r["pk"], r["sk"], r["gsi1sk"]) for r in db.rows(Table.CLEARING, "p#I", index="gsi1")],
        [r["sk"] for r in db.page(Table.CLEARING, "p", limit=2, consistent=True).rows],
        db.get_many(Table.CLEARING, [Key("p", sk) for sk in ("a", "b", "z")]),
    )


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
@given(
    steps=st.lists(STEPS, min_size=3, max_size=8),
    bounds=st.sampled_from([{}, {"prefix": "a"}, {"after": "ab"}, {"before": "b#1"}, {"after": "ab", "before": "c"}]),
    forward=st.booleans(),
)
def test_like_moto(ctx: Context, steps: list[Any], bounds: dict[str, str], forward: bool) -> None:
    real, made = ctx.db, MemoryTables()
    for row in list(real.rows(Table.CLEARING, "p", consistent=True)):
        real.write(Remove(Table.CLEARING, Key("p", row["sk"])))
    for step in steps:
        assert told(made, step) == told(real, step), step
    one, other = seen(made, bounds, forward), seen(real, bounds, forward)
    assert one[0] == other[0]
    assert sorted(one[1]) == sorted(other[1])
    assert one[2:] == other[2:]
