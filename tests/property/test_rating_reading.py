"""Reading: whatever comes over the wire is a record or ``InvalidInput``, and rules never fall over a record."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from roamclear.cdrs import rules
from roamclear.kernel.errors import InvalidInput
from roamclear.rating.model import ChargeRecord
from roamclear.rating.service import normalise_cdr, normalise_tariff, rate, round_components, verify
from tests.unit.rating.build import BERLIN, component, element, tariff
from tests.unit.rating.test_normalise import CDR, cdr

quick = settings(max_examples=100, deadline=None)
numbers = st.one_of(
    st.integers(-(10**12), 10**12),
    st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**10), max_value=10**10, places=4),
    st.sampled_from([Decimal("1E+30"), Decimal("1E-30"), 0]),
)
texts = st.one_of(
    st.text(max_size=50),
    st.sampled_from(["2026-03-02T08:00:00Z", "1970-1-1T00:00:00Z", "9999-12-31T23:59:59Z", "EUR", "12.5", "#NA", "DE"]),
)
scalars = st.one_of(st.none(), st.booleans(), numbers, texts)
anything = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=8,
)
FIELDS = (*CDR, "tariffs", "credit", "credit_reference_id", "total_parking_time", "total_energy_cost", "signed_data")
NEXT_DAY = datetime(2026, 3, 3, tzinfo=UTC)
VERSIONS = st.sampled_from(["2.1.1", "2.2.1", "2.3.0"])
PRICE = tariff(
    element(component("ENERGY", "0.5", "19"), component("TIME", "1"), component("FLAT", "1"), end_time="12:00")
)


def refusal(read: Callable[[], object]) -> str | None:
    """The field a reading was refused for, None where it was read; any other error fails the test."""
    try:
        read()
    except InvalidInput as refused:
        return refused.field
    return None


def judge(raw: Any, version: str) -> ChargeRecord | None:
    """Read a CDR and let everything look at it that intake would."""
    field = refusal(lambda: normalise_cdr(raw, version))
    if field is not None:
        assert field != ""
        return None
    charge = normalise_cdr(raw, version)
    assert ChargeRecord.load(charge.dump()) == charge
    rules.check(charge, rules.Thresholds(), received_at=NEXT_DAY, evse_facts=rules.PlugFacts(time_zone=BERLIN))
    round_components(rate(charge, PRICE, time_zone=BERLIN), "EUR")
    verify(charge, BERLIN)
    return charge


@quick
@given(anything, VERSIONS)
def test_anything_is_read_or_refused(raw: Any, version: str) -> None:
    judge(raw, version)


@quick
@given(st.dictionaries(st.sampled_from(FIELDS), anything, max_size=4), VERSIONS)
def test_a_cdr_with_fields_gone_wild_is_read_or_refused(changes: dict[str, Any], version: str) -> None:
    judge(cdr(**changes), version)


@quick
@given(st.lists(st.tuples(texts, numbers), max_size=4), st.lists(texts, min_size=1, max_size=3))
def test_periods_gone_wild_are_read_or_refused(dimensions: list[tuple[str, Any]], starts: list[str]) -> None:
    rows = [{"type": name, "volume": volume} for name, volume in dimensions]
    judge(cdr(charging_periods=[{"start_date_time": s, "dimensions": rows} for s in starts]), "2.2.1")


@quick
@given(anything, VERSIONS)
def test_tariffs_are_read_or_refused(raw: Any, version: str) -> None:
    elements = [{"price_components": [{"type": "ENERGY", "price": 1, "step_size": raw}], "restrictions": raw}]
    for given_ in (raw, {"id": "T", "currency": "EUR", "elements": elements}):
        assert refusal(partial(normalise_tariff, given_, version)) != ""


@quick
@given(st.integers(0, 10**6), st.integers(2, 8))
def test_the_order_of_periods_in_the_message_does_not_matter(seed: int, count: int) -> None:
    rows = [
        {
            "start_date_time": f"2026-03-02T08:{i * 7:02}:00Z",
            "dimensions": [{"type": "ENERGY", "volume": Decimal(i) / 8}],
        }
        for i in range(count)
    ]
    shuffled = list(rows)
    random.Random(seed).shuffle(shuffled)
    ordered, other = judge(cdr(charging_periods=rows), "2.2.1"), judge(cdr(charging_periods=shuffled), "2.2.1")
    assert ordered is not None
    assert other is not None
    assert other.periods == ordered.periods
    assert rate(other, PRICE, time_zone=BERLIN).total_incl_vat == rate(ordered, PRICE, time_zone=BERLIN).total_incl_vat
