"""Pricing one session (OCPI mod_tariffs and mod_cdrs; product.md rows 19-23).

A period is never split: it is priced by the component that applies when it begins. Everything is exact until it leaves
the room; the only rounding of money is ``rounding.round_components``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal, localcontext
from zoneinfo import ZoneInfo

from roamclear.kernel.time import zone
from roamclear.rating.exact import EXACT
from roamclear.rating.model import EPOCH, NOT_APPLICABLE, ChargeRecord, OnSpan, Period, Rating, Tariff, TraceStep
from roamclear.rating.moments import DAY_S, Moment, last_moment, moment_of, wall_end_s
from roamclear.rating.segments import Kind, Segment, apply_steps
from roamclear.rating.selection import EXPIRES, RESERVATION, Rule, TariffRules, rules_of
from roamclear.rating.sums import assemble

SPANS = "PERIOD_SPANS_PRICE_CHANGE"
UNPRICED = "UNPRICED_DIMENSION"
#: The CDR claims energy that no period carries, and the tariff has a price per kWh: the price would be too low.
NO_ENERGY = "ENERGY_NOT_IN_PERIODS"
_ONE = Decimal(1)
_ZERO = Decimal(0)
_NO_TIME = timedelta(0)
_CHARGING: tuple[tuple[str, Kind], ...] = (("ENERGY", "ENERGY"), ("TIME", "TIME"), ("PARKING_TIME", "PARKING"))
_SESSION_DIMENSIONS = frozenset(("ENERGY", "TIME", "PARKING_TIME"))
_PRICED = _SESSION_DIMENSIONS | {"RESERVATION_TIME"}
_KNOWN = _PRICED | {
    *("MAX_CURRENT", "MIN_CURRENT", "MAX_POWER", "MIN_POWER", "FLAT"),
    *("CURRENT", "POWER", "ENERGY_IMPORT", "ENERGY_EXPORT", "STATE_OF_CHARGE"),
}
PickTariff = Callable[[Period], TariffRules | None]


def rate(
    charge: ChargeRecord,
    tariff: Tariff,
    *,
    time_zone: str,
    on_span: str = OnSpan.START,
    flat_needs_energy: bool = False,
) -> Rating:
    """Price a session's periods with one tariff, whatever tariffs the CDR carries.

    Args:
        charge: the session; its totals play no part.
        tariff: an OCPI tariff or the tariff of a contract line; its validity dates do not decide, they raise a flag.
        time_zone: IANA zone of the EVSE; restrictions read the wall clock there.
        on_span: ``HOLD`` puts PERIOD_SPANS_PRICE_CHANGE among ``hold_reasons``, ``START`` only flags it;
            ENERGY_NOT_IN_PERIODS is always among them.
        flat_needs_energy: no flat fee for a session without energy (product.md row 20).

    Raises:
        InvalidInput: the zone is unknown.
    """
    rules = rules_of(tariff)
    return price_session(
        charge, lambda period: rules, rules, time_zone=time_zone, on_span=on_span, flat_needs_energy=flat_needs_energy
    )


def price_session(
    charge: ChargeRecord,
    pick: PickTariff,
    limits: TariffRules,
    *,
    time_zone: str,
    on_span: str = OnSpan.START,
    flat_needs_energy: bool = False,
) -> Rating:
    """Price each period with the tariff ``pick`` gives for it; ``limits`` has the currency and the price limits."""
    with localcontext(EXACT):
        run = _Run(charge, zone(time_zone), expired=reservation_expired(charge))
        run.walk(pick)
        if flat_needs_energy and run.energy_kwh <= 0 and charge.total_energy_kwh <= 0:
            run.drop_flat()
        if not run.has_energy and charge.total_energy_kwh > 0 and limits.prices("ENERGY"):
            run.flags.append(NO_ENERGY)
        steps, billed = apply_steps(run.segments)
        flags = [*run.flags, *_tariff_flags(charge, limits.tariff)]
        rating = assemble(charge, limits, run.segments, steps, billed, run.notes, flags)
    held = [NO_ENERGY] if NO_ENERGY in rating.flags else []
    if on_span == OnSpan.HOLD and SPANS in rating.flags:
        held.append(SPANS)
    return rating.model_copy(update={"hold_reasons": tuple(held)}) if held else rating


def reservation_expired(charge: ChargeRecord) -> bool:
    """RESERVATION_EXPIRES applies iff no session followed: no session id and nothing charged or parked."""
    if charge.session_id not in (None, "", NOT_APPLICABLE):
        return False
    return not any(d.type in _SESSION_DIMENSIONS for p in charge.periods for d in p.dimensions)


def _tariff_flags(charge: ChargeRecord, tariff: Tariff) -> list[str]:
    flags = []
    if charge.currency and charge.currency != tariff.currency:
        flags.append("CURRENCY_MISMATCH")
    too_early = tariff.start is not None and charge.start < tariff.start
    if too_early or (tariff.end is not None and charge.start >= tariff.end):
        flags.append("TARIFF_NOT_VALID_AT_START")
    if "PERIODS_UNORDERED" in charge.quirks:
        flags.append("PERIODS_UNORDERED")
    return flags


@dataclass(slots=True)
class _Stay:
    """One period at work; its last moment is looked at only where it could matter."""

    index: int
    rules: TariffRules
    start: Moment
    length: timedelta
    drawn_kwh: Decimal

    def last(self) -> Moment | None:
        """The last moment of the period, None for a period without length."""
        return last_moment(self.start, self.length, self.drawn_kwh) if self.length > _NO_TIME else None


@dataclass(slots=True)
class _Run:
    """The walk over a session's periods, collecting what is priced and what a reader must know."""

    charge: ChargeRecord
    zone: ZoneInfo
    expired: bool
    segments: list[Segment] = field(default_factory=list)
    notes: list[TraceStep] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)
    energy_kwh: Decimal = _ZERO
    clock_changes: bool = False
    has_energy: bool = False
    has_flat: bool = False
    reserved_flats: set[str] = field(default_factory=set)

    def walk(self, pick: PickTariff) -> None:
        """Look up every dimension of every period."""
        periods = self.charge.periods
        begin = self.charge.start if self.charge.start != EPOCH else periods[0].start
        bounds = [*(p.start for p in periods), max(self.charge.end, periods[-1].start)]
        local = [bound.astimezone(self.zone) for bound in bounds]
        self.clock_changes = len({moment.utcoffset() for moment in local}) > 1
        for index, period in enumerate(periods):
            volumes = self._volumes(index, period)
            drawn = volumes.get("ENERGY", _ZERO)
            self.has_energy = self.has_energy or "ENERGY" in volumes
            rules = pick(period)
            if rules is not None:
                start = moment_of(local[index], period.start - begin, self.energy_kwh, volumes)
                stay = _Stay(index, rules, start, bounds[index + 1] - period.start, drawn)
                self._price_charging(stay, volumes)
                if self.expired or "RESERVATION_TIME" in volumes:
                    self._price_reserved(stay, volumes)
                if not self.has_flat:
                    self._price_flat(stay, volumes)
            elif not _PRICED.isdisjoint(volumes):
                self._note("NO_TARIFF", index, "no tariff is named for this period: free")
            self.energy_kwh += drawn

    def drop_flat(self) -> None:
        """Take back the session's flat fee: nothing was charged."""
        kept = [s for s in self.segments if s.kind != "FLAT"]
        if len(kept) != len(self.segments):
            self.segments = kept
            self._note("FLAT_NOT_APPLIED", None, "no flat fee: the session has no energy")

    def _volumes(self, index: int, period: Period) -> dict[str, Decimal]:
        found: dict[str, Decimal] = {}
        for dimension in period.dimensions:
            name = dimension.type
            if name not in _KNOWN:
                self._note("UNKNOWN_DIMENSION", index, f"dimension {name} has no price in OCPI: free")
            elif name in found and name in _PRICED:
                found[name] += dimension.volume
            else:
                found[name] = dimension.volume
        return found

    def _price_charging(self, stay: _Stay, volumes: dict[str, Decimal]) -> None:
        rules = stay.rules
        # Across a change of the clock nothing can be said by counting: then the last moment is always looked at.
        until_s = 2 * DAY_S if self.clock_changes else wall_end_s(stay.start, stay.length)
        for dimension, kind in _CHARGING:
            volume = volumes.get(dimension)
            if not volume:
                continue
            rule, steady_s = rules.find(dimension, stay.start)
            if until_s > steady_s:
                last = stay.last()
                if last is not None and rules.choose(dimension, last) is not rule:
                    self._spans(stay.index, dimension, rule)
            self._add(stay, kind, rule, volume)

    def _price_reserved(self, stay: _Stay, volumes: dict[str, Decimal]) -> None:
        hours = volumes.get("RESERVATION_TIME")
        if hours:
            rule, last = stay.rules.choose_reserved_time(stay.start, expired=self.expired), stay.last()
            if last is not None and stay.rules.choose_reserved_time(last, expired=self.expired) is not rule:
                self._spans(stay.index, "RESERVATION_TIME", rule)
            self._add(stay, "RESERVATION", rule, hours)
        wanted = [RESERVATION] if hours is not None else []
        for kind in [*wanted, *([EXPIRES] if self.expired else [])]:
            fee = None if kind in self.reserved_flats else stay.rules.choose("FLAT", stay.start, kind)
            if fee is not None:
                self.reserved_flats.add(kind)
                self._add(stay, "RESERVATION_FLAT", fee, _ONE)

    def _price_flat(self, stay: _Stay, volumes: dict[str, Decimal]) -> None:
        """The session's flat fee, once; a period of mere reservation is not yet the session."""
        if self.expired and self.reserved_flats:
            return
        if "RESERVATION_TIME" in volumes and volumes.keys().isdisjoint(_SESSION_DIMENSIONS):
            return
        rule = stay.rules.choose("FLAT", stay.start)
        if rule is not None:
            self.has_flat = True
            self._add(stay, "FLAT", rule, _ONE)

    def _add(self, stay: _Stay, kind: Kind, rule: Rule | None, volume: Decimal) -> None:
        if rule is None:
            self._note(UNPRICED, stay.index, f"no component of tariff {stay.rules.tariff.id} prices {kind} here: free")
            return
        self.segments.append(Segment(kind, stay.index, rule, stay.start.local, volume))

    def _spans(self, index: int, dimension: str, rule: Rule | None) -> None:
        by = "no component" if rule is None else f"element {rule.element}"
        self._note(SPANS, index, f"{dimension} is priced by {by} from its start; its end would choose another")

    def _note(self, code: str, index: int | None, text: str) -> None:
        if code not in self.flags:
            self.flags.append(code)
        self.notes.append(TraceStep(kind="NOTE", rule=code, period=index, remark=text))
