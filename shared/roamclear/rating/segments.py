"""The priced stretches of a session, before and after steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from roamclear.rating.exact import step_up
from roamclear.rating.model import Component, Tariff
from roamclear.rating.selection import Moment, Rule

Kind = Literal["ENERGY", "TIME", "PARKING", "RESERVATION", "FLAT", "RESERVATION_FLAT"]
_ZERO = Decimal(0)


@dataclass(slots=True)
class Segment:
    """One quantity with the one component that prices it. ``measured`` and ``billed`` are Wh, seconds or 1."""

    kind: Kind
    period: int
    rule: Rule
    tariff: Tariff
    moment: Moment
    measured: Decimal
    billed: Decimal

    @property
    def component(self) -> Component:
        """The component a line or subtotal is filed under; the fee of a reservation belongs to the reservation."""
        return "RESERVATION" if self.kind == "RESERVATION_FLAT" else self.kind


@dataclass(frozen=True, slots=True)
class Step:
    """How a total was rounded up: from what it was, to what is billed, by which component's step."""

    kind: Kind
    measured: Decimal
    billed: Decimal
    step_size: int
    rule: Rule


def apply_steps(segments: Sequence[Segment]) -> list[Step]:
    """Round totals up to steps and give the surplus to the last segment, at its price (OCPI mod_cdrs, step_size).

    ENERGY once, TIME and PARKING_TIME once together: with priced parking only the parking total, else the charging
    total. Reserved time by its own component. The step is that of the last component of the kind that was used.
    """
    by_kind: dict[Kind, list[Segment]] = {}
    for segment in segments:
        by_kind.setdefault(segment.kind, []).append(segment)
    steps = []
    for kind in ("ENERGY", "TIME", "PARKING", "RESERVATION"):
        found = by_kind.get(kind)
        if not found or (kind == "TIME" and "PARKING" in by_kind):
            continue
        last = found[-1]
        measured = sum((s.measured for s in found), _ZERO)
        size = last.rule.component.step_size
        billed = step_up(measured, size, whole=kind != "ENERGY")
        if billed != measured:
            last.billed += billed - measured
            steps.append(Step(kind, measured, billed, size, last.rule))
    return steps


def billed_total(segments: Sequence[Segment], kind: Kind) -> Decimal:
    """Sum of what is billed of one kind, in Wh or seconds."""
    return sum((s.billed for s in segments if s.kind == kind), _ZERO)
