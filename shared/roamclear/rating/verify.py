"""A CDR's own totals against a tariff: totals, each dimension, the CDR against itself; every mismatch has a code."""

from __future__ import annotations

from decimal import Decimal, localcontext

from roamclear.rating.consistency import AMOUNT_TOLERANCE, self_consistency
from roamclear.rating.engine import price_session
from roamclear.rating.exact import EXACT, half_up
from roamclear.rating.model import ChargeRecord, Mismatch, Period, Price, Rating, Tariff, Verification
from roamclear.rating.selection import TariffRules

#: Amounts carry four decimals on the wire, so both sides are compared at four (ocpi.md section 5).
_PLACES = 4


def verify(charge: ChargeRecord, time_zone: str, tolerance: Decimal = AMOUNT_TOLERANCE) -> Verification:
    """Price a CDR with the tariffs inside it and compare with what it claims.

    Each period uses the tariff its ``tariff_id`` names; where no period names one, the first tariff that was valid at
    session start. ``tolerance`` is an absolute amount per compared field.
    """
    tariffs = {t.id.casefold(): t for t in charge.tariffs}
    main = own_tariff(charge)
    if main is None:
        missing = Mismatch(code="NO_TARIFF", field="tariffs", message="the CDR carries no tariff to check it with")
        return Verification(ok=False, checked=(), mismatches=(missing, *self_consistency(charge)))
    compiled = {name: TariffRules(t) for name, t in tariffs.items()}
    default = compiled[main.id.casefold()]
    has_ids = any(p.tariff_id for p in charge.periods)

    def pick(period: Period) -> TariffRules | None:
        if not has_ids:
            return default
        return compiled.get(period.tariff_id.casefold()) if period.tariff_id else None

    rating = price_session(charge, pick, default, time_zone=time_zone)
    return verify_against(charge, rating, tolerance)


def own_tariff(charge: ChargeRecord) -> Tariff | None:
    """The tariff of a CDR that governs currency and price limits: of its first named period, else valid at start."""
    by_id = {t.id.casefold(): t for t in charge.tariffs}
    for period in charge.periods:
        if period.tariff_id and period.tariff_id.casefold() in by_id:
            return by_id[period.tariff_id.casefold()]
    for tariff in by_id.values():
        if (tariff.start is None or tariff.start <= charge.start) and (tariff.end is None or charge.start < tariff.end):
            return tariff
    return next(iter(by_id.values()), None)


def verify_against(charge: ChargeRecord, rating: Rating, tolerance: Decimal = AMOUNT_TOLERANCE) -> Verification:
    """Compare a CDR's claims with a rating, and the CDR with itself."""
    checked: list[str] = []
    found: list[Mismatch] = []
    with localcontext(EXACT):
        if rating.currency != charge.currency and charge.currency:
            found.append(
                Mismatch(code="CURRENCY", field="currency", message=f"{charge.currency}, not {rating.currency}")
            )
        for name, claimed, computed in _pairs(charge, rating):
            checked.append(name)
            difference = half_up(claimed, _PLACES) - half_up(computed, _PLACES)
            if abs(difference) > tolerance:
                code = name.upper().replace(".", "_")
                found.append(Mismatch(code=code, field=name, claimed=claimed, computed=half_up(computed, _PLACES)))
    found.extend(self_consistency(charge))
    return Verification(ok=not found, checked=tuple(checked), mismatches=tuple(found), rating=rating)


def _pairs(charge: ChargeRecord, rating: Rating) -> list[tuple[str, Decimal, Decimal]]:
    """(field, claimed, computed) of everything that both sides know."""
    sign = Decimal(-1) if charge.credit else Decimal(1)
    excl, incl = rating.subtotals, rating.subtotals_incl_vat
    rows: list[tuple[str, Price | None, Decimal | None, Decimal | None]] = [
        ("total_cost", _signed(charge.total_cost, sign), rating.total_excl_vat, rating.total_incl_vat),
        ("total_energy_cost", charge.total_energy_cost, excl.energy, incl.energy),
        ("total_time_cost", charge.total_time_cost, excl.time, incl.time),
    ]
    if not _flat_is_mixed(rating):
        rows += [
            ("total_fixed_cost", charge.total_fixed_cost, excl.flat, incl.flat),
            ("total_parking_cost", charge.total_parking_cost, excl.parking, incl.parking),
            ("total_reservation_cost", charge.total_reservation_cost, excl.reservation, incl.reservation),
        ]
    # Without any rate in the tariff the tax is known to the CDR alone (North America, OCPI 2.3.0).
    has_vat = any(line.vat is not None for line in rating.lines)
    pairs = []
    for name, claimed, net, gross in rows:
        if claimed is None:
            continue
        if net is not None:
            pairs.append((f"{name}.excl_vat", claimed.excl_vat, net))
        if gross is not None and claimed.incl_vat is not None and has_vat:
            pairs.append((f"{name}.incl_vat", claimed.incl_vat, gross))
    return pairs


def _signed(price: Price | None, sign: Decimal) -> Price | None:
    if price is None:
        return None
    incl = None if price.incl_vat is None else price.incl_vat * sign
    return Price(excl_vat=price.excl_vat * sign, incl_vat=incl)


def _flat_is_mixed(rating: Rating) -> bool:
    """A fee beside parking or reservation: which of the three totals it belongs to cannot be known (ocpi.md 11.5)."""
    has_fee = any(line.unit == "1" and line.component != "CAP" and line.amount for line in rating.lines)
    return has_fee and any(line.component in ("PARKING", "RESERVATION") for line in rating.lines)
