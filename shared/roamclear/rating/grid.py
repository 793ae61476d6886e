"""Contract price grids: tariffs with a scope and a priority (product.md rows 19-24)."""

from __future__ import annotations

from roamclear.kernel.ids import contract_id
from roamclear.kernel.record import Record
from roamclear.rating.countries import alpha2
from roamclear.rating.engine import rate
from roamclear.rating.model import ChargeRecord, OnSpan, Rating, Tariff


class EvseFacts(Record):
    """What the EVSE register knows and a CDR may not: groups, kind of current (``AC``/``DC`` or OCPI PowerType)."""

    group_ids: tuple[str, ...] = ()
    power_type: str | None = None
    country: str | None = None


class Scope(Record):
    """Where a line applies; every part that is given must fit, an empty one always does.

    ``power_types`` are ``AC``, ``DC`` or OCPI PowerTypes; ``countries`` ISO codes of two or three letters;
    ``contract_ids`` and ``contract_id_prefixes`` together name a token group (either may fit).
    """

    evse_group_ids: tuple[str, ...] = ()
    power_types: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    contract_id_prefixes: tuple[str, ...] = ()
    contract_ids: tuple[str, ...] = ()


class GridLine(Record):
    """A price for a scope; the lowest ``priority`` number is asked first, equal ones in the order of the grid."""

    id: str
    tariff: Tariff
    priority: int = 100
    scope: Scope = Scope()


class PriceGrid(Record):
    """The lines of one contract version. ``flat_on_zero_energy`` bills the flat fee without energy too (row 20)."""

    lines: tuple[GridLine, ...]
    flat_on_zero_energy: bool = False


def choose_line(grid: PriceGrid, charge: ChargeRecord, evse_facts: EvseFacts | None = None) -> GridLine | None:
    """The first line by priority whose scope fits; None is the hold reason NO_PRICE."""
    facts = evse_facts or EvseFacts()
    for line in sorted(grid.lines, key=lambda each: each.priority):
        if _fits(line.scope, charge, facts):
            return line
    return None


def rate_with_grid(
    grid: PriceGrid,
    charge: ChargeRecord,
    *,
    time_zone: str,
    evse_facts: EvseFacts | None = None,
    on_span: str = OnSpan.START,
) -> Rating | None:
    """Price a session by its contract; the rating carries the id of the line. None where no line fits."""
    line = choose_line(grid, charge, evse_facts)
    if line is None:
        return None
    rating = rate(
        charge,
        line.tariff,
        time_zone=time_zone,
        on_span=on_span,
        flat_needs_energy=not grid.flat_on_zero_energy,
    )
    return rating.model_copy(update={"line_id": line.id})


def _fits(scope: Scope, charge: ChargeRecord, facts: EvseFacts) -> bool:
    return (
        (not scope.evse_group_ids or any(g in scope.evse_group_ids for g in facts.group_ids))
        and (not scope.power_types or _fits_power(scope, charge, facts))
        and (not scope.countries or _fits_country(scope, charge, facts))
        and _fits_token(scope, charge)
    )


def _fits_power(scope: Scope, charge: ChargeRecord, facts: EvseFacts) -> bool:
    known = (facts.power_type or charge.location.connector_power_type or "").upper()
    # DC sessions are DC whatever the number of phases; OCPI PowerTypes are AC_1_PHASE, AC_3_PHASE, DC …
    return bool(known) and any(
        known == each or known.split("_")[0] == each for each in map(str.upper, scope.power_types)
    )


def _fits_country(scope: Scope, charge: ChargeRecord, facts: EvseFacts) -> bool:
    known = facts.country or charge.location.country
    return known is not None and _two(known) in {_two(each) for each in scope.countries}


def _two(country: str) -> str:
    return (alpha2(country) or country).upper()


def _fits_token(scope: Scope, charge: ChargeRecord) -> bool:
    if not scope.contract_ids and not scope.contract_id_prefixes:
        return True
    known = contract_id.compact(charge.token.contract_id or "")
    if not known:
        return False
    return known in {contract_id.compact(each) for each in scope.contract_ids} or any(
        known.startswith(contract_id.compact(prefix)) for prefix in scope.contract_id_prefixes
    )
