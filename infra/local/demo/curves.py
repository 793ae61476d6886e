"""Energy curves: how a battery fills at an EVSE, in steps of 36 seconds (a hundredth of an hour, exact in OCPI)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random

STEP = timedelta(seconds=36)
_QUARTER_S = 900


@dataclass(frozen=True, slots=True)
class Car:
    """What a car can take: usable battery, peak DC power, onboard AC charger."""

    battery_kwh: float
    dc_kw: float
    ac_kw: float


FLEET = (
    Car(35, 50, 7.4),
    Car(45, 85, 11),
    Car(58, 125, 11),
    Car(64, 110, 11),
    Car(77, 170, 11),
    Car(83, 205, 11),
    Car(93, 270, 22),
)


@dataclass(frozen=True, slots=True)
class Stretch:
    """A charging period: its start, energy and length; parked when nothing flows any more."""

    start: datetime
    energy_kwh: Decimal
    hours: Decimal
    parked: bool = False


@dataclass(frozen=True, slots=True)
class Curve:
    """A session as the meter saw it."""

    start: datetime
    end: datetime
    stretches: tuple[Stretch, ...]

    @property
    def energy_kwh(self) -> Decimal:
        """Energy of all stretches."""
        return sum((s.energy_kwh for s in self.stretches), Decimal(0))

    @property
    def parked_h(self) -> Decimal:
        """Hours without energy at the end."""
        return sum((s.hours for s in self.stretches if s.parked), Decimal(0))


def on_grid(instant: datetime) -> datetime:
    """The instant cut to whole steps."""
    over = (instant.minute * 60 + instant.second) % 36
    return instant.replace(microsecond=0) - timedelta(seconds=over)


def draw(random: Random, kind: str, evse_kw: int, start: datetime, stay: timedelta) -> Curve:
    """Charge a car of the fleet until it is full enough or leaves; on AC it may stay plugged in."""
    car = random.choice(FLEET)
    soc = random.uniform(0.08, 0.45) if kind == "DC" else random.uniform(0.2, 0.7)
    goal = random.uniform(0.72, 0.88) if kind == "DC" else 1.0
    start = on_grid(start)
    latest = on_grid(start + stay)
    if kind == "DC":
        limit = min(evse_kw, car.dc_kw) * random.uniform(0.86, 0.97)
    else:
        limit = min(evse_kw, car.ac_kw) * random.uniform(0.93, 0.98)
    watts: list[float] = []
    at = start
    while at < latest and soc < goal - 0.002:
        power = limit * _taper(kind, soc, len(watts))
        watts.append(power)
        soc += power * 0.01 / car.battery_kwh * 0.94
        at += STEP
    # A rapid charger is left within minutes; a socket is left when its driver comes back.
    end = min(latest, at + STEP * random.randint(1, 9)) if kind == "DC" else latest
    return Curve(start, max(end, at), tuple(_stretches(start, watts, max(end, at))))


def _taper(kind: str, soc: float, step: int) -> float:
    """Share of the limit: a ramp at the start, a plateau, and less towards the end."""
    if kind == "AC":
        return 1.0 if soc < 0.96 else max(0.25, (1.005 - soc) * 22)
    ramp = min(1.0, 0.35 + step * 0.25)
    if soc < 0.45:
        return ramp
    return ramp * max(0.22, 1.0 - (soc - 0.45) * 1.75)


def _stretches(start: datetime, watts: list[float], end: datetime) -> Iterator[Stretch]:
    """Cut at every quarter of an hour, so that no price bracket begins inside a period."""
    begin, energy, steps = start, 0.0, 0
    for number, power in enumerate(watts, 1):
        energy += power * 0.01
        steps += 1
        at = start + STEP * number
        if (at.minute * 60 + at.second) % _QUARTER_S == 0 or number == len(watts):
            yield Stretch(begin, Decimal(f"{energy:.3f}"), Decimal(steps) / 100)
            begin, energy, steps = at, 0.0, 0
    charged = start + STEP * len(watts)
    if end > charged:
        yield Stretch(charged, Decimal(0), Decimal((end - charged) // STEP) / 100, parked=True)
