"""What is sorted, spread and summed on disk or piece by piece is what lists in memory would come to."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from roamclear.billing.sums import Sums
from roamclear.kernel import numbers_json
from roamclear.kernel.money import Money, allocate
from roamclear.kernel.spool import Sorter, Spool
from roamclear.kernel.spread import Spread
from tests.integration.test_streamed_close import SEEDS, texts
from tests.support import at_once, mixed_run

KEYS = st.text(st.characters(exclude_characters="\t\n\r", exclude_categories=["Cs"]), max_size=4)
WEIGHTS = st.lists(st.integers(1, 10**9), min_size=1, max_size=60)


@settings(deadline=None)
@given(pairs=st.lists(st.tuples(KEYS, KEYS), max_size=60), held=st.integers(1, 40))
def test_pairs_come_in_order_and_equal_keys_as_they_were_added(pairs: list[tuple[str, str]], held: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        found = Sorter(Path(folder), held=held)
        for key, value in pairs:
            found.add(key, value)
        assert list(found) == list(found) == sorted(pairs, key=lambda pair: pair[0])


@settings(deadline=None)
@given(weights=WEIGHTS, amount=st.integers(0, 10**12), held=st.integers(1, 40))
def test_an_amount_on_disk_is_spread_as_one_in_memory(weights: list[int], amount: int, held: int) -> None:
    with tempfile.TemporaryDirectory() as folder, Spread(Path(folder), held) as found:
        for place, weight in enumerate(weights):
            found.add(weight, f"n{place}")
        parts = list(found.parts(amount))
    assert [minor for minor, _ in parts] == [p.amount_minor for p in allocate(Money(amount, "EUR"), weights)]
    assert [name for _, name in parts] == [f"n{place}" for place in range(len(weights))]


@settings(deadline=None)
@given(items=st.lists(st.tuples(st.integers(), KEYS), max_size=30))
def test_a_spool_gives_back_what_was_added_as_often_as_it_is_asked(items: list[tuple[int, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder, Spool[tuple[int, str]](Path(folder) / "spool") as kept:
        for item in items:
            kept.add(item)
        assert list(kept) == list(kept) == items


@settings(deadline=None)
@given(seed=st.sampled_from(SEEDS), cuts=st.sets(st.integers(0, 40)))
def test_sums_that_are_put_aside_anywhere_say_the_same(seed: int, cuts: set[int]) -> None:
    rows = mixed_run.rows(seed, 40)
    whole, pieces = Sums("EUR"), Sums("EUR")
    for place, row in enumerate(rows):
        whole.add(*row)
        pieces.add(*row)
        if place in cuts:
            pieces = Sums.load("EUR", numbers_json.loads(numbers_json.dumps(pieces.dump())))
    assert numbers_json.dumps(pieces.dump()) == numbers_json.dumps(whole.dump())
    for free in (False, True):
        assert texts(pieces, free=free) == at_once.lines(rows, free=free)
