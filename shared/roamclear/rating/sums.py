"""From priced segments to totals, lines and the trace."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import NamedTuple

from roamclear.rating.exact import SECONDS_PER_HOUR, WH_PER_KWH, half_up, outward, plain
from roamclear.rating.model import (
    Billed,
    ChargeRecord,
    Component,
    PriceLimit,
    Rating,
    RatingLine,
    Subtotals,
    Tariff,
    TaxIncluded,
    TraceStep,
    Unit,
)
from roamclear.rating.segments import Kind, Segment, Step, billed_total
from roamclear.rating.selection import TariffRules, describe

_HUNDRED = Decimal(100)
_ZERO = Decimal(0)
_SCALE: dict[Kind, Decimal] = {
    "ENERGY": WH_PER_KWH,
    "TIME": SECONDS_PER_HOUR,
    "PARKING": SECONDS_PER_HOUR,
    "RESERVATION": SECONDS_PER_HOUR,
    "FLAT": Decimal(1),
    "RESERVATION_FLAT": Decimal(1),
}
_UNITS: dict[Kind, Unit] = {
    "ENERGY": "kWh",
    "TIME": "h",
    "PARKING": "h",
    "RESERVATION": "h",
    "FLAT": "1",
    "RESERVATION_FLAT": "1",
}
_SMALL_UNITS: dict[Kind, str] = {"ENERGY": "Wh", "TIME": "s", "PARKING": "s", "RESERVATION": "s"}


class Amount(NamedTuple):
    """An amount without and with VAT; None where the tariff does not say enough."""

    excl: Decimal | None
    incl: Decimal | None


class _LineKey(NamedTuple):
    kind: Kind
    price: Decimal
    vat: Decimal | None
    tariff_id: str
    element: int


def assemble(
    charge: ChargeRecord,
    limits: TariffRules,
    segments: Sequence[Segment],
    steps: Sequence[Step],
    notes: Sequence[TraceStep],
    flags: Sequence[str],
) -> Rating:
    """Totals, subtotals, lines and trace of a session. Runs inside the exact context."""
    lines, amounts = _lines(segments)
    raw = _sum(amount for _, amount in amounts)
    total, moved = _limited(raw, limits, segments)
    kept = [*flags, *(code for code, _ in moved)]
    if total.excl is None or total.incl is None:
        kept.append("TAX_NOT_DERIVABLE")
    if raw.excl is not None and total.excl is not None and total.excl != raw.excl:
        lines.append(_cap_line(total.excl - raw.excl, limits.tariff, moved))
    return Rating(
        currency=limits.tariff.currency or charge.currency,
        tariff_id=limits.tariff.id,
        total_excl_vat=_out(total.excl),
        total_incl_vat=_out(total.incl),
        subtotals=_subtotals(amounts, 0),
        subtotals_incl_vat=_subtotals(amounts, 1),
        billed=Billed(
            energy_wh=billed_total(segments, "ENERGY"),
            time_s=billed_total(segments, "TIME"),
            parking_s=billed_total(segments, "PARKING"),
            reservation_s=billed_total(segments, "RESERVATION"),
        ),
        lines=tuple(lines),
        trace=(
            *(_segment_step(s) for s in segments),
            *(_step_step(s) for s in steps),
            *(TraceStep(kind="LIMIT", rule=code, text=text) for code, text in moved),
            *notes,
        ),
        flags=tuple(dict.fromkeys(kept)),
    )


def _out(value: Decimal | None) -> Decimal | None:
    return None if value is None else outward(value)


def _taxed(stated: Decimal, vat: Decimal | None, mode: TaxIncluded) -> Amount:
    """Net and gross of a stated amount. Without a rate a gross price has no net that could be derived."""
    if mode is TaxIncluded.NOT_APPLICABLE or (mode is TaxIncluded.NO and vat is None):
        return Amount(stated, stated)
    if vat is None:
        return Amount(None if stated else _ZERO, stated)
    if mode is TaxIncluded.NO:
        return Amount(stated, stated * (_HUNDRED + vat) / _HUNDRED)
    return Amount(stated * _HUNDRED / (_HUNDRED + vat), stated)


def _lines(segments: Sequence[Segment]) -> tuple[list[RatingLine], list[tuple[Component, Amount]]]:
    """One line per component, unit price, VAT rate and element; quantities are summed before anything is divided."""
    totals: dict[_LineKey, Decimal] = {}
    first: dict[_LineKey, Segment] = {}
    for s in segments:
        key = _LineKey(s.kind, s.rule.price, s.rule.component.vat, s.tariff.id, s.rule.element)
        if key in totals:
            totals[key] += s.billed
        else:
            totals[key] = s.billed
            first[key] = s
    lines, amounts = [], []
    for key, quantity in totals.items():
        segment = first[key]
        scale = _SCALE[key.kind]
        amount = _taxed(quantity * key.price / scale, key.vat, segment.tariff.tax_included)
        amounts.append((segment.component, amount))
        line_amount = amount.excl if amount.excl is not None else amount.incl
        lines.append(
            RatingLine(
                component=segment.component,
                quantity=outward(quantity / scale),
                unit=_UNITS[key.kind],
                unit_price=key.price,
                amount=outward(line_amount if line_amount is not None else _ZERO),
                vat=key.vat,
                bracket=_bracket(segment),
                tariff_id=key.tariff_id,
            )
        )
    return lines, amounts


def _bracket(segment: Segment) -> str:
    rule = segment.rule
    if not rule.bracket:
        rule.bracket = describe(segment.tariff.elements[rule.element].restrictions)
    return rule.bracket


def _sum(amounts: Iterable[Amount]) -> Amount:
    excl: Decimal | None = _ZERO
    incl: Decimal | None = _ZERO
    for amount in amounts:
        excl = None if excl is None or amount.excl is None else excl + amount.excl
        incl = None if incl is None or amount.incl is None else incl + amount.incl
    return Amount(excl, incl)


def _subtotals(amounts: Sequence[tuple[Component, Amount]], side: int) -> Subtotals:
    sums: dict[str, Decimal | None] = dict.fromkeys(("ENERGY", "TIME", "PARKING", "FLAT", "RESERVATION"), _ZERO)
    for component, amount in amounts:
        before, more = sums[component], amount[side]
        sums[component] = None if before is None or more is None else before + more
    return Subtotals(**{name.lower(): _out(value) for name, value in sums.items()})


def _limited(raw: Amount, limits: TariffRules, segments: Sequence[Segment]) -> tuple[Amount, list[tuple[str, str]]]:
    """Clamp both totals, each by its own limit (mod_tariffs, notes on min_price and max_price).

    A limit without a gross amount leaves the gross total to the VAT; where no VAT is named at all, net and gross are
    the same and so are their limits. A net minimum on a session without any priced quantity has no VAT to lean on.
    """
    excl, incl = raw
    moved: list[tuple[str, str]] = []
    taxed = any(s.rule.component.vat is not None for s in segments) or (not segments and limits.has_vat)
    for code, limit in (("MIN_PRICE", limits.tariff.min_price), ("MAX_PRICE", limits.tariff.max_price)):
        if limit is None:
            continue
        gross = limit.incl_vat if taxed or limit.incl_vat is not None else limit.excl_vat
        bounded_excl, bounded_incl = _bound(excl, limit.excl_vat, code), _bound(incl, gross, code)
        if (bounded_excl, bounded_incl) == (excl, incl):
            continue
        if gross is None and not segments and bounded_excl != excl:
            bounded_incl = None
        moved.append((f"{code}_APPLIED", _limit_text(code, limit, Amount(excl, incl))))
        excl, incl = bounded_excl, bounded_incl
    return Amount(excl, incl), moved


def _bound(value: Decimal | None, limit: Decimal | None, code: str) -> Decimal | None:
    if value is None or limit is None:
        return value
    return max(value, limit) if code == "MIN_PRICE" else min(value, limit)


def _limit_text(code: str, limit: PriceLimit, before: Amount) -> str:
    sides = [
        f"{name} {plain(outward(value))} -> limit {plain(bound)}"
        for name, value, bound in (
            ("excl. VAT", before.excl, limit.excl_vat),
            ("incl. VAT", before.incl, limit.incl_vat),
        )
        if value is not None and bound is not None
    ]
    return f"{code.lower()}: {'; '.join(sides)}"


def _cap_line(amount: Decimal, tariff: Tariff, moved: Sequence[tuple[str, str]]) -> RatingLine:
    names = " ".join(code.removesuffix("_APPLIED").lower() for code, _ in moved)
    rounded = outward(amount)
    return RatingLine(
        component="CAP",
        quantity=Decimal(1),
        unit="1",
        unit_price=rounded,
        amount=rounded,
        bracket=names,
        tariff_id=tariff.id,
    )


def _segment_step(s: Segment) -> TraceStep:
    scale, component = _SCALE[s.kind], s.rule.component
    amount = outward(s.billed * component.price / scale)
    bracket = _bracket(s)
    return TraceStep(
        kind="SEGMENT",
        text=f"{_hand(s)} x {component.price:f} = {plain(half_up(amount, 10))}" + (f" ({bracket})" if bracket else ""),
        rule=f"tariff {s.tariff.id} element {s.rule.element}",
        component=s.component,
        period=s.period,
        at_local=s.moment.local.isoformat(),
        measured=outward(s.measured / scale),
        quantity=outward(s.billed / scale),
        unit=_UNITS[s.kind],
        unit_price=component.price,
        amount=amount,
        vat=component.vat,
    )


def _hand(s: Segment) -> str:
    """The quantity as one would type it: hours from their seconds, which are always finite."""
    if s.kind == "ENERGY":
        return f"{plain(s.billed / WH_PER_KWH)} kWh"
    if s.kind in _SMALL_UNITS:
        return f"{plain(s.billed)} s / 3600"
    return "1"


def _step_step(s: Step) -> TraceStep:
    unit = _SMALL_UNITS[s.kind]
    before, after = plain(s.measured), plain(s.billed)
    return TraceStep(
        kind="STEP",
        text=f"{s.kind} {before} {unit} -> {after} {unit} in steps of {s.step_size} {unit}, the last segment takes it",
        rule=f"tariff {s.rule.key[0]} element {s.rule.element}",
        component=s.kind,
        measured=outward(s.measured),
        quantity=outward(s.billed),
        unit=unit,
    )
