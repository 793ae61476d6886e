"""Same content, same hash; other content, other hash (rules.md 4)."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roamclear.kernel import numbers_json
from roamclear.ocpi.canonical import canonical, content_hash
from tests.support.builders import cdr

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(10**12), 10**12)
    | st.decimals(allow_nan=False, allow_infinity=False, min_value=-1000, max_value=1000, places=4)
    | st.text(max_size=12)
)
values: st.SearchStrategy[Any] = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=5),
    max_leaves=20,
)


def respelled(value: Any, rng: random.Random) -> Any:
    """The same content said in another way: order of keys, nulls, digits of numbers."""
    if isinstance(value, dict):
        pairs = [(k, respelled(v, rng)) for k, v in value.items()]
        rng.shuffle(pairs)
        if rng.random() < 0.5:
            pairs.append((f"absent-{rng.random()}", None))
        return dict(pairs)
    if isinstance(value, list):
        return [respelled(v, rng) for v in value]
    if isinstance(value, Decimal):
        return Decimal(f"{value:f}" + ("000" if "." in f"{value:f}" else ".000"))
    if isinstance(value, int) and not isinstance(value, bool):
        return Decimal(value).quantize(Decimal("1.00")) if rng.random() < 0.5 else value
    return value


@given(values, st.integers())
def test_another_spelling_has_the_same_hash(value: Any, seed: int) -> None:
    assert content_hash(respelled(value, random.Random(seed))) == content_hash(value)


@given(values)
def test_the_canonical_text_is_json_with_the_same_content(value: Any) -> None:
    text = canonical(value)
    assert canonical(numbers_json.loads(text)) == text


@given(values, values)
def test_different_texts_are_different_hashes(left: Any, right: Any) -> None:
    assert (canonical(left) == canonical(right)) is (content_hash(left) == content_hash(right))


@pytest.mark.parametrize(
    "change",
    [
        {"start_date_time": "2026-10-05T12:00:00+00:00"},
        {"start_date_time": "2026-10-05T12:00:00.0000000Z"},
        {"start_date_time": "2026-10-05 14:00:00+02:00"},
        {"id": "cdr-000001", "country_code": "de", "session_id": "s-000001"},
        {"last_updated": "2030-01-01T00:00:00Z"},
        {"total_energy": Decimal("2E+1")},
        {"remark": None},
    ],
)
def test_spellings_of_real_partners_are_the_same_content(change: dict[str, Any]) -> None:
    assert content_hash(cdr(1) | change) == content_hash(cdr(1))


@pytest.mark.parametrize(
    "change",
    [
        {"start_date_time": "2026-10-05T12:00:01Z"},
        {"total_energy": Decimal("20.0001")},
        {"remark": ""},
        {"currency": "eur"},
        {"total_energy": "20"},
        {"auth_method": "whitelist"},
        {"x": False},
    ],
)
def test_a_change_is_a_change(change: dict[str, Any]) -> None:
    assert content_hash(cdr(1) | change) != content_hash(cdr(1))
