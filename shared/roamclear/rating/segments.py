"""The priced stretches of a session, before and after steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

from roamclear.rating.exact import SECONDS_PER_HOUR, WH_PER_KWH, step_up
from roamclear.rating.model import Component, Unit
from roamclear.rating.selection import Rule

Kind = Literal["ENERGY", "TIME", "PARKING", "RESERVATION", "FLAT", "RESERVATION_FLAT"]
_ZERO = Decimal(0)
_ONE = Decimal(1)
#: Small units (Wh, s) in one unit (kWh, h) of each kind.
SCALE: dict[Kind, Decimal] = {
    "ENERGY": WH_PER_KWH,
    "TIME": SECONDS_PER_HOUR,
    "PARKING": SECONDS_PER_HOUR,
    "RESERVATION": SECONDS_PER_HOUR,
    "FLAT": _ONE,
    "RESERVATION_FLAT": _ONE,
}
UNITS: dict[Kind, Unit] = {
    "ENERGY": "kWh",
    "TIME": "h",
    "PARKING": "h",
    "RESERVATION": "h",
    "FLAT": "1",
    "RESERVATION_FLAT": "1",
}
#: A fee of a reservation belongs to the reservation, whatever its unit.
COMPONENTS: dict[Kind, Component] = {
    "ENERGY": "ENERGY",
    "TIME": "TIME",
    "PARKING": "PARKING",
    "RESERVATION": "RESERVATION",
    "FLAT": "FLAT",
    "RESERVATION_FLAT": "RESERVATION",
}


@dataclass(slots=True)
class Segment:
    """One quantity with the one component that prices it.

    ``at`` is the local time that chose the component; ``volume`` is in kWh, h or 1 as measured; ``surplus`` is what a
    step adds, in Wh or s (it may be a fraction of a second below zero where hours had been rounded up).
    """

    kind: Kind
    period: int
    rule: Rule
    at: datetime
    volume: Decimal
    surplus: Decimal = _ZERO

    def quantity(self) -> Decimal:
        """What is billed, in kWh, h or 1."""
        return self.volume + self.surplus / SCALE[self.kind] if self.surplus else self.volume

    def amount(self) -> Decimal:
        """Quantity times price, divided last so that what ends stays exact."""
        if not self.surplus:
            return self.volume * self.rule.price
        scale = SCALE[self.kind]
        return (self.volume * scale + self.surplus) * self.rule.price / scale


@dataclass(frozen=True, slots=True)
class Step:
    """How a total was rounded up: from what it was, to what is billed, by which component's step."""

    kind: Kind
    measured: Decimal
    billed: Decimal
    rule: Rule


def apply_steps(segments: Sequence[Segment]) -> tuple[list[Step], dict[Kind, Decimal]]:
    """Round totals up to steps and give the surplus to the last segment, at its price (OCPI mod_cdrs, step_size).

    ENERGY once, TIME and PARKING_TIME once together: with priced parking only the parking total, else the charging
    total. Reserved time by its own component. The step is that of the last component of the kind that was used.

    Returns:
        The steps that changed something, and what is billed of each kind in Wh or seconds.
    """
    totals: dict[Kind, Decimal] = {}
    last: dict[Kind, Segment] = {}
    for segment in segments:
        kind = segment.kind
        totals[kind] = totals[kind] + segment.volume if kind in totals else segment.volume
        last[kind] = segment
    steps: list[Step] = []
    billed: dict[Kind, Decimal] = {}
    for kind, volume in totals.items():
        measured = volume * SCALE[kind]
        billed[kind] = measured
        if kind in ("FLAT", "RESERVATION_FLAT") or (kind == "TIME" and "PARKING" in totals):
            continue
        segment = last[kind]
        total = step_up(measured, segment.rule.step_size, whole=kind != "ENERGY")
        if total != measured:
            billed[kind] = total
            segment.surplus = total - measured
            steps.append(Step(kind, measured, total, segment.rule))
    return steps, billed
