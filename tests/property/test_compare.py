"""Comparing lists: whatever is dropped, doubled, shifted or changed, every row is in exactly one class, one to one."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from itertools import permutations
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from roamclear.compare import rules
from roamclear.compare.assignment import best
from roamclear.compare.model import Difference, Match, Ours, Pair, Theirs, Tolerance
from tests.support.lists import nameless, ours, theirs

USUAL = Tolerance()

#: Few EVSEs, starts, energies and ids, so that knots, twins and near misses are the rule.
OURS = st.builds(
    lambda n, ident, session, evse, start, kwh, minor: ours(
        n, cdr_ref=f"R{n}-{ident}", cdr_id=ident, session_id=session, evse=evse, start=start, energy_kwh=kwh,
        amount_minor=minor,
    ),
    st.integers(0, 10**6),
    st.sampled_from(("a", "b", "c", "d", "e")),
    st.sampled_from(("", "s", "t", "u")),
    st.sampled_from(("", "X", "Y")),
    st.integers(0, 6).map(lambda n: 60 * n),
    st.sampled_from((Decimal(10), Decimal("10.04"), Decimal("10.10"))),
    st.sampled_from((500, 501, 510, -500)),
)  # fmt: skip
THEIRS = st.builds(
    lambda ident, session, evse, starts, kwh, minor, currency: Theirs(
        0, ident, session, evse, starts, kwh, minor, currency if minor is not None else ""
    ),
    st.sampled_from(("", "A ", "b", "c", "x", "y")),
    st.sampled_from(("", "s", "t", "v")),
    st.sampled_from(("", "X", "Y")),
    st.lists(st.integers(0, 6).map(lambda n: 60 * n), max_size=2).map(tuple),
    st.sampled_from((None, Decimal(10), Decimal("10.05"), Decimal("11"))),
    st.sampled_from((None, 500, 502, 505)),
    st.sampled_from(("EUR", "CHF")),
)


def numbered(rows: list[Theirs]) -> list[Theirs]:
    return [replace(row, row=n) for n, row in enumerate(rows, start=2)]


def content(pairs: list[Pair]) -> Counter[Any]:
    """What a result says without the numbers of the partner's rows."""
    return Counter(
        (p.match, p.here, replace(p.there, row=0) if p.there else None, p.join, p.differences) for p in pairs
    )


@given(st.lists(OURS, max_size=9, unique_by=lambda o: o.cdr_ref), st.lists(THEIRS, max_size=9), st.randoms())
@settings(max_examples=300, deadline=None)
def test_each_row_is_in_one_class_and_the_sums_are_those_of_the_lists(
    here: list[Ours], there: list[Theirs], chance: random.Random
) -> None:
    there = numbered(there)
    pairs = rules.compared(here, there, USUAL)
    assert Counter(p.here.cdr_ref for p in pairs if p.here) == Counter(o.cdr_ref for o in here)
    assert Counter(p.there.row for p in pairs if p.there) == Counter(t.row for t in there)
    for p in pairs:
        assert (p.match is Match.MISSING_HERE) == (p.here is None)
        assert (p.match is Match.MISSING_THERE) == (p.there is None)
        assert (p.join is None) == (p.here is None or p.there is None)
    sums = rules.sums(pairs, "EUR")
    assert sum(s.net_here.amount_minor for s in sums) == sum(o.amount_minor for o in here)
    assert sum(s.energy_kwh_here for s in sums) == sum(o.energy_kwh for o in here)
    stated = Counter[str]()
    for t in there:
        stated[t.currency] += t.amount_minor or 0
    found = Counter[str]()
    for s in sums:
        for money in s.net_there:
            found[money.currency] += money.amount_minor
    assert +found == +stated
    assert sum(s.rows_here for s in sums) == len(here)
    assert sum(s.rows_there for s in sums) == len(there)
    mixed_here, mixed_there = chance.sample(here, len(here)), numbered(chance.sample(there, len(there)))
    assert content(rules.compared(mixed_here, mixed_there, USUAL)) == content(pairs)


@given(st.lists(OURS, max_size=9, unique_by=lambda o: o.cdr_ref), st.lists(THEIRS, max_size=9))
@settings(max_examples=200, deadline=None)
def test_no_pair_could_still_be_made_and_claims_never_exceed_the_session(here: list[Ours], there: list[Theirs]) -> None:
    pairs = rules.compared(here, numbered(there), USUAL)
    alone_here = {o.cdr_id for p in pairs if (o := p.here) and p.there is None}
    alone_there = {t.cdr_id.strip().lower() for p in pairs if (t := p.there) and p.here is None}
    assert not alone_here & alone_there
    for p in pairs:
        claim = rules.claim(p)
        if claim is not None:
            assert p.here is not None
            assert p.match in (Match.AMOUNT_DIFFERS, Match.MISSING_THERE)
            assert claim.claimed is None or 0 < claim.claimed.amount_minor <= p.here.amount_minor


COSTS = st.lists(st.lists(st.one_of(st.none(), st.integers(0, 9)), min_size=4, max_size=4), max_size=4)


@given(COSTS)
@settings(max_examples=200, deadline=None)
def test_the_best_assignment_is_the_best_of_all(costs: list[list[int | None]]) -> None:
    """Against every way there is."""
    most, least = 0, 0
    for chosen in permutations([*range(4), *[None] * len(costs)], len(costs)):
        paid = [costs[i][j] for i, j in enumerate(chosen) if j is not None and costs[i][j] is not None]
        if (len(paid), -sum(c for c in paid if c is not None)) > (most, -least):
            most, least = len(paid), sum(c for c in paid if c is not None)
    found = best(costs)
    assert (len(found), sum(costs[i][j] or 0 for i, j in found)) == (most, least)
    assert len({i for i, _ in found}) == len({j for _, j in found}) == len(found)


@given(st.data(), st.booleans())
@settings(max_examples=60, deadline=None)
def test_every_planted_change_is_found_where_it_was_planted(data: st.DataObject, named: bool) -> None:
    """Thirty sessions, with ids or without; some rows are dropped, doubled, shifted by a minute or made dearer."""
    here = [ours(n) for n in range(30)]
    make = theirs if named else nameless
    kinds = data.draw(st.lists(st.sampled_from("=dtsa+"), min_size=30, max_size=30))
    there: list[Theirs] = []
    expected = Counter[tuple[str, str]]()
    for o, kind in zip(here, kinds, strict=True):
        row = make(0, o)
        if kind == "d":
            expected[o.cdr_ref, "MISSING_THERE"] += 1
            continue
        if kind == "s":
            row = replace(row, starts=(o.start + 60,))
        if kind == "a":
            row = replace(row, amount_minor=o.amount_minor - 100)
        there += [row, row] if kind == "t" else [row]
        expected[o.cdr_ref, "AMOUNT_DIFFERS" if kind == "a" else "EXACT"] += 1
        expected["-", "MISSING_HERE"] += kind == "t"
        if kind == "+":
            there.append(make(0, ours(1000 + o.start // 7200)))
            expected["-", "MISSING_HERE"] += 1
    chance = data.draw(st.randoms())
    pairs = rules.compared(here, numbered(chance.sample(there, len(there))), USUAL)
    assert Counter((p.here.cdr_ref if p.here else "-", p.match.value) for p in pairs) == +expected
    doubled = sum(Difference.DUPLICATE in p.differences for p in pairs)
    assert doubled == kinds.count("t")


def test_a_knot_of_many_equal_rows_is_joined_without_trying_all() -> None:
    """Four thousand sessions of one EVSE within a minute, under one id, and then without ids."""
    here = [ours(0, cdr_ref=f"R{n}", start=n % 60, energy_kwh=Decimal(n % 7)) for n in range(4000)]
    for make in (theirs, nameless):
        there = numbered([make(0, o) for o in here[:-5]] + [make(0, here[-1], energy_kwh=Decimal("2.01"))])
        pairs = rules.compared(here, there, USUAL)
        assert Counter(p.match for p in pairs) == {Match.EXACT: 3996, Match.MISSING_THERE: 4}
