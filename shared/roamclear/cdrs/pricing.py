"""A session's price under its contract: both totals, the lines that count, the trace beside them (rules.md 7)."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from roamclear.cdrs.model import PricedLine
from roamclear.cdrs.model import Rating as Kept
from roamclear.contracts.model import ContractVersion
from roamclear.contracts.rules import vat_of
from roamclear.kernel import numbers_json
from roamclear.kernel.errors import InvalidInput
from roamclear.kernel.money import HALF_UP, Money, allocate, total
from roamclear.kernel.record import Record, plain
from roamclear.rating import service as rating
from roamclear.rating.model import ChargeRecord, RatedLine, Rating

#: A grid that leaves time unpriced is the rule, not a finding; the trace still says it.
_QUIET = {"UNPRICED_DIMENSION"}
_PARSED: dict[tuple[str, str, int], tuple[tuple[dict[str, Any], ...], rating.PriceGrid]] = {}


class Priced(Record):
    """What pricing came to; ``net`` is None where there is no price, and ``reasons`` say why."""

    net: Money | None = None
    lines: tuple[PricedLine, ...] = ()
    grid_line: str | None = None
    grid_total: Decimal | None = None
    cdr_total: Decimal | None = None
    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    trace: bytes = b""


def read_grid(lines: tuple[dict[str, Any], ...]) -> rating.PriceGrid:
    """A contract's price grid: ``{id, priority, scope, tariff}`` lines, the tariff as OCPI 2.2.1 JSON.

    Raises:
        InvalidInput: naming the line and field at fault.
    """
    read = []
    for number, line in enumerate(lines):
        try:
            read.append(
                rating.GridLine(
                    id=str(line["id"]),
                    tariff=rating.normalise_tariff(line["tariff"], "2.2.1"),
                    priority=int(line.get("priority", 100)),
                    scope=rating.Scope.model_validate(line.get("scope", {})),
                )
            )
        except InvalidInput as error:
            raise InvalidInput(error.message, field=f"grid.{number}.{error.field}") from error
        except (KeyError, ValueError, TypeError) as error:
            raise InvalidInput("a line is {id, tariff, priority?, scope?}", field=f"grid.{number}") from error
    return rating.PriceGrid(lines=tuple(read))


def price(charge: ChargeRecord, terms: ContractVersion, zone: str, facts: rating.EvseFacts) -> Priced:
    """Price one session: the grid, the CDR's own total, the contract's basis, the variance between them."""
    agreed = terms.terms
    grid = _grid(terms)
    rated = rating.rate_with_grid(grid, charge, time_zone=zone, evse_facts=facts, on_span=agreed.on_period_span)
    cdr_total = None if charge.is_unpriced or charge.total_cost is None else charge.total_cost.excl_vat
    tolerance = rating.Tolerance(
        absolute=agreed.price_tolerance,
        percent=agreed.price_tolerance_percent,
        beyond=rating.Variance(agreed.on_price_variance),
    )
    if rated is not None and rated.currency != agreed.currency:
        return Priced(cdr_total=cdr_total, reasons=("CURRENCY",))
    both = rating.compare(agreed.basis.value, rated, cdr_total, tolerance)
    if both.source is None or (cdr_total is not None and charge.currency != agreed.currency):
        return Priced(cdr_total=cdr_total, reasons=("CURRENCY",) if both.source else ("NO_PRICE",))
    lines = _taxed(_lines(both.source, rated, charge, agreed.currency), terms, charge, facts)
    reasons = list(rated.hold_reasons) if rated else []
    reasons += ["PRICE_VARIANCE"] if both.variance is rating.Variance.HOLD else []
    return Priced(
        net=total((line.amount for line in lines), agreed.currency),
        lines=lines,
        grid_line=rated.line_id if rated else None,
        grid_total=both.grid_excl_vat,
        cdr_total=cdr_total,
        reasons=tuple(reasons),
        warnings=tuple(dict.fromkeys(f for f in [*both.flags, *(rated.flags if rated else ())] if f not in _QUIET)),
        trace=_trace(both, rated, lines, zone),
    )


def _taxed(
    lines: tuple[PricedLine, ...], terms: ContractVersion, charge: ChargeRecord, facts: rating.EvseFacts
) -> tuple[PricedLine, ...]:
    """The lines with the VAT of components that the contract treats apart; the others bear that of their session."""
    apart = {rule.component for rule in terms.terms.vat_rules if rule.component}
    if not apart:
        return lines
    country = rating.alpha2(facts.country or "") or ""
    whole = vat_of(terms, country, charge.end)

    def taxed(line: PricedLine) -> PricedLine:
        own = vat_of(terms, country, charge.end, line.component) if line.component in apart else None
        if own is None or own == whole:
            return line
        return line.model_copy(update={"vat_category": own.category.value, "vat_rate_percent": own.rate_percent})

    return tuple(taxed(line) for line in lines)


def granted(lines: tuple[PricedLine, ...], lowered_by: Money) -> tuple[PricedLine, ...]:
    """The lines of a session whose price was lowered in a dispute: one more line with the minus in the quantity."""
    extra = PricedLine(
        component="DISPUTE",
        quantity=Decimal(-1),
        unit_price=lowered_by.to_decimal(),
        amount=-lowered_by,
    )
    return (*lines, *by_vat(extra, lines))


def by_vat(line: PricedLine, price: Iterable[PricedLine]) -> tuple[PricedLine, ...]:
    """A line that changes a price by an amount, shared out over the VAT treatments of that price by what they come to.

    Where all of the price is treated alike it stays one line.
    """
    nets: dict[tuple[str | None, Decimal | None], int] = {}
    for each in price:
        name = each.vat_category, each.vat_rate_percent
        nets[name] = nets.get(name, 0) + each.amount.amount_minor
    sign = -1 if sum(nets.values()) < 0 else 1
    kept = {name: minor * sign for name, minor in nets.items() if minor * sign > 0}
    if len(nets) < 2 or not kept:
        (category, rate), *_ = [*nets, (None, None)]
        return (line.model_copy(update={"vat_category": category, "vat_rate_percent": rate}),)
    parts = zip(kept, allocate(line.amount, list(kept.values())), strict=True)
    return tuple(_part(line, part, *name) for name, part in parts if part)


def _part(line: PricedLine, part: Money, category: str | None, rate: Decimal | None) -> PricedLine:
    update: dict[str, Any] = {"amount": part, "vat_category": category, "vat_rate_percent": rate}
    if line.unit_price == 1:
        update["quantity"] = part.to_decimal()
    else:
        update["unit_price"] = abs(part.to_decimal())
    return line.model_copy(update=update)


def withheld(part: Money) -> PricedLine:
    """The line by which a disputed part is left out of a price (a minus in quantity and amount), or billed later.

    It counts units of 1.00, so that those of all sessions of a document stand on one line.
    """
    return PricedLine(component="WITHHELD", quantity=part.to_decimal(), unit_price=Decimal(1), amount=part)


def mirrored(lines: tuple[PricedLine, ...]) -> tuple[PricedLine, ...]:
    """The lines that undo a session: the same prices, quantities and amounts negative (rules.md 7)."""
    return tuple(line.model_copy(update={"quantity": -line.quantity, "amount": -line.amount}) for line in lines)


def read_trace(trace: bytes) -> Any:
    """The stored trace as plain JSON values."""
    return numbers_json.loads(zlib.decompress(trace)) if trace else None


def told(made: Kept) -> dict[str, Any]:
    """A rating as it is shown, with its trace in words; one whose steps were given up after their term has none."""
    shown = {name: value for name, value in made.dump().items() if name != "trace"}
    trace = read_trace(made.trace)
    return shown if trace is None else shown | {"trace": trace}


def _grid(terms: ContractVersion) -> rating.PriceGrid:
    key = (terms.issuer_id, terms.contract_id, terms.version)
    grid = terms.terms.grid
    known = _PARSED.get(key)
    # A version is never changed, so what was parsed once stays right; a restored table may hold another one.
    if known is None or known[0] != grid:
        if len(_PARSED) > 256:
            _PARSED.clear()
        known = _PARSED[key] = (grid, read_grid(grid))
    return known[1]


def _lines(source: rating.Basis, rated: Rating | None, charge: ChargeRecord, currency: str) -> tuple[PricedLine, ...]:
    if source is rating.Basis.CONTRACT_GRID and rated is not None:
        found = rating.round_components(rated, currency)
    else:
        found = rating.round_lines(rating.lines_of_cdr(charge), currency)
    return tuple(_line(each) for each in found if each.net or each.line.amount)


def _line(rated: RatedLine) -> PricedLine:
    return PricedLine(
        component=rated.line.component,
        quantity=rated.line.quantity,
        unit_price=rated.line.unit_price,
        amount=rated.net,
        bracket=rated.line.bracket or None,
    )


def _trace(both: rating.Comparison, rated: Rating | None, lines: tuple[PricedLine, ...], zone: str) -> bytes:
    told = {
        "zone": zone,
        "comparison": both.dump(),
        "steps": [step.dump() for step in rated.trace] if rated else [],
        "rounded": [line.dump() for line in lines],
        "rounding": HALF_UP,
    }
    return zlib.compress(numbers_json.dumps(plain(told)).encode(), 9)
