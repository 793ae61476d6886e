"""Finding numbers and references in what payers write."""

from __future__ import annotations

import pytest

from roamclear.bank.service import NumberIndex, Strength, find_references

_NUMBERS = ["RC-2026-000012", "RC-2026-000112", "RC-2026-0001", "2026/00077", "Rg-77-1"]


def _found(text: str) -> dict[str, Strength]:
    return {found.number: found.strength for found in NumberIndex(_NUMBERS).find(text)}


@pytest.mark.parametrize(
    "text",
    [
        "RC-2026-000012",
        "rc 2026 000012",
        "R C 2 0 2 6 0 0 0 0 1 2",
        "RC2026OOOOl2",
        "Rechnung: RC.2026/000O12, danke",
        "RC-2026-\n000012",
        "(RC_2026_000012)",
    ],
)
def test_a_complete_number_is_found_in_any_dress(text: str) -> None:
    assert _found(text) == {"RC-2026-000012": Strength.COMPLETE}


@pytest.mark.parametrize("text", ["RC-2026-0000123", "RC-2026-00001", "RC-2026", "2026", "1RC-20260000", "2026/000770"])
def test_a_longer_shorter_or_other_number_is_not_found(text: str) -> None:
    assert _found(text) == {}


def test_the_longest_number_wins_over_one_that_begins_it() -> None:
    assert _found("RC-2026-000112") == {"RC-2026-000112": Strength.COMPLETE}
    assert set(NumberIndex(["RC-2026-0001", "RC-2026-00011"]).find("RC-2026-0001 1")) != set()


def test_a_digit_behind_a_blank_makes_a_number_doubtful() -> None:
    assert _found("Rg 77-1 7") == {"Rg-77-1": Strength.DOUBTFUL}
    assert _found("Rg 77-1, 7") == {"Rg-77-1": Strength.COMPLETE}
    assert _found("INVRC-2026-0001") == {"RC-2026-0001": Strength.TOUCHING}


def test_a_counter_filled_with_zeros_cannot_go_on() -> None:
    assert _found("RC-2026-0001 7.11.2026") == {"RC-2026-0001": Strength.COMPLETE}


def test_several_numbers_are_found_together() -> None:
    assert set(_found("RC-2026-000012 + RC-2026-000112; 2026 00077")) == {
        "RC-2026-000012",
        "RC-2026-000112",
        "2026/00077",
    }


def test_a_cut_number_is_found_by_five_digits_or_more() -> None:
    index = NumberIndex(_NUMBERS)
    assert index.by_suffix("00112") == ("RC-2026-000112",)
    assert index.by_suffix("0112") == ()
    assert index.by_suffix("Kunde 4711, 20260") == ()


def test_two_numbers_that_fold_alike_are_both_given() -> None:
    assert len(NumberIndex(["AB-1O01", "AB-1001"]).find("ab 1001")) == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("RF18539007547034", ["RF18539007547034"]),
        ("ref rf18 5390 0754 7034, thanks", ["RF18539007547034"]),
        ("RF18 5390 0754 7035", []),
        ("XRF18539007547034", []),
        ("RF18539007547034X", []),
        ("21 00000 00003 13947 14300 09017", ["210000000003139471430009017"]),
        ("000000000000000000000000000", []),
    ],
)
def test_references_in_free_text(text: str, expected: list[str]) -> None:
    assert [reference.value for reference in find_references(text)] == expected
