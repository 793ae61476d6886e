"""Sums of documents, for any lines."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from roamclear.documents.checks import line_adds_up, missing
from roamclear.documents.model import Component, Line, Unit, VatCategory
from roamclear.documents.totals import tax_of, totals, vat_breakdown
from roamclear.kernel.money import Money, total
from tests.unit.documents import samples

RATES = st.sampled_from([Decimal("19"), Decimal("19.0"), Decimal("20"), Decimal("7"), Decimal("5.5")])


@st.composite
def lines(draw: st.DrawFn) -> Line:
    """A line with any rounded amount, signed like its quantity."""
    sign = draw(st.sampled_from([1, 1, 1, -1]))
    quantity = draw(st.decimals(min_value="0.001", max_value="99999", places=3))
    return Line(
        component=Component.ENERGY,
        quantity=sign * quantity,
        unit=Unit.KWH,
        net=Money(sign * draw(st.integers(0, 10**9)), "EUR"),
        vat_category=VatCategory.STANDARD,
        vat_rate=draw(RATES),
    )


@settings(deadline=None)
@given(st.lists(lines(), min_size=1, max_size=30))
def test_the_breakdown_holds_the_whole_document(given_lines: list[Line]) -> None:
    rows = vat_breakdown(given_lines, "EUR")
    found = totals(rows, "EUR")
    assert found.net == total((line.net for line in given_lines), "EUR")
    assert found.gross == found.net + found.tax == found.due
    assert len({(r.category, r.rate) for r in rows}) == len(rows)
    assert all(row.tax == tax_of(row.taxable, row.rate) for row in rows)


@settings(deadline=None)
@given(st.lists(lines(), min_size=1, max_size=12))
def test_any_document_of_whole_lines_passes_the_checks(given_lines: list[Line]) -> None:
    assert all(line_adds_up(line) for line in given_lines)
    document = samples.document(tuple(given_lines))
    allowed = ("totals.gross: is negative",)
    assert [f for f in missing(document) if not f.startswith(allowed)] == []


def test_vat_is_rounded_once_on_the_sum() -> None:
    small = [samples.energy("1", "0.13") for _ in range(100)]
    (row,) = vat_breakdown(small, "EUR")
    # A hundred roundings of 0.0247 would give 2.00; one on the sum gives 2.47.
    assert row.tax == Money(247, "EUR")


def test_twenty_percent_is_not_written_as_an_exponent() -> None:
    (row,) = vat_breakdown([samples.energy("1", "1", vat_rate=Decimal("20.00"))], "EUR")
    assert str(row.rate) == "20"
