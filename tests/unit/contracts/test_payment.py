"""Due dates at the ends of months and years, and never before the issue."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roamclear.contracts.payment import PaymentRule, due
from roamclear.contracts.rules import due_date
from tests.support import builders as b

DATES = st.dates(date(2026, 1, 1), date(2030, 12, 31))


@pytest.mark.parametrize(
    ("issue", "terms", "expected"),
    [
        ("2026-11-09", {"payment_days": 30}, "2026-12-09"),
        ("2026-11-09", {"payment_days": 0}, "2026-11-09"),
        ("2026-11-09", {"payment_rule": "END_OF_MONTH", "payment_days": 0}, "2026-11-30"),
        ("2027-02-09", {"payment_rule": "END_OF_MONTH", "payment_days": 10}, "2027-03-10"),
        ("2026-12-31", {"payment_rule": "END_OF_MONTH", "payment_days": 30}, "2027-01-30"),
        ("2026-11-09", {"payment_rule": "FIXED_DAY", "payment_day": 15}, "2026-12-15"),
        ("2026-11-09", {"payment_rule": "FIXED_DAY", "payment_day": 15, "payment_months": 0}, "2026-11-15"),
        ("2026-11-16", {"payment_rule": "FIXED_DAY", "payment_day": 15, "payment_months": 0}, "2026-12-15"),
        ("2026-12-09", {"payment_rule": "FIXED_DAY", "payment_day": 31, "payment_months": 2}, "2027-02-28"),
        ("2028-01-31", {"payment_rule": "FIXED_DAY", "payment_day": 30}, "2028-02-29"),
    ],
)
def test_due_dates(issue: str, terms: dict[str, object], expected: str) -> None:
    assert due_date(date.fromisoformat(issue), b.terms(**terms)).isoformat() == expected


@given(DATES, st.sampled_from(list(PaymentRule)), st.integers(0, 90), st.integers(1, 31), st.integers(0, 3))
def test_a_due_date_never_lies_before_the_issue(
    issue: date, rule: PaymentRule, days: int, day: int, months: int
) -> None:
    found = due(issue, rule, days=days, day=day, months=months)
    assert issue <= found <= issue + timedelta(days=31 * 4 + days)
