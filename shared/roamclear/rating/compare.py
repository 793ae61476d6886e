"""Which of two prices is billed, and how far they lie apart (product.md rows 27 and 28)."""

from __future__ import annotations

from decimal import Decimal, localcontext
from enum import StrEnum

from roamclear.contracts.model import Basis
from roamclear.kernel.errors import InvalidInput
from roamclear.kernel.record import Record
from roamclear.rating.exact import EXACT, outward
from roamclear.rating.model import ChargeRecord, Component, Price, Rating, RatingLine, Unit

_ZERO = Decimal(0)


class Variance(StrEnum):
    """What the difference between the two prices leads to."""

    OK = "OK"
    WARN = "WARN"
    HOLD = "HOLD"


class Tolerance(Record):
    """A difference is tolerated up to ``absolute`` (major units) or up to ``percent`` of the grid price."""

    absolute: Decimal = Decimal("0.02")
    percent: Decimal = Decimal(1)
    beyond: Variance = Variance.WARN


class Comparison(Record):
    """Both prices, always kept, and the one that is billed.

    ``source`` is CDR_TOTAL or CONTRACT_GRID, None where neither has a price (hold reason NO_PRICE).
    """

    basis: Basis
    source: Basis | None
    billed_excl_vat: Decimal | None
    grid_excl_vat: Decimal | None
    cdr_excl_vat: Decimal | None
    difference: Decimal | None
    variance: Variance
    flags: tuple[str, ...] = ()


def compare(
    basis: str, grid: Rating | None, cdr_total: Decimal | None, tolerance: Tolerance | None = None
) -> Comparison:
    """Choose the billed price by the contract's basis and judge grid minus CDR total.

    ``cdr_total`` is None where the CDR is unpriced (``ChargeRecord.is_unpriced``): then the grid decides on any basis.
    """
    rule = tolerance or Tolerance()
    wanted = Basis(basis)
    grid_total = None if grid is None else grid.total_excl_vat
    source = _source(wanted, grid_total, cdr_total)
    billed = {Basis.CONTRACT_GRID: grid_total, Basis.CDR_TOTAL: cdr_total, None: None}[source]
    difference = None
    if grid_total is not None and cdr_total is not None:
        difference = EXACT.subtract(grid_total, cdr_total)
    is_within = difference is None or _is_within(difference, grid_total or _ZERO, rule)
    flags = [] if is_within else ["PRICE_VARIANCE"]
    flags += ["CDR_NOT_PRICED"] if cdr_total is None else []
    flags += ["NO_PRICE"] if source is None else []
    return Comparison(
        basis=wanted,
        source=source,
        billed_excl_vat=billed,
        grid_excl_vat=grid_total,
        cdr_excl_vat=cdr_total,
        difference=difference,
        variance=Variance.OK if is_within else rule.beyond,
        flags=tuple(flags),
    )


def _source(basis: Basis, grid: Decimal | None, cdr: Decimal | None) -> Basis | None:
    if basis is Basis.CONTRACT_GRID:
        return None if grid is None else Basis.CONTRACT_GRID
    if cdr is None:
        return None if grid is None else Basis.CONTRACT_GRID
    if basis is Basis.CDR_TOTAL:
        return Basis.CDR_TOTAL
    return Basis.CONTRACT_GRID if grid is not None and grid <= cdr else Basis.CDR_TOTAL


def _is_within(difference: Decimal, grid: Decimal, rule: Tolerance) -> bool:
    with localcontext(EXACT):
        return abs(difference) <= max(rule.absolute, abs(grid) * rule.percent / 100)


def lines_of_cdr(charge: ChargeRecord) -> tuple[RatingLine, ...]:
    """A CDR's own price as lines: its sub-totals where they add up to the total, else one line for the session.

    Unit prices are the amount over the quantity, for information; the amount rules. A credit's lines are those of its
    (negative) total.

    Raises:
        InvalidInput: the CDR carries no price.
    """
    if charge.total_cost is None:
        raise InvalidInput("the CDR carries no price", field="total_cost")
    total = charge.total_cost.excl_vat
    parts: list[tuple[Component, Price | None, Decimal | None, Unit]] = [
        ("ENERGY", charge.total_energy_cost, charge.total_energy_kwh, "kWh"),
        ("TIME", charge.total_time_cost, None, "h"),
        ("PARKING", charge.total_parking_cost, charge.total_parking_time_h, "h"),
        ("FLAT", charge.total_fixed_cost, None, "1"),
        ("RESERVATION", charge.total_reservation_cost, None, "1"),
    ]
    with localcontext(EXACT):
        lines = [
            _cdr_line(name, part.excl_vat, quantity, unit)
            for name, part, quantity, unit in parts
            if part is not None and part.excl_vat
        ]
        added = sum((line.amount for line in lines), _ZERO)
        return tuple(lines) if lines and added == total else (_cdr_line("FLAT", total, None, "1"),)


def _cdr_line(component: Component, amount: Decimal, quantity: Decimal | None, unit: Unit) -> RatingLine:
    known = quantity if quantity else None
    return RatingLine(
        component=component,
        quantity=known or Decimal(1),
        unit=unit if known else "1",
        unit_price=outward(amount / known) if known else amount,
        amount=amount,
        bracket="as priced by the CPO",
    )
