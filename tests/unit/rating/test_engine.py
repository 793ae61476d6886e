"""Choice, steps, fees, limits and taxes beyond what the specification works out by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from roamclear.kernel.errors import InvalidInput
from roamclear.rating.model import Rating
from tests.unit.rating.build import BERLIN, MONDAY, component, element, price, session, tariff

DAY_NIGHT = tariff(
    element(component("ENERGY", "0.50"), start_time="06:00", end_time="22:00"),
    element(component("ENERGY", "0.30")),
)


def local(text: str) -> datetime:
    """A Berlin wall-clock time of winter as an instant."""
    return datetime.fromisoformat(text + "+01:00").astimezone(UTC)


@pytest.mark.parametrize(
    ("clock", "expected"),
    [("05:59:59", "0.30"), ("06:00:00", "0.50"), ("21:59:59", "0.50"), ("22:00:00", "0.30"), ("00:00:00", "0.30")],
)
def test_start_is_inclusive_and_end_exclusive(clock: str, expected: str) -> None:
    rating = price(session({"minutes": "0.01", "ENERGY": "1"}, start=local(f"2026-01-14T{clock}")), DAY_NIGHT)
    assert rating.total_excl_vat == Decimal(expected)


@pytest.mark.parametrize(
    ("start", "end", "clock", "matches"),
    [
        ("22:00", "06:00", "23:00", True),
        ("22:00", "06:00", "05:59", True),
        ("22:00", "06:00", "06:00", False),
        ("20:00", "00:00", "23:59", True),
        ("20:00", "00:00", "00:00", False),
        ("07:00", "07:00", "03:00", True),
        ("20:00", None, "23:59", True),
        (None, "08:00", "08:00", False),
        (None, "24:00", "12:00", True),
    ],
)
def test_windows_that_wrap_or_have_one_side(start: str | None, end: str | None, clock: str, matches: bool) -> None:
    given = {k: v for k, v in (("start_time", start), ("end_time", end)) if v is not None}
    rules = tariff(element(component("ENERGY", "1"), **given))
    rating = price(session({"minutes": 1, "ENERGY": "1"}, start=local(f"2026-01-14T{clock}:00")), rules)
    assert (rating.total_excl_vat == 1) is matches


def test_dimensions_are_looked_up_on_their_own_and_the_first_element_wins() -> None:
    rules = tariff(
        element(component("TIME", "1")),
        element(component("TIME", "9"), component("ENERGY", "0.2")),
        element(component("ENERGY", "9")),
    )
    rating = price(session({"minutes": 60, "TIME": "1", "ENERGY": "10"}), rules)
    assert (rating.subtotals.time, rating.subtotals.energy) == (Decimal(1), Decimal(2))


def test_dates_and_weekdays_are_those_of_the_place() -> None:
    rules = tariff(
        element(component("ENERGY", "5"), start_date="2026-01-15", end_date="2026-01-16", day_of_week=["THURSDAY"]),
        element(component("ENERGY", "1")),
    )
    inside = session({"minutes": 30, "ENERGY": "1"}, start=local("2026-01-15T00:00:00"))
    after = session({"minutes": 30, "ENERGY": "1"}, start=local("2026-01-16T00:00:00"))
    assert price(inside, rules).total_excl_vat == 5
    assert price(after, rules).total_excl_vat == 1
    assert price(inside, rules, "America/New_York").total_excl_vat == 1


def test_running_energy_and_duration() -> None:
    rules = tariff(
        element(component("ENERGY", "0"), max_kwh=Decimal(1)),
        element(component("ENERGY", "0.2"), max_duration=Decimal(3600)),
        element(component("ENERGY", "0.4"), min_duration=Decimal(3600)),
    )
    charge = session({"minutes": 10, "ENERGY": "1"}, {"minutes": 50, "ENERGY": "9"}, {"minutes": 10, "ENERGY": "1"})
    rating = price(charge, rules)
    assert rating.total_excl_vat == Decimal("2.2")
    assert "PERIOD_SPANS_PRICE_CHANGE" not in rating.flags


def test_current_and_power_bounds() -> None:
    rules = tariff(
        element(component("ENERGY", "1"), max_current=Decimal(16)),
        element(component("ENERGY", "2"), min_power=Decimal(50)),
        element(component("ENERGY", "3")),
    )

    def total(**dimensions: str) -> Decimal | None:
        return price(session({"ENERGY": "1", **dimensions}), rules).total_excl_vat

    assert total(MAX_CURRENT="15.9") == 1
    assert total(MAX_CURRENT="16", MIN_POWER="50") == 2
    assert total(MAX_CURRENT="16", MIN_POWER="49.9") == 3
    assert total() == 1, "a restriction on what the period does not tell is passed over"
    assert total(MIN_CURRENT="20", MAX_POWER="30") == 3, "the other bound decides what follows from it"


def test_a_period_into_another_price_is_flagged_and_held_on_request() -> None:
    charge = session({"minutes": 60, "ENERGY": "10"}, start=local("2026-01-14T21:30:00"))
    started = price(charge, DAY_NIGHT)
    assert (started.total_excl_vat, started.hold_reasons) == (Decimal(5), ())
    assert "PERIOD_SPANS_PRICE_CHANGE" in started.flags
    held = price(charge, DAY_NIGHT, on_span="HOLD")
    assert held.hold_reasons == ("PERIOD_SPANS_PRICE_CHANGE",)
    upto = session({"minutes": 30, "ENERGY": "10"}, start=local("2026-01-14T21:30:00"))
    assert "PERIOD_SPANS_PRICE_CHANGE" not in price(upto, DAY_NIGHT).flags


def test_span_over_midnight_and_into_nothing() -> None:
    rules = tariff(element(component("ENERGY", "1"), day_of_week=["WEDNESDAY"]))
    charge = session({"minutes": 60, "ENERGY": "1"}, start=local("2026-01-14T23:30:00"))
    assert "PERIOD_SPANS_PRICE_CHANGE" in price(charge, rules).flags


def test_steps_are_taken_once_on_the_total() -> None:
    rules = tariff(
        element(component("ENERGY", "0.20", step=500), end_time="17:00"),
        element(component("ENERGY", "0.27", step=500)),
    )
    charge = session(
        {"minutes": 30, "ENERGY": "4.3"}, {"minutes": 30, "ENERGY": "1.1"}, start=local("2026-01-14T16:30:00")
    )
    rating = price(charge, rules)
    assert rating.billed.energy_wh == 5500
    assert rating.total_excl_vat == Decimal("0.86") + Decimal("1.2") * Decimal("0.27")
    assert [step.kind for step in rating.trace] == ["SEGMENT", "SEGMENT", "STEP"]


def test_time_is_stepped_only_without_priced_parking() -> None:
    rules = tariff(element(component("TIME", "1.00", step=600), component("PARKING_TIME", "2.00", step=600)))
    charged = session({"minutes": 21, "TIME": "0.35"})
    assert price(charged, rules).billed.time_s == 1800
    parked = price(session({"minutes": 21, "TIME": "0.35"}, {"minutes": 16, "PARKING_TIME": "0.2667"}), rules)
    assert (parked.billed.time_s, parked.billed.parking_s) == (1260, 1200)
    free = tariff(element(component("TIME", "1.00", step=600)))
    unpriced = price(session({"minutes": 21, "TIME": "0.35"}, {"minutes": 16, "PARKING_TIME": "0.2667"}), free)
    assert (unpriced.billed.time_s, unpriced.billed.parking_s) == (1800, 0)


@pytest.mark.parametrize(
    ("kwh", "step", "billed"),
    [("0.1152", 1, "116"), ("0.1152", 0, "115.2"), ("0.101", 25, "125"), ("0.5", 500, "500"), ("0", 500, "0")],
)
def test_energy_steps(kwh: str, step: int, billed: str) -> None:
    rating = price(session({"ENERGY": kwh}), tariff(element(component("ENERGY", "0.25", step=step))))
    assert rating.billed.energy_wh == Decimal(billed)


def test_hours_of_four_decimals_do_not_start_another_step() -> None:
    rules = tariff(element(component("PARKING_TIME", "2", step=1200)))
    assert price(session({"PARKING_TIME": "0.6667"}), rules).billed.parking_s == 2400
    exact = tariff(element(component("PARKING_TIME", "2", step=0)))
    assert price(session({"PARKING_TIME": "0.6667"}), exact).billed.parking_s == Decimal("2400.12")


def test_negative_energy_is_paid_back_and_never_stepped() -> None:
    rating = price(session({"ENERGY": "-2.5005"}), tariff(element(component("ENERGY", "0.1", step=1000))))
    assert rating.total_excl_vat == Decimal("-0.25005")


def test_flat_once_at_the_first_period_that_has_one() -> None:
    rules = tariff(
        element(component("FLAT", "3"), start_time="22:00", end_time="06:00"),
        element(component("ENERGY", "1")),
    )
    day = session({"minutes": 60, "ENERGY": "1"}, start=local("2026-01-14T12:00:00"))
    into_night = session(*[{"minutes": 60, "ENERGY": "1"}] * 3, start=local("2026-01-14T21:00:00"))
    assert price(day, rules).subtotals.flat == 0
    assert price(into_night, rules).subtotals.flat == 3


def test_flat_needs_energy_where_the_contract_says_so() -> None:
    rules = tariff(element(component("FLAT", "3"), component("ENERGY", "1")))
    idle = session({"minutes": 5, "ENERGY": "0"})
    assert price(idle, rules).total_excl_vat == 3
    spared = price(idle, rules, flat_needs_energy=True)
    assert (spared.total_excl_vat, spared.flags) == (Decimal(0), ("FLAT_NOT_APPLIED",))


def test_energy_that_no_period_carries_is_held_and_keeps_its_fee() -> None:
    rules = tariff(element(component("FLAT", "3"), component("ENERGY", "1")))
    claimed = session({"minutes": 60, "TIME": "1"}, total_energy_kwh=Decimal("15.342"))
    rating = price(claimed, rules, flat_needs_energy=True)
    assert (rating.total_excl_vat, rating.hold_reasons) == (Decimal(3), ("ENERGY_NOT_IN_PERIODS",))
    by_time = price(claimed, tariff(element(component("TIME", "2"))))
    assert (by_time.total_excl_vat, by_time.flags) == (Decimal(2), ())


def test_reserved_time_needs_an_element_of_its_own() -> None:
    charge = session({"minutes": 30, "RESERVATION_TIME": "0.5"}, {"minutes": 60, "TIME": "1"})
    rating = price(charge, tariff(element(component("TIME", "10"), component("FLAT", "1"))))
    assert rating.subtotals.reservation == 0
    assert rating.total_excl_vat == 11
    assert "UNPRICED_DIMENSION" in rating.flags


def test_reservation_expires_needs_no_session_and_nothing_charged() -> None:
    rules = tariff(
        element(component("FLAT", "4"), reservation="RESERVATION_EXPIRES"),
        element(component("TIME", "2"), component("FLAT", "1"), reservation="RESERVATION"),
        element(component("FLAT", "100")),
    )
    hour = {"minutes": 60, "RESERVATION_TIME": "1"}
    assert price(session(hour, session_id=None), rules).total_excl_vat == 7
    assert price(session(hour, session_id="S1"), rules).total_excl_vat == 3
    assert price(session(hour, {"minutes": 1, "ENERGY": "1"}, session_id=None), rules).total_excl_vat == 103


def test_vat_per_component_and_absent_vat_is_none() -> None:
    rules = tariff(element(component("ENERGY", "1", "19"), component("FLAT", "1"), component("TIME", "1", "0")))
    rating = price(session({"minutes": 60, "ENERGY": "10", "TIME": "1"}), rules)
    assert (rating.total_excl_vat, rating.total_incl_vat) == (Decimal(12), Decimal("13.9"))
    assert {line.component: line.vat for line in rating.lines} == {"ENERGY": 19, "TIME": 0, "FLAT": None}


def limits(**bounds: str) -> dict[str, dict[str, Decimal]]:
    found: dict[str, dict[str, Decimal]] = {}
    for name, value in bounds.items():
        side, kind = name[:3], name[4:]
        found.setdefault(f"{side}_price", {})[f"{kind}_vat"] = Decimal(value)
    return found


@pytest.mark.parametrize(
    ("bounds", "kwh", "excl", "incl"),
    [
        ({"max_excl": "10", "max_incl": "11"}, "50", "10", "11"),
        ({"max_excl": "10", "max_incl": "14"}, "12", "10", "13.2"),
        ({"max_excl": "10"}, "50", "10", "55"),
        ({"min_excl": "5", "min_incl": "5.5"}, "1", "5", "5.5"),
        ({"min_incl": "5.5"}, "1", "1", "5.5"),
    ],
)
def test_limits_clamp_each_side_by_itself(bounds: dict[str, str], kwh: str, excl: str, incl: str) -> None:
    rules = tariff(element(component("ENERGY", "1", "10")), **limits(**bounds))
    rating = price(session({"ENERGY": kwh}), rules)
    assert (rating.total_excl_vat, rating.total_incl_vat) == (Decimal(excl), Decimal(incl))


def test_limits_without_any_vat_bind_both_sides() -> None:
    rules = tariff(element(component("ENERGY", "1")), **limits(max_excl="10"))
    rating = price(session({"ENERGY": "50"}), rules)
    assert (rating.total_excl_vat, rating.total_incl_vat) == (Decimal(10), Decimal(10))
    assert rating.flags == ("MAX_PRICE_APPLIED",)
    cap = rating.lines[-1]
    assert (cap.component, cap.amount, cap.bracket) == ("CAP", Decimal(-40), "max_price")


def test_net_minimum_without_anything_priced_has_no_gross() -> None:
    rules = tariff(element(component("ENERGY", "1", "10")), **limits(min_excl="1"))
    rating = price(session({"ENERGY": "0"}), rules)
    assert (rating.total_excl_vat, rating.total_incl_vat) == (Decimal(1), None)


def gross(mode: str, vat: str | None) -> Rating:
    rules = tariff(element(component("ENERGY", "1.19", vat)), version="2.3.0", tax_included=mode)
    return price(session({"ENERGY": "10"}), rules)


@pytest.mark.parametrize(
    ("mode", "vat", "excl", "incl"),
    [
        ("YES", "19", "10", "11.9"),
        ("NO", "19", "11.9", "14.161"),
        ("N/A", "19", "11.9", "11.9"),
        ("YES", None, None, "11.9"),
    ],
)
def test_tax_included(mode: str, vat: str | None, excl: str | None, incl: str) -> None:
    rating = gross(mode, vat)
    assert rating.total_excl_vat == (None if excl is None else Decimal(excl))
    assert rating.total_incl_vat == Decimal(incl)


def test_validity_currency_and_order_are_flagged() -> None:
    rules = tariff(element(component("ENERGY", "1")), currency="SEK", end_date_time="2019-06-30T23:59:59Z")
    rating = price(session({"ENERGY": "1"}, quirks=("PERIODS_UNORDERED",)), rules)
    assert set(rating.flags) == {"CURRENCY_MISMATCH", "TARIFF_NOT_VALID_AT_START", "PERIODS_UNORDERED"}
    assert rating.currency == "SEK"


def test_unknown_dimensions_are_free_and_said() -> None:
    rating = price(session({"minutes": 60, "SESSION_TIME": "1"}), tariff(element(component("TIME", "1"))))
    assert (rating.total_excl_vat, rating.flags) == (Decimal(0), ("UNKNOWN_DIMENSION",))


def test_unknown_start_counts_from_the_first_period() -> None:
    rules = tariff(element(component("ENERGY", "1"), max_duration=Decimal(60)), element(component("ENERGY", "9")))
    charge = session({"minutes": 1, "ENERGY": "1"}, start=MONDAY)
    unknown = charge.model_copy(update={"start": datetime(1970, 1, 1, tzinfo=UTC)})
    assert price(unknown, rules).total_excl_vat == 1


def test_unknown_zone_is_refused() -> None:
    with pytest.raises(InvalidInput, match="no IANA time zone"):
        price(session({"ENERGY": "1"}), DAY_NIGHT, "Europe/Atlantis")


def test_trace_can_be_followed_by_hand() -> None:
    rules = tariff(element(component("TIME", "2", "19", step=3600), component("ENERGY", "0.5", "19"), end_time="12:00"))
    rating = price(session({"minutes": 20, "TIME": "0.3333", "ENERGY": "3.5"}, start=MONDAY), rules)
    assert [step.text for step in rating.trace] == [
        "3.5 kWh x 0.5 = 1.75 (00:00-12:00)",
        "3600 s / 3600 x 2 = 2 (00:00-12:00)",
        "TIME 1199.88 s -> 3600 s in steps of 3600 s; the last segment takes the difference",
    ]
    first = rating.trace[0].dump()
    assert first["at_local"] == "2026-03-02T09:30:00+01:00"
    assert first["rule"] == "tariff T element 0"
    segments = [step.amount for step in rating.trace if step.kind == "SEGMENT" and step.amount is not None]
    assert sum(segments) == rating.total_excl_vat


def test_dump_holds_plain_values() -> None:
    told = price(session({"ENERGY": "3.5"}), tariff(element(component("ENERGY", "0.5")))).dump()
    assert told["lines"][0]["amount"] == Decimal("1.75")
    assert told["trace"][0]["quantity"] == Decimal("3.5")


@pytest.mark.parametrize("zone", [BERLIN, "Australia/Lord_Howe", "Asia/Kathmandu"])
def test_each_real_hour_is_priced_once_through_the_clock_changes(zone: str) -> None:
    """A session over the whole day of a clock change costs its real hours (product.md row 21)."""
    hourly = tariff(
        *[
            element(component("TIME", "1", step=0), start_time=f"{h:02}:00", end_time=f"{(h + 1) % 24:02}:00")
            for h in range(24)
        ]
    )
    for day in ("2026-03-29", "2026-10-25", "2026-04-05", "2026-10-04"):
        start = datetime.fromisoformat(day).replace(tzinfo=UTC) - timedelta(hours=12)
        charge = session(*[{"minutes": 30, "TIME": "0.5"}] * 96, start=start)
        rating = price(charge, hourly, zone)
        assert rating.total_excl_vat == 48


def test_autumn_hour_is_night_twice() -> None:
    """02:00-03:00 exists twice in Berlin on 25 October 2026; both are in the night bracket, neither is lost."""
    rules = tariff(
        element(component("TIME", "6", step=0), start_time="02:00", end_time="03:00"),
        element(component("TIME", "1", step=0)),
    )
    autumn = session(*[{"minutes": 60, "TIME": "1"}] * 4, start=datetime(2026, 10, 24, 23, tzinfo=UTC))
    spring = session(*[{"minutes": 60, "TIME": "1"}] * 4, start=datetime(2026, 3, 28, 23, tzinfo=UTC))
    assert price(autumn, rules).total_excl_vat == 6 + 6 + 1 + 1
    assert price(spring, rules).total_excl_vat == 4


def test_a_period_over_the_clock_change_is_looked_at_by_instants() -> None:
    """01:30 to 02:10 (after the change back) is 100 real minutes; its end lies in the later bracket."""
    rules = tariff(
        element(component("ENERGY", "1"), start_time="00:00", end_time="02:30"),
        element(component("ENERGY", "2")),
    )
    start = datetime(2026, 10, 24, 23, 30, tzinfo=UTC)
    assert "PERIOD_SPANS_PRICE_CHANGE" not in price(session({"minutes": 60, "ENERGY": "1"}, start=start), rules).flags
    assert "PERIOD_SPANS_PRICE_CHANGE" in price(session({"minutes": 75, "ENERGY": "1"}, start=start), rules).flags
    assert "PERIOD_SPANS_PRICE_CHANGE" not in price(session({"minutes": 120, "ENERGY": "1"}, start=start), rules).flags
