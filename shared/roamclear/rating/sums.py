"""From priced segments to totals, lines and the trace."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from roamclear.rating.exact import outward, plain
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
)
from roamclear.rating.segments import COMPONENTS, SCALE, UNITS, Kind, Segment, Step
from roamclear.rating.selection import Rule, TariffRules

_HUNDRED = Decimal(100)
_ZERO = Decimal(0)
_SMALL_UNITS: dict[Kind, str] = {"ENERGY": "Wh", "TIME": "s", "PARKING": "s", "RESERVATION": "s"}


class Amount(NamedTuple):
    """An amount without and with VAT; None where the tariff does not say enough."""

    excl: Decimal | None
    incl: Decimal | None


def assemble(
    charge: ChargeRecord,
    limits: TariffRules,
    segments: Sequence[Segment],
    steps: Sequence[Step],
    billed: Mapping[Kind, Decimal],
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
            energy_wh=outward(billed.get("ENERGY", _ZERO)),
            time_s=outward(billed.get("TIME", _ZERO)),
            parking_s=outward(billed.get("PARKING", _ZERO)),
            reservation_s=outward(billed.get("RESERVATION", _ZERO)),
        ),
        lines=tuple(lines),
        trace=(
            *(_segment_step(s) for s in segments),
            *(_step_step(s) for s in steps),
            *(TraceStep(kind="LIMIT", rule=code, remark=text) for code, text in moved),
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
        return Amount(stated, (stated * (_HUNDRED + vat)).scaleb(-2))
    return Amount(stated * _HUNDRED / (_HUNDRED + vat), stated)


def _lines(segments: Sequence[Segment]) -> tuple[list[RatingLine], list[tuple[Component, Amount]]]:
    """One line per component of an element; quantities are summed before anything is divided."""
    grouped: dict[tuple[Kind, Rule], list[Segment]] = {}
    for s in segments:
        key = (s.kind, s.rule)
        if key in grouped:
            grouped[key].append(s)
        else:
            grouped[key] = [s]
    lines, amounts = [], []
    for (kind, rule), members in grouped.items():
        price, last = rule.price, members[-1]
        quantity = last.volume
        for s in members[:-1]:
            quantity += s.volume
        stated = quantity * price
        # Steps give their surplus to the last segment of all, so it can only be in the last of its line.
        if last.surplus:
            scale = SCALE[kind]
            small = quantity * scale + last.surplus
            quantity, stated = small / scale, small * price / scale
        vat, component = rule.vat, COMPONENTS[kind]
        amount = _taxed(stated, vat, rule.tariff.tax_included)
        net = outward(amount.excl if amount.excl is not None else stated)
        amounts.append((component, amount))
        billed = outward(quantity)
        lines.append(RatingLine(component, billed, UNITS[kind], price, net, vat, rule.bracket, rule.tariff.id))
    return lines, amounts


def _sum(amounts: Iterable[Amount]) -> Amount:
    excl: Decimal | None = _ZERO
    incl: Decimal | None = _ZERO
    for net, gross in amounts:
        excl = None if excl is None or net is None else excl + net
        incl = None if incl is None or gross is None else incl + gross
    return Amount(excl, incl)


def _subtotals(amounts: Sequence[tuple[Component, Amount]], side: int) -> Subtotals:
    sums: dict[Component, Decimal | None] = {}
    for component, amount in amounts:
        before, more = sums.get(component, _ZERO), amount[side]
        sums[component] = None if before is None or more is None else before + more
    get = sums.get
    return Subtotals(
        energy=_out(get("ENERGY", _ZERO)),
        time=_out(get("TIME", _ZERO)),
        parking=_out(get("PARKING", _ZERO)),
        flat=_out(get("FLAT", _ZERO)),
        reservation=_out(get("RESERVATION", _ZERO)),
    )


def _limited(raw: Amount, limits: TariffRules, segments: Sequence[Segment]) -> tuple[Amount, list[tuple[str, str]]]:
    """Clamp both totals, each by its own limit (mod_tariffs, notes on min_price and max_price).

    A limit without a gross amount leaves the gross total to the VAT; where no VAT is named at all, net and gross are
    the same and so are their limits. A net minimum on a session without any priced quantity has no VAT to lean on.
    """
    excl, incl = raw
    moved: list[tuple[str, str]] = []
    if limits.tariff.min_price is None and limits.tariff.max_price is None:
        return raw, moved
    taxed = any(s.rule.vat is not None for s in segments) or (not segments and limits.has_vat)
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
    rule, kind, volume = s.rule, s.kind, s.volume
    return TraceStep(
        "SEGMENT",
        rule.name,
        COMPONENTS[kind],
        s.period,
        s.at,
        volume,
        outward(s.quantity()) if s.surplus else volume,
        UNITS[kind],
        rule.price,
        outward(s.amount()) if s.surplus else volume * rule.price,
        rule.vat,
        rule.bracket,
    )


def _step_step(s: Step) -> TraceStep:
    unit, size = _SMALL_UNITS[s.kind], s.rule.step_size
    return TraceStep(
        kind="STEP",
        rule=s.rule.name,
        component=s.kind,
        measured=outward(s.measured),
        quantity=outward(s.billed),
        unit=unit,
        remark=f"{s.kind} {plain(s.measured)} {unit} -> {plain(s.billed)} {unit} in steps of {size} {unit}; "
        "the last segment takes the difference",
    )
