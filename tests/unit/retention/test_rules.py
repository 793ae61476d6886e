"""Terms of keeping: never shorter than the law, counted behind the current year (product.md row 138, D.6)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from roamclear.kernel.errors import InvalidInput
from roamclear.retention import rules
from roamclear.retention.model import DEFAULT_YEARS, RetentionChoice

TODAY = date(2026, 11, 21)


def choice(valid_from: date, *, state: str = "APPROVED", hour: int = 1, **terms: int | None) -> RetentionChoice:
    return RetentionChoice(
        issuer_id="voltwerk",
        choice_id=f"{valid_from}{hour}",
        valid_from=valid_from,
        reason="asked for by the auditor",
        state=state,
        made_by="anna",
        made_at_utc=datetime(2026, 1, 1, tzinfo=UTC),
        decided_at_utc=datetime(2026, 1, 1, hour, tzinfo=UTC),
        **terms,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("country", "years"),
    [("DE", 8), ("BE", 10), ("FR", 10), ("IT", 10), ("NL", 7), ("ES", 6), ("PL", 5), ("AT", 7), ("LU", 10), ("HR", 11)],
)
def test_what_the_law_of_a_country_asks_for_today(country: str, years: int) -> None:
    found = rules.terms("voltwerk", country, "UTC", (), TODAY)
    assert found.legal_years == years
    assert found.legal_source
    assert found.document_years == max(10, years), "ten years at least, longer where the law is longer"
    assert found.detail_years == years, "the detail stays as long as the law wants its invoice kept"


def test_a_term_of_the_table_has_its_day() -> None:
    assert rules.terms("voltwerk", "DE", "UTC", (), date(2024, 12, 31)).legal_years == 10
    assert rules.terms("voltwerk", "DE", "UTC", (), date(2025, 1, 1)).legal_years == 8


def test_a_country_that_the_table_does_not_know_has_the_default() -> None:
    found = rules.terms("voltwerk", "IE", "UTC", (), TODAY)
    assert (found.legal_years, found.document_years, found.detail_years) == (None, DEFAULT_YEARS, DEFAULT_YEARS)


def test_the_table_is_in_order_of_its_days() -> None:
    for country, found in rules.LEGAL.items():
        assert [t.since for t in found] == sorted(t.since for t in found), country


def test_the_choice_that_begins_last_counts_and_only_from_its_day() -> None:
    made = [
        choice(date(2026, 1, 1), document_years=12),
        choice(date(2027, 1, 1), document_years=15),
        choice(date(2026, 6, 1), document_years=40, state="PROPOSED"),
        choice(date(2026, 6, 1), document_years=45, state="WITHDRAWN", hour=5),
    ]
    years = {day: rules.terms("v", "DE", "UTC", made, day).document_years for day in
             (date(2025, 12, 31), date(2026, 1, 1), TODAY, date(2027, 1, 1))}  # fmt: skip
    assert list(years.values()) == [10, 12, 12, 15]


def test_of_two_choices_of_one_day_the_one_decided_last_counts() -> None:
    made = [choice(TODAY, document_years=20, hour=2), choice(TODAY, document_years=13, hour=9)]
    assert rules.terms("v", "DE", "UTC", made, TODAY).document_years == 13


def test_a_choice_never_beats_the_law() -> None:
    """The country of an issuer may change after it chose."""
    made = [choice(TODAY, document_years=10)]
    assert rules.terms("v", "HR", "UTC", made, TODAY).document_years == 11


def test_a_choice_shorter_than_the_law_or_in_the_past_is_refused_by_field() -> None:
    for made, country, field in (
        (choice(TODAY, document_years=10), "HR", "document_years"),
        (choice(TODAY - timedelta(days=1), document_years=10), "DE", "valid_from"),
        (choice(TODAY), "DE", "document_years"),
    ):
        with pytest.raises(InvalidInput) as refused:
            rules.require(made, country, TODAY)
        assert refused.value.field == field
    rules.require(choice(TODAY, detail_months=12), "HR", TODAY)


@pytest.mark.parametrize(("field", "value"), [("document_years", 9), ("detail_months", 11), ("document_years", 51)])
def test_limits_of_a_choice(field: str, value: int) -> None:
    with pytest.raises(ValueError, match=field):
        choice(TODAY, **{field: value})


@pytest.mark.parametrize("day", [datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 12, 31, 22, 59, tzinfo=UTC)])
def test_ten_years_behind_the_current_one_by_the_issuers_calendar(day: datetime) -> None:
    assert rules.end_of(10, day, "Europe/Berlin") == datetime(2036, 12, 31, 23, tzinfo=UTC)


@pytest.mark.parametrize("day", range(0, 366, 7))
def test_a_term_is_never_shorter_than_the_default_of_the_bucket(day: int) -> None:
    at = datetime(2027, 1, 1, 12, tzinfo=UTC) + timedelta(days=day)
    assert rules.end_of(10, at, "Europe/Berlin") - at >= timedelta(days=3653) - timedelta(days=1)
    assert rules.end_of(10, at, "Europe/Berlin") - at >= timedelta(days=3652, hours=11)


def test_detail_is_kept_for_whole_months_or_for_the_years_of_the_law() -> None:
    at = datetime(2026, 12, 31, 23, 30, tzinfo=UTC)  # January in Berlin
    months = rules.terms("v", "DE", "Europe/Berlin", [choice(date(2026, 1, 1), detail_months=24)], TODAY)
    assert rules.detail_until(months, at) == datetime(2029, 1, 31, 23, tzinfo=UTC)
    years = rules.terms("v", "DE", "Europe/Berlin", (), TODAY)
    assert rules.detail_until(years, at) == datetime(2035, 12, 31, 23, tzinfo=UTC)
