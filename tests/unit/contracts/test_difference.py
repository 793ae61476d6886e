"""The difference between two versions: lines by their id, fields by their path, equal numbers equal."""

from __future__ import annotations

from datetime import UTC, date, datetime

from roamclear.contracts.difference import difference
from roamclear.contracts.model import ContractVersion
from tests.support import builders as b


def version(number: int, **changes: object) -> ContractVersion:
    return ContractVersion(
        issuer_id=b.ISSUER, contract_id="C-1", version=number, valid_from=date(2026, 1, 1), terms=b.terms(**changes),
        author="ada", recorded_at_utc=datetime(2026, 1, 1, tzinfo=UTC),
    )  # fmt: skip


def line(name: str, kwh: str, **changes: object) -> dict[str, object]:
    return {"id": name, "tariff": b.tariff(kwh)} | changes


def test_lines_are_added_removed_and_changed_field_by_field() -> None:
    old = version(1, grid=(line("standard", "0.39"), line("fleet", "0.35", priority=5)))
    new = version(2, grid=(line("ac", "0.29"), line("standard", "0.42")), payment_days=14)
    found = difference(old, new)
    assert (found.from_version, found.to_version) == (1, 2)
    assert [(c.line_id, c.kind) for c in found.grid] == [("standard", "CHANGED"), ("fleet", "REMOVED"), ("ac", "ADDED")]
    (price,) = found.grid[0].fields
    assert price.path == "tariff.elements.0.price_components.0.price"
    assert (str(price.before), str(price.after)) == ("0.39", "0.42")
    assert all(f.after is None for f in found.grid[1].fields)
    assert [(f.path, f.before, f.after) for f in found.terms] == [("payment_days", 30, 14)]


def test_the_same_numbers_in_other_digits_are_no_change() -> None:
    found = difference(version(1, grid=(line("a", "0.390"),)), version(2, grid=(line("a", "0.39"),)))
    assert (found.grid, found.terms) == ((), ())


def test_a_field_that_appears_is_told_and_one_withheld_is_not() -> None:
    limit = {"amount_minor": 500_000, "currency": "EUR"}
    found = difference(version(1), version(2, credit_limit=limit, payment_days=10), without=frozenset({"credit_limit"}))
    assert [f.path for f in found.terms] == ["payment_days"]
    shown = difference(version(1), version(2, credit_limit=limit))
    assert [(f.path, f.before, f.after) for f in shown.terms] == [
        ("credit_limit.amount_minor", None, 500_000),
        ("credit_limit.currency", None, "EUR"),
    ]
