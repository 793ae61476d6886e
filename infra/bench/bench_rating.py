"""Rating against its floor: a bare loop over the same restrictions and the same Decimals (issue text, Figures).

The floor does what no engine can leave out: for each period and dimension it finds the local time, walks the elements
until one matches and multiplies volume and price. A second floor looks again at the period's end, because rules.md 4
wants to know whether the price changed meanwhile; the engine does so in both figures. The engine also applies steps,
limits and VAT, and writes lines and trace.
"""

from __future__ import annotations

import gc
import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from time import perf_counter_ns
from zoneinfo import ZoneInfo

from roamclear.rating.model import ChargeRecord, Dimension, Location, Period, Price, Tariff, Token
from roamclear.rating.service import normalise_tariff, rate

LIMIT = Decimal(3)
LINEAR_LIMIT = Decimal("1.5")
ZONE = "Europe/Berlin"
_TICK = timedelta(microseconds=1)
_START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
_ROUNDS = 60
_REPEATS = 5

Figure = tuple[str, Decimal, str, Decimal]


def run() -> list[Figure]:
    """(name, value, floor, limit) of each figure; a value above its limit fails the bench."""
    engine, start_only, both_ends = _measure(10, 24)
    engine_large, start_only_large, _ = _measure(20, 48)
    growth = (engine_large / engine) / (start_only_large / start_only)
    name = "rating of 10 periods x 25 elements, trace included"
    return [
        (name, _two(engine / start_only), "bare loop that looks at each start", LIMIT),
        (name, _two(engine / both_ends), "bare loop that looks at each start and end", LIMIT),
        ("growth of rating to 20 x 49, against the loop's", _two(growth), "growth of the bare loop", LINEAR_LIMIT),
    ]


def _two(value: Decimal) -> Decimal:
    return value.quantize(Decimal("0.01"))


def _measure(periods: int, windows: int) -> tuple[Decimal, Decimal, Decimal]:
    """Best time in ns of the engine and of both floors, measured in turns so that all see the same machine."""
    tariff, charge = time_of_day_tariff(windows), long_charge(periods)
    bare = bare_elements(tariff)
    zone = ZoneInfo(ZONE)
    calls: tuple[Callable[[], object], ...] = (
        lambda: rate(charge, tariff, time_zone=ZONE),
        lambda: bare_loop(charge, bare, zone, with_ends=False),
        lambda: bare_loop(charge, bare, zone, with_ends=True),
    )
    expected = rate(charge, tariff, time_zone=ZONE).total_excl_vat
    assert bare_loop(charge, bare, zone, with_ends=True) == bare_loop(charge, bare, zone, with_ends=False) == expected
    best = [Decimal("Infinity")] * len(calls)
    gc.disable()
    try:
        for _ in range(_ROUNDS):
            best = [min(known, _time(call)) for known, call in zip(best, calls, strict=True)]
    finally:
        gc.enable()
    return best[0], best[1], best[2]


def _time(call: Callable[[], object]) -> Decimal:
    started = perf_counter_ns()
    for _ in range(_REPEATS):
        call()
    return Decimal(perf_counter_ns() - started) / _REPEATS


def time_of_day_tariff(windows: int) -> Tariff:
    """``windows`` brackets over a working day, each with its own energy and time price, and a start fee."""
    step = 24 * 60 // windows
    elements = [
        {
            "price_components": [
                {"type": "ENERGY", "price": Decimal(30 + i) / 100, "vat": Decimal(19), "step_size": 1},
                {"type": "TIME", "price": Decimal(10 + i) / 100, "vat": Decimal(19), "step_size": 1},
            ],
            "restrictions": {
                "start_time": _clock(i * step),
                "end_time": _clock((i + 1) * step),
                "day_of_week": ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY"],
            },
        }
        for i in range(windows)
    ]
    fee = {"price_components": [{"type": "FLAT", "price": Decimal("0.50"), "vat": Decimal(19), "step_size": 1}]}
    return normalise_tariff({"id": "TOD", "currency": "EUR", "elements": [*elements, fee]}, "2.2.1")


def _clock(minute: int) -> str:
    return f"{minute // 60 % 24:02}:{minute % 60:02}"


def long_charge(periods: int) -> ChargeRecord:
    """A session of quarter hours with energy and time in each."""
    quarter = timedelta(minutes=15)
    rows = tuple(
        Period(
            start=_START + i * quarter,
            dimensions=(
                Dimension(type="ENERGY", volume=Decimal(2000 + i) / 1000),
                Dimension(type="TIME", volume=Decimal("0.25")),
            ),
        )
        for i in range(periods)
    )
    return ChargeRecord(
        version="2.2.1",
        id="BENCH",
        start=_START,
        end=_START + periods * quarter,
        currency="EUR",
        periods=rows,
        token=Token(),
        location=Location(),
        session_id="S",
        total_cost=Price(excl_vat=Decimal(1)),
    )


BareElement = tuple[str, Decimal, tuple[int | None, int | None, date | None, date | None, tuple[int, ...]]]


def bare_elements(tariff: Tariff) -> list[BareElement]:
    """The tariff as the plainest rows: dimension, price, restrictions."""
    rows: list[BareElement] = []
    for element in tariff.elements:
        r = element.restrictions
        bounds = (
            (None, None, None, None, ())
            if r is None
            else (r.start_minute, r.end_minute or 1440, r.start_date, r.end_date, r.weekdays)
        )
        rows += [(c.type, c.price, bounds) for c in element.components]
    return rows


def bare_loop(charge: ChargeRecord, rows: list[BareElement], zone: ZoneInfo, *, with_ends: bool) -> Decimal:
    """The floor: per period and dimension the first matching row, volume times price; its end must choose the same."""
    total = Decimal(0)
    has_flat = False
    ends = [*(p.start for p in charge.periods[1:]), charge.end]
    for period, end in zip(charge.periods, ends, strict=True):
        start_at = period.start.astimezone(zone)
        end_at = (end - _TICK).astimezone(zone) if with_ends else start_at
        volumes = [(d.type, d.volume) for d in period.dimensions]
        if not has_flat:
            volumes.append(("FLAT", Decimal(1)))
        for type_, volume in volumes:
            price = bare_lookup(rows, type_, start_at)
            if price is not None:
                total += volume * price
                has_flat = has_flat or type_ == "FLAT"
            if with_ends and type_ != "FLAT" and bare_lookup(rows, type_, end_at) is not price:
                raise AssertionError("the bench's periods stay within their brackets")
    return total


def bare_lookup(rows: list[BareElement], type_: str, local: datetime) -> Decimal | None:
    """The price of the first row of a dimension whose restrictions all match."""
    minute, weekday, today = local.hour * 60 + local.minute, local.weekday(), local.date()
    for dimension, price, (start, end, first, last, days) in rows:
        if dimension != type_:
            continue
        if start is not None and minute < start:
            continue
        if end is not None and minute >= end:
            continue
        if first is not None and today < first:
            continue
        if last is not None and today >= last:
            continue
        if days and weekday not in days:
            continue
        return price
    return None


if __name__ == "__main__":
    print(json.dumps([[name, str(value), floor, str(limit)] for name, value, floor, limit in run()], indent=2))
