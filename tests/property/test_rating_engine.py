"""What must hold for every tariff and every session (issue text, Rating: property and metamorphic tests)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal, localcontext
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from roamclear.kernel.money import total
from roamclear.rating.model import ChargeRecord, Dimension, Period, Rating, Tariff, TariffElement
from roamclear.rating.service import rate, round_components
from tests.unit.rating.build import BERLIN, component, element, session, tariff

DAYS = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")
TYPES = ("ENERGY", "TIME", "PARKING_TIME", "FLAT")
WINTER = datetime(2026, 1, 5, tzinfo=UTC)
# How long drawing takes says how busy the machine is, nothing about the engine.
quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])

prices = st.decimals(0, 5, places=3)
volumes = st.decimals(0, 60, places=4)
whole_wh = st.decimals(0, 60, places=3)
clocks = st.integers(0, 95).map(lambda q: f"{q // 4:02}:{q % 4 * 15:02}")


@st.composite
def components(draw: st.DrawFn, steps: st.SearchStrategy[int]) -> dict[str, Any]:
    vat = draw(st.one_of(st.none(), st.sampled_from(["0", "7", "19", "21"])))
    return component(draw(st.sampled_from(TYPES)), str(draw(prices)), vat, draw(steps))


@st.composite
def restrictions(draw: st.DrawFn, kinds: tuple[str, ...]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    chosen = draw(st.sets(st.sampled_from(kinds), max_size=2))
    if "clock" in chosen:
        found |= {"start_time": draw(clocks), "end_time": draw(clocks)}
    if "days" in chosen:
        found["day_of_week"] = sorted(draw(st.sets(st.sampled_from(DAYS), min_size=1)))
    for name, low, high in (("kwh", 0, 40), ("duration", 0, 10_000), ("power", 1, 60), ("current", 1, 60)):
        if name in chosen:
            side = draw(st.sampled_from(["min", "max"]))
            found[f"{side}_{name}"] = Decimal(draw(st.integers(low, high)))
    return found


ALL = ("clock", "days", "kwh", "duration", "power", "current")


@st.composite
def tariffs(
    draw: st.DrawFn, kinds: tuple[str, ...] = ALL, steps: st.SearchStrategy[int] = st.sampled_from([0, 1, 60, 900])
) -> Tariff:
    rows = draw(
        st.lists(
            st.tuples(st.lists(components(steps), min_size=1, max_size=3), restrictions(kinds)), min_size=1, max_size=6
        )
    )
    return tariff(*[element(*given_, **limits) for given_, limits in rows])


@st.composite
def charges(draw: st.DrawFn, energies: st.SearchStrategy[Decimal] = volumes) -> ChargeRecord:
    rows = []
    for _ in range(draw(st.integers(1, 5))):
        row: dict[str, Any] = {"minutes": draw(st.integers(1, 300)), "ENERGY": draw(energies), "TIME": draw(volumes)}
        if draw(st.booleans()):
            row["PARKING_TIME"] = draw(volumes)
        if draw(st.booleans()):
            low = draw(st.integers(0, 60))
            row |= {"MIN_POWER": low, "MAX_POWER": low + 5, "MIN_CURRENT": low, "MAX_CURRENT": low + 5}
        rows.append(row)
    start = WINTER + timedelta(minutes=draw(st.integers(0, 14 * 24 * 60)))
    return session(*rows, start=start)


def price(charge: ChargeRecord, with_: Tariff, zone: str = BERLIN) -> Rating:
    return rate(charge, with_, time_zone=zone)


def naive(charge: ChargeRecord, with_: Tariff, zone: str) -> Decimal:
    """The rules once more, written without any thought of speed: the oracle."""
    place = ZoneInfo(zone)
    drawn, flat = Decimal(0), False
    used: dict[str, list[tuple[Any, Decimal]]] = {"ENERGY": [], "TIME": [], "PARKING_TIME": [], "FLAT": []}
    for period in charge.periods:
        volume = {d.type: d.volume for d in period.dimensions}
        local = period.start.astimezone(place)
        lasted = Decimal(int((period.start - charge.start) / timedelta(seconds=1)))
        active = [e for e in with_.elements if naive_match(e, local, lasted, drawn, volume)]
        for name in ("ENERGY", "TIME", "PARKING_TIME"):
            first = next((c for e in active for c in e.components if c.type == name), None)
            if first is not None and volume.get(name):
                used[name].append((first, volume[name] * (1000 if name == "ENERGY" else 3600)))
        fee = next((c for e in active for c in e.components if c.type == "FLAT"), None)
        if fee is not None and not flat:
            flat = True
            used["FLAT"].append((fee, Decimal(1)))
        drawn += volume.get("ENERGY", Decimal(0))
    with localcontext() as context:
        context.prec = 60
        cost = sum((c.price * v for c, v in used["FLAT"]), Decimal(0))
        for name, scale in (("ENERGY", 1000), ("TIME", 3600), ("PARKING_TIME", 3600)):
            rows = used[name]
            if not rows:
                continue
            amount = sum((v for _, v in rows), Decimal(0))
            step, billed = rows[-1][0].step_size, amount
            if step > 0 and not (name == "TIME" and used["PARKING_TIME"]):
                whole = amount if name == "ENERGY" else amount.to_integral_value(ROUND_HALF_UP)
                billed = (whole / step).to_integral_value(ROUND_CEILING) * step
            added = sum((c.price * v for c, v in rows), Decimal(0)) + rows[-1][0].price * (billed - amount)
            cost += added / scale
        return cost


def naive_match(e: TariffElement, local: datetime, lasted: Decimal, drawn: Decimal, volume: dict[str, Decimal]) -> bool:
    r = e.restrictions
    if r is None:
        return True
    minute = local.hour * 60 + local.minute
    start, end = r.start_minute, r.end_minute
    if start is not None and end is not None and start != end:
        inside = start <= minute < end if end > start else (minute >= start or minute < end)
        if end == 0:
            inside = minute >= start
        if not inside:
            return False
    if r.weekdays and local.weekday() not in r.weekdays:
        return False
    checks = [
        (r.min_kwh, drawn, True),
        (r.max_kwh, drawn, False),
        (r.min_duration_s, lasted, True),
        (r.max_duration_s, lasted, False),
        (r.min_power, volume.get("MIN_POWER"), True),
        (r.max_power, volume.get("MAX_POWER"), False),
        (r.min_current, volume.get("MIN_CURRENT"), True),
        (r.max_current, volume.get("MAX_CURRENT"), False),
    ]
    return all(b is None or v is None or (v >= b if is_min else v < b) for b, v, is_min in checks)


@quick
@given(charges(), tariffs())
def test_the_engine_agrees_with_the_naive_reading(charge: ChargeRecord, with_: Tariff) -> None:
    computed = price(charge, with_).total_excl_vat
    assert computed is not None
    assert abs(computed - naive(charge, with_, BERLIN)) < Decimal("1e-25")


@quick
@given(charges(), tariffs(kinds=("days",)), st.data())
def test_splitting_a_period_changes_nothing(charge: ChargeRecord, with_: Tariff, data: st.DataObject) -> None:
    """Parts that select the same components cost the same as the whole."""
    index = data.draw(st.integers(0, len(charge.periods) - 1))
    period = charge.periods[index]
    end = charge.periods[index + 1].start if index + 1 < len(charge.periods) else charge.end
    middle = period.start + (end - period.start) / 2
    assume(middle.astimezone(ZoneInfo(BERLIN)).date() == period.start.astimezone(ZoneInfo(BERLIN)).date())
    taken = data.draw(st.decimals(0, 1, places=3))
    first = tuple(Dimension(type=d.type, volume=part(d, taken)) for d in period.dimensions)
    second = tuple(Dimension(type=d.type, volume=part(d, 1 - taken)) for d in period.dimensions)
    parts = (Period(start=period.start, dimensions=first), Period(start=middle, dimensions=second))
    split = charge.model_copy(update={"periods": (*charge.periods[:index], *parts, *charge.periods[index + 1 :])})
    assert price(split, with_).total_excl_vat == price(charge, with_).total_excl_vat
    assert price(split, with_).total_incl_vat == price(charge, with_).total_incl_vat


def part(dimension: Dimension, share: Decimal) -> Decimal:
    is_bound = dimension.type.startswith(("MIN_", "MAX_"))
    return dimension.volume if is_bound else dimension.volume * share


@quick
@given(charges(), tariffs(), tariffs())
def test_an_element_behind_a_plain_one_is_never_asked(charge: ChargeRecord, with_: Tariff, behind: Tariff) -> None:
    plain = element(*[component(t, "1.5", "19") for t in TYPES])
    closed = with_.model_copy(update={"elements": (*with_.elements, *tariff(plain).elements)})
    longer = closed.model_copy(update={"elements": (*closed.elements, *behind.elements)})
    assert price(charge, longer).total_incl_vat == price(charge, closed).total_incl_vat


@quick
@given(charges(), tariffs())
def test_a_plain_element_in_front_takes_everything(charge: ChargeRecord, with_: Tariff) -> None:
    plain = tariff(element(*[component(t, "1.5", "19") for t in TYPES]))
    led = with_.model_copy(update={"elements": (*plain.elements, *with_.elements)})
    assert price(charge, led).total_incl_vat == price(charge, plain).total_incl_vat


@quick
@given(charges(), tariffs(), st.data())
def test_order_matters_only_within_a_dimension(charge: ChargeRecord, with_: Tariff, data: st.DataObject) -> None:
    """Neighbours that price different dimensions may change places."""
    assume(len(with_.elements) > 1)
    i = data.draw(st.integers(0, len(with_.elements) - 2))
    left, right = with_.elements[i], with_.elements[i + 1]
    assume({c.type for c in left.components}.isdisjoint({c.type for c in right.components}))
    swapped = (*with_.elements[:i], right, left, *with_.elements[i + 2 :])
    other = with_.model_copy(update={"elements": swapped})
    assert price(charge, other).total_incl_vat == price(charge, with_).total_incl_vat


@quick
@given(charges(whole_wh), tariffs(kinds=("clock", "days", "duration"), steps=st.sampled_from([0, 1])), st.data())
def test_more_energy_never_costs_less(charge: ChargeRecord, with_: Tariff, data: st.DataObject) -> None:
    """In whole Wh: a step of 1 bills the missing part of a Wh at the last price, which more energy elsewhere spares."""
    more = with_energy(charge, data.draw(st.integers(0, len(charge.periods) - 1)), data.draw(whole_wh))
    grown, before = price(more, with_).total_excl_vat, price(charge, with_).total_excl_vat
    assert grown is not None
    assert before is not None
    assert grown >= before


@quick
@given(charges(whole_wh), tariffs(kinds=("clock", "days", "duration", "kwh"), steps=st.sampled_from([0, 1])), whole_wh)
def test_more_energy_at_the_end_never_costs_less(charge: ChargeRecord, with_: Tariff, added: Decimal) -> None:
    """With prices by running energy: what flows last cannot make cheaper what flowed before."""
    more = with_energy(charge, len(charge.periods) - 1, added)
    grown, before = price(more, with_).total_excl_vat, price(charge, with_).total_excl_vat
    assert grown is not None
    assert before is not None
    assert grown >= before


def with_energy(charge: ChargeRecord, index: int, added: Decimal) -> ChargeRecord:
    def grow(d: Dimension) -> Dimension:
        return Dimension(type=d.type, volume=d.volume + added) if d.type == "ENERGY" else d

    periods = list(charge.periods)
    periods[index] = periods[index].model_copy(update={"dimensions": tuple(map(grow, periods[index].dimensions))})
    return charge.model_copy(update={"periods": tuple(periods)})


@quick
@given(charges(), tariffs())
def test_vat_is_that_of_the_lines(charge: ChargeRecord, with_: Tariff) -> None:
    rating = price(charge, with_)
    with localcontext() as context:
        context.prec = 60
        gross = sum((line.amount * (100 + (line.vat or 0)) / 100 for line in rating.lines), Decimal(0))
        assert rating.total_incl_vat is not None
        assert abs(gross - rating.total_incl_vat) < Decimal("1e-20")
        segments = [s.amount for s in rating.trace if s.kind == "SEGMENT" and s.amount is not None]
        assert rating.total_excl_vat is not None
        assert abs(sum(segments, Decimal(0)) - rating.total_excl_vat) < Decimal("1e-20")


@quick
@given(charges(), tariffs(), st.decimals(0, 50, places=2), st.decimals(0, 50, places=2))
def test_limits_bound_both_totals(charge: ChargeRecord, with_: Tariff, low: Decimal, spread: Decimal) -> None:
    limits = {"excl_vat": low, "incl_vat": low * 2}, {"excl_vat": low + spread, "incl_vat": (low + spread) * 2}
    plain = price(charge, with_)
    bound = price(charge, Tariff.load({**with_.dump(), "min_price": limits[0], "max_price": limits[1]}))
    assert plain.total_excl_vat is not None
    assert plain.total_incl_vat is not None
    assert bound.total_excl_vat == min(max(plain.total_excl_vat, low), low + spread)
    assert bound.total_incl_vat == min(max(plain.total_incl_vat, low * 2), (low + spread) * 2)


@quick
@given(charges(), tariffs(), st.one_of(st.none(), st.decimals(0, 20, places=2)))
def test_minor_units_add_up(charge: ChargeRecord, with_: Tariff, cap: Decimal | None) -> None:
    limited = with_ if cap is None else Tariff.load({**with_.dump(), "max_price": {"excl_vat": cap}})
    rating = price(charge, limited)
    rounded = round_components(rating, "EUR")
    added = total((r.net for r in rounded), "EUR").to_decimal()
    assert rating.total_excl_vat is not None
    if any(line.component == "CAP" for line in rating.lines):
        assert added == cap
    else:
        assert abs(added - rating.total_excl_vat) <= Decimal("0.005") * len(rounded)


@quick
@given(charges(), tariffs(steps=st.sampled_from([1, 60, 900])))
def test_billed_quantities_cover_what_was_measured(charge: ChargeRecord, with_: Tariff) -> None:
    """Never less than measured but for the rounding of hours, and never a step more than needed."""
    rating = price(charge, with_)
    for name, billed, size in (("ENERGY", rating.billed.energy_wh, 1000), ("PARKING", rating.billed.parking_s, 3600)):
        measured = sum(
            (s.measured or Decimal(0) for s in rating.trace if s.kind == "SEGMENT" and s.component == name), Decimal(0)
        )
        assert Decimal("-0.5") <= billed - measured * size < 900


@quick
@given(charges(), tariffs())
def test_a_rating_is_a_function_of_its_input(charge: ChargeRecord, with_: Tariff) -> None:
    again = price(ChargeRecord.load(charge.dump()), Tariff.load(with_.dump()))
    assert again == price(charge, with_)


def moved(by: Callable[[datetime], datetime], charge: ChargeRecord) -> ChargeRecord:
    periods = tuple(p.model_copy(update={"start": by(p.start)}) for p in charge.periods)
    return charge.model_copy(update={"periods": periods, "start": by(charge.start), "end": by(charge.end)})


@pytest.mark.parametrize("zone", [BERLIN, "Europe/London", "Australia/Lord_Howe"])
@quick
@given(charge=charges(), with_=tariffs())
def test_the_same_wall_clock_in_summer_costs_the_same(zone: str, charge: ChargeRecord, with_: Tariff) -> None:
    """A session at the same local times 26 weeks later, beyond the clock change, has the same price."""
    place = ZoneInfo(zone)

    def later(at: datetime) -> datetime:
        return (at.astimezone(place).replace(tzinfo=None) + timedelta(weeks=26)).replace(tzinfo=place).astimezone(UTC)

    summer = moved(later, charge)
    assert summer.end - summer.start == charge.end - charge.start
    assert price(summer, with_, zone).total_incl_vat == price(charge, with_, zone).total_incl_vat


@quick
@given(charges(), tariffs(), st.integers(-12, 12))
def test_only_the_wall_clock_counts(charge: ChargeRecord, with_: Tariff, offset: int) -> None:
    """Moving the session and the zone together changes nothing."""
    there = moved(lambda at: at - timedelta(hours=offset), charge)
    zone = "Etc/GMT" if offset == 0 else f"Etc/GMT{-offset:+d}"
    assert price(there, with_, zone).total_incl_vat == price(charge, with_, "Etc/UTC").total_incl_vat


@pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25"])
@quick
@given(begin=st.integers(-6 * 60, 6 * 60), minutes=st.integers(1, 600), with_=tariffs(kinds=("clock", "days")))
def test_minute_by_minute_through_the_clock_change(day: str, begin: int, minutes: int, with_: Tariff) -> None:
    """One minute periods over the change cost what each real minute costs by its own wall clock."""
    start = datetime.fromisoformat(day).replace(tzinfo=UTC) + timedelta(minutes=begin)
    step = max(1, minutes // 40)
    charge = session(*[{"minutes": step, "ENERGY": "0.5"}] * (minutes // step), start=start)
    rows = [c for e in with_.elements for c in e.components]
    assume(all(c.step_size <= 1 or c.type != "ENERGY" for c in rows))
    singles = Decimal(0)
    for period in charge.periods:
        alone = charge.model_copy(update={"periods": (period,), "start": period.start})
        energy = price(alone, with_).subtotals.energy
        assert energy is not None
        singles += energy
    assert price(charge, with_).subtotals.energy == singles
