"""JSON keeps every digit and refuses what cannot be kept."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roamclear.kernel.errors import InvalidInput
from roamclear.kernel.numbers_json import dumps, loads

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NUMBERS = st.one_of(
    st.integers(-(10**30), 10**30),
    st.decimals(-(10**12), 10**12, places=9, allow_nan=False, allow_infinity=False),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), TEXT, NUMBERS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXT, inner, max_size=4)),
    max_leaves=20,
)


def digits(value: Any) -> Any:
    """A value whose numbers are their texts, so that 1.10 and 1.1 differ."""
    if isinstance(value, dict):
        return {k: digits(v) for k, v in value.items()}
    if isinstance(value, list):
        return [digits(v) for v in value]
    return ("number", str(value)) if isinstance(value, int | Decimal) and not isinstance(value, bool) else value


@given(VALUES)
def test_there_and_back_digit_for_digit(value: Any) -> None:
    assert digits(loads(dumps(value).encode())) == digits(value)


@given(st.text(max_size=60))
def test_anything_read_can_be_written(text: str) -> None:
    try:
        value = loads(text)
    except InvalidInput:
        return
    dumps(value).encode()


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"NaN", b"[Infinity]", b"[-Infinity]", b"1e999", b"1e99999999999999999999", b"\xff",
        b"[" * 40 + b"]" * 40, b"[" * 100_000, b"1" * 35, b"0." + b"1" * 35, b'{"a": "\\ud800"}', b'"\\udc00x"',
    ],
)  # fmt: skip
def test_what_cannot_be_kept_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidInput):
        loads(body)


def test_a_whole_character_of_two_halves_is_read() -> None:
    assert loads(b'"\\ud83d\\ude00"') == "\U0001f600"
    assert loads(b"\xef\xbb\xbf1.10") == Decimal("1.10")


def test_the_limit_counts_bytes() -> None:
    assert loads(b"12345", limit_bytes=5) == 12345
    with pytest.raises(InvalidInput):
        loads(b"123456", limit_bytes=5)
