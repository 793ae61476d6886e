"""Whether a CDR agrees with itself (ocpi.md section 9, check 16); no tariff is needed."""

from __future__ import annotations

from decimal import Decimal, localcontext

from roamclear.rating.exact import EXACT
from roamclear.rating.model import ChargeRecord, Mismatch, Price

ENERGY_TOLERANCE_KWH = Decimal("0.01")
TIME_TOLERANCE_H = Decimal("0.02")
AMOUNT_TOLERANCE = Decimal("0.02")
_MICROSECONDS_PER_HOUR = Decimal(3_600_000_000)
_SECONDS_PER_HOUR = 3600


def duration_h(charge: ChargeRecord) -> Decimal:
    """Hours from start to end, negative where the end lies before the start."""
    span = charge.end - charge.start
    micro = (span.days * 86_400 + span.seconds) * 1_000_000 + span.microseconds
    return EXACT.divide(Decimal(micro), _MICROSECONDS_PER_HOUR)


def volume_sum(charge: ChargeRecord, dimension: str) -> Decimal | None:
    """Sum of one dimension over all periods, None where no period carries it."""
    found = [d.volume for p in charge.periods for d in p.dimensions if d.type == dimension]
    with localcontext(EXACT):
        return sum(found, Decimal(0)) if found else None


def seconds_for_hours(charge: ChargeRecord) -> bool:
    """True where ``total_time`` looks like seconds: about 3600 times the session's length (a known partner fault)."""
    hours = duration_h(charge)
    if hours <= 0 or charge.total_time_h < 24:
        return False
    return abs(EXACT.divide(charge.total_time_h, hours) - _SECONDS_PER_HOUR) < 40


def self_consistency(charge: ChargeRecord) -> list[Mismatch]:
    """Every place where the parts of a CDR contradict each other."""
    with localcontext(EXACT):
        return [*_quantities(charge), *_times(charge), *_periods(charge), *_amounts(charge)]


def _differs(code: str, field: str, claimed: Decimal, computed: Decimal, message: str) -> Mismatch:
    return Mismatch(code=code, field=field, claimed=claimed, computed=computed, message=message)


def _quantities(charge: ChargeRecord) -> list[Mismatch]:
    found = []
    energy = volume_sum(charge, "ENERGY")
    if energy is not None and abs(energy - charge.total_energy_kwh) > ENERGY_TOLERANCE_KWH:
        found.append(
            _differs("ENERGY_SUM", "total_energy", charge.total_energy_kwh, energy, "periods and total differ in kWh")
        )
    parking = volume_sum(charge, "PARKING_TIME")
    claimed = charge.total_parking_time_h
    if parking is not None and claimed is not None and abs(parking - claimed) > TIME_TOLERANCE_H:
        found.append(
            _differs("PARKING_SUM", "total_parking_time", claimed, parking, "periods and total differ in parking hours")
        )
    return found


def _times(charge: ChargeRecord) -> list[Mismatch]:
    if not charge.has_known_times:
        return []
    span, total = duration_h(charge), charge.total_time_h
    if seconds_for_hours(charge):
        return [
            _differs("TIME_IN_SECONDS", "total_time", total, span, "total_time is in hours, this looks like seconds")
        ]
    found = []
    if span >= 0 and abs(span - total) > TIME_TOLERANCE_H and not volume_sum(charge, "RESERVATION_TIME"):
        found.append(_differs("TIME_SPAN", "total_time", total, span, "start to end is not total_time"))
    parking = charge.total_parking_time_h
    if parking is not None and parking > total + TIME_TOLERANCE_H:
        found.append(
            _differs("PARKING_EXCEEDS_TIME", "total_parking_time", parking, total, "parked longer than connected")
        )
    return found


def _periods(charge: ChargeRecord) -> list[Mismatch]:
    found = []
    if "PERIODS_UNORDERED" in charge.quirks:
        found.append(Mismatch(code="PERIODS_UNORDERED", field="charging_periods", message="periods are not in order"))
    if charge.has_known_times:
        if charge.periods[0].start < charge.start:
            found.append(
                Mismatch(
                    code="PERIOD_BEFORE_START", field="charging_periods", message="a period begins before the start"
                )
            )
        if charge.periods[-1].start > charge.end:
            found.append(
                Mismatch(code="PERIOD_AFTER_END", field="charging_periods", message="a period begins after the end")
            )
    known = {t.id.casefold() for t in charge.tariffs}
    unknown = sorted({p.tariff_id for p in charge.periods if p.tariff_id and p.tariff_id.casefold() not in known})
    if unknown and known:
        found.append(
            Mismatch(
                code="TARIFF_ID_UNKNOWN",
                field="charging_periods.tariff_id",
                message=f"the CDR carries no tariff {unknown[0]}",
            )
        )
    return found


def _amounts(charge: ChargeRecord) -> list[Mismatch]:
    found = []
    prices = {
        "total_cost": charge.total_cost,
        "total_fixed_cost": charge.total_fixed_cost,
        "total_energy_cost": charge.total_energy_cost,
        "total_time_cost": charge.total_time_cost,
        "total_parking_cost": charge.total_parking_cost,
        "total_reservation_cost": charge.total_reservation_cost,
    }
    for name, price in prices.items():
        if price is not None and price.incl_vat is not None and abs(price.incl_vat) < abs(price.excl_vat):
            found.append(
                _differs(
                    "INCL_BELOW_EXCL", name, price.incl_vat, price.excl_vat, "the amount with VAT is the smaller one"
                )
            )
    parts = [p for name, p in prices.items() if name != "total_cost" and p is not None]
    if charge.total_cost is not None and parts:
        found.extend(_part_sum(charge, charge.total_cost, parts))
    return found


def _part_sum(charge: ChargeRecord, total: Price, parts: list[Price]) -> list[Mismatch]:
    """Parts above the total contradict it; parts below do so only where none can be missing. Limits excuse both."""
    if any(t.min_price or t.max_price for t in charge.tariffs):
        return []
    # On a credit only total_cost is negative, the parts stay as they were (mod_cdrs, Credit CDRs).
    claimed = abs(total.excl_vat) if charge.credit else total.excl_vat
    added = sum((p.excl_vat for p in parts), Decimal(0))
    is_complete = len(parts) == 5
    if added > claimed + AMOUNT_TOLERANCE or (is_complete and added < claimed - AMOUNT_TOLERANCE):
        return [_differs("SUBTOTALS_SUM", "total_cost", claimed, added, "the parts do not add up to total_cost")]
    return []
