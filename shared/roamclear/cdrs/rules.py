"""Plausibility of a single CDR (ocpi.md section 9, product.md row 10): pure, no other CDR and no store is asked.

Only the wire refuses (severity REJECT, ``of_wire``); everything here holds or warns: a CDR is never lost. What needs
other rows (duplicates, overlaps, assignment, contract) is asked where those rows are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal, localcontext

from roamclear.cdrs.severities import Severity, usual
from roamclear.kernel.errors import InvalidInput
from roamclear.kernel.ids import contract_id, evse_id
from roamclear.kernel.record import Record
from roamclear.rating import service as rating
from roamclear.rating.model import NOT_APPLICABLE, ChargeRecord


class Finding(Record):
    """One rule that did not pass: which, how grave, what was seen, where."""

    id: str
    severity: Severity
    message: str
    field: str


class Thresholds(Record):
    """What a contract finds plausible; None switches a threshold off, ``off`` rules by id, ``severities`` overrides."""

    max_energy_kwh: Decimal | None = Decimal(400)
    wh_suspicion_kwh: Decimal | None = Decimal(1000)
    min_energy_kwh: Decimal | None = Decimal("0.2")
    max_duration_h: Decimal | None = Decimal(96)
    min_duration_s: int | None = 120
    idle_duration_h: Decimal | None = Decimal(1)
    power_factor: Decimal | None = Decimal("1.1")
    min_cost: Decimal | None = None
    max_cost: Decimal | None = Decimal(1000)
    max_price_per_kwh: Decimal | None = Decimal(5)
    cost_tolerance: Decimal = Decimal("0.02")
    clock_skew_s: int = 300
    max_age_days: int | None = 90
    signed_data_countries: tuple[str, ...] = ("DEU",)
    severities: dict[str, Severity] = {}
    off: tuple[str, ...] = ()


class PlugFacts(Record):
    """What the register and the contract know about the place and the partners; all of it may be unknown.

    ``operators`` are the EVSE operator prefixes (``DEABC``) that the sending party may use beside its own.
    """

    max_power_kw: Decimal | None = None
    time_zone: str | None = None
    contract_currency: str | None = None
    operators: tuple[str, ...] = ()


class _Case(Record):
    """One CDR under examination."""

    charge: ChargeRecord
    limits: Thresholds
    received_at: datetime
    facts: PlugFacts


Raised = tuple[str, str, str]
#: Highest mean power in kW that a connector type can deliver, where the register does not know better.
_POWER_KW = {
    "AC_1_PHASE": Decimal("18.4"),
    "AC_2_PHASE": Decimal(22),
    "AC_2_PHASE_SPLIT": Decimal(22),
    "AC_3_PHASE": Decimal("43.5"),
    "DC": Decimal(1000),
}
_ENUMS = {
    "auth_method": ("AUTH_REQUEST", "COMMAND", "WHITELIST"),
    "token_type": ("AD_HOC_USER", "APP_USER", "EMAID", "OTHER", "RFID"),
}
_TIMES = ("TIME", "PARKING_TIME", "RESERVATION_TIME")


def check(
    charge: ChargeRecord, thresholds: Thresholds, *, received_at: datetime, evse_facts: PlugFacts | None = None
) -> list[Finding]:
    """Run every rule over one CDR.

    Args:
        charge: the normalised CDR.
        thresholds: the contract's, or ``Thresholds()``.
        received_at: the instant of arrival; future and age are judged by it, not by the present.
        evse_facts: what is known beyond the CDR.

    Returns:
        Findings in the order of the rules, at most one per rule and field.
    """
    case = _Case(charge=charge, limits=thresholds, received_at=received_at, facts=evse_facts or PlugFacts())
    found: dict[tuple[str, str], Finding] = {}
    for rule in RULES:
        for finding in _findings(rule, case):
            found.setdefault((finding.id, finding.field), finding)
    return list(found.values())


def by_rule(charge: ChargeRecord, thresholds: Thresholds, *, received_at: datetime) -> dict[str, list[Finding]]:
    """Every rule by its name with what it found; a rule that found nothing was passed."""
    case = _Case(charge=charge, limits=thresholds, received_at=received_at, facts=PlugFacts())
    return {rule.__name__.lstrip("_"): _findings(rule, case) for rule in RULES}


def _findings(rule: Callable[[_Case], Iterator[Raised]], case: _Case) -> list[Finding]:
    return [
        Finding(id=id_, severity=_severity(id_, case.limits), message=message, field=field)
        for id_, field, message in rule(case)
        if id_ not in case.limits.off
    ]


def of_wire(error: InvalidInput) -> Finding:
    """What the wire refuses, as a finding."""
    return Finding(id="WIRE", severity=Severity.REJECT, message=error.message, field=error.field)


def _severity(id_: str, thresholds: Thresholds) -> Severity:
    if id_ in thresholds.severities:
        return thresholds.severities[id_]
    return usual(id_)


def _times(case: _Case) -> Iterator[Raised]:
    """Checks 1, 2, 6: an end after the start, nothing in the future, a believable length."""
    charge, limits = case.charge, case.limits
    if not charge.has_known_times:
        yield "TIMES_UNKNOWN", "start_date_time", "start or end is the agreed 1970-1-1 for an unknown instant"
        return
    latest = case.received_at + timedelta(seconds=limits.clock_skew_s)
    if charge.start > latest or charge.end > latest:
        yield "IN_FUTURE", "end_date_time", "the session lies in the future of its arrival"
    hours = rating.duration_h(charge)
    if hours < 0:
        yield "END_BEFORE_START", "end_date_time", "the session ends before it starts"
    elif hours == 0:
        yield "ZERO_DURATION", "end_date_time", "the session has no length"
    elif limits.min_duration_s is not None and hours * 3600 < limits.min_duration_s:
        yield "DURATION_TOO_SHORT", "end_date_time", f"shorter than {limits.min_duration_s} s"
    if limits.max_duration_h is not None and hours > limits.max_duration_h:
        yield "DURATION_TOO_LONG", "end_date_time", f"longer than {limits.max_duration_h} h"


def _age(case: _Case) -> Iterator[Raised]:
    """Check 14, and a record that was closed before its session."""
    charge, days = case.charge, case.limits.max_age_days
    if days is not None and charge.has_known_times and case.received_at - charge.end > timedelta(days=days):
        yield "TOO_OLD", "end_date_time", f"arrived more than {days} days after the session"
    if charge.last_updated is not None and charge.last_updated < charge.end:
        yield "LAST_UPDATED_BEFORE_END", "last_updated", "last updated before the session ended"


def _energy(case: _Case) -> Iterator[Raised]:
    """Checks 3, 4, 5, 9: energy that is negative, too high, too low, or none over a long time."""
    kwh, limits = case.charge.total_energy_kwh, case.limits
    if kwh < 0:
        yield "ENERGY_NEGATIVE", "total_energy", "negative energy"
        return
    suspicious = limits.wh_suspicion_kwh is not None and kwh > limits.wh_suspicion_kwh
    if suspicious and "ENERGY_IN_WH" not in limits.off:
        yield "ENERGY_IN_WH", "total_energy", f"{kwh} kWh: these are probably Wh"
    elif limits.max_energy_kwh is not None and kwh > limits.max_energy_kwh:
        yield "ENERGY_TOO_HIGH", "total_energy", f"more than {limits.max_energy_kwh} kWh"
    reserved = rating.volume_sum(case.charge, "RESERVATION_TIME")
    if kwh == 0 and not reserved:
        yield "ENERGY_ZERO", "total_energy", "no energy was charged"
        if limits.idle_duration_h is not None and rating.duration_h(case.charge) > limits.idle_duration_h:
            yield "ZERO_ENERGY_LONG", "total_energy", f"no energy in more than {limits.idle_duration_h} h"
    elif kwh > 0 and limits.min_energy_kwh is not None and kwh < limits.min_energy_kwh:
        yield "ENERGY_TOO_LOW", "total_energy", f"less than {limits.min_energy_kwh} kWh"


def _volumes(case: _Case) -> Iterator[Raised]:
    """Checks 1 and 3 per period: no time runs backwards; negative energy may be feeding back, so it only warns."""
    known = {*_TIMES, "ENERGY", "FLAT", "MAX_CURRENT", "MIN_CURRENT", "MAX_POWER", "MIN_POWER"}
    sessions = {"CURRENT", "POWER", "ENERGY_IMPORT", "ENERGY_EXPORT", "STATE_OF_CHARGE"}
    for index, period in enumerate(case.charge.periods):
        for dimension in period.dimensions:
            where = f"charging_periods[{index}]"
            if dimension.type in _TIMES and dimension.volume < 0:
                yield "NEGATIVE_VOLUME", where, f"{dimension.type} is negative"
            elif dimension.type == "ENERGY" and dimension.volume < 0:
                yield "ENERGY_PERIOD_NEGATIVE", where, "energy of a period is negative"
            elif dimension.type not in known and dimension.type not in sessions:
                yield "UNKNOWN_DIMENSION", where, f"{dimension.type[:40]} is no dimension of OCPI"


def _power(case: _Case) -> Iterator[Raised]:
    """Check 7: mean power within what the connector can deliver."""
    charge, factor = case.charge, case.limits.power_factor
    limit = case.facts.max_power_kw or _POWER_KW.get((charge.location.connector_power_type or "").upper())
    if factor is None or limit is None or charge.total_energy_kwh <= 0:
        return
    with localcontext() as context:
        context.prec = 60
        connected = rating.duration_h(charge) if charge.has_known_times else charge.total_time_h
        parked = charge.total_parking_time_h or rating.volume_sum(charge, "PARKING_TIME") or Decimal(0)
        # Some partners count charging at low power as parking, so a nonsensical rest falls back to the whole session.
        hours = connected - parked if connected > parked else connected
        if hours > 0 and charge.total_energy_kwh / hours > limit * factor:
            mean = (charge.total_energy_kwh / hours).quantize(Decimal("0.1"))
            yield "POWER_TOO_HIGH", "total_energy", f"mean power {mean} kW is more than the connector's {limit} kW"


def _cost(case: _Case) -> Iterator[Raised]:
    """Checks 8 and 12: a cost in bounds, and one at all."""
    charge, limits = case.charge, case.limits
    if charge.total_cost is None:
        return
    cost = charge.total_cost.excl_vat
    if charge.is_unpriced:
        yield "CDR_NOT_PRICED", "total_cost", "0 for real energy and no tariff: left to the contract"
    elif cost == 0 and charge.total_energy_kwh > 0:
        yield "FREE_SESSION", "total_cost", "the CPO charges nothing for this energy"
    if cost < 0 and not charge.credit:
        yield "COST_NEGATIVE", "total_cost", "a negative total on a CDR that credits nothing"
    size = abs(cost)
    if limits.max_cost is not None and size > limits.max_cost:
        yield "COST_TOO_HIGH", "total_cost", f"more than {limits.max_cost} {charge.currency}"
    if limits.min_cost is not None and 0 < size < limits.min_cost:
        yield "COST_TOO_LOW", "total_cost", f"less than {limits.min_cost} {charge.currency}"
    kwh, bound = charge.total_energy_kwh, limits.max_price_per_kwh
    if bound is not None and kwh >= 1 and size > bound * kwh:
        yield "PRICE_PER_KWH_TOO_HIGH", "total_cost", f"more than {bound} {charge.currency} per kWh"


def _currency(case: _Case) -> Iterator[Raised]:
    """Check 12: one currency in CDR, tariffs and contract, and a real one."""
    charge = case.charge
    if not rating.is_currency(charge.currency):
        yield "CURRENCY_UNKNOWN", "currency", f"{charge.currency} is no currency in use (ISO 4217)"
    if any(tariff.currency != charge.currency for tariff in charge.tariffs):
        yield "CURRENCY_TARIFF", "currency", "a tariff of the CDR is in another currency"
    agreed = case.facts.contract_currency
    if agreed is not None and agreed != charge.currency:
        yield "CURRENCY_CONTRACT", "currency", f"the contract is in {agreed}"


def _evse(case: _Case) -> Iterator[Raised]:
    """Check 10 as far as the CDR tells: an EVSE that can be found, of an operator that fits the sender."""
    charge, place = case.charge, case.charge.location
    if place.evse_id in (None, NOT_APPLICABLE):
        if place.evse_uid in (None, NOT_APPLICABLE):
            yield "EVSE_UNIDENTIFIED", "cdr_location.evse_id", "neither evse_id nor evse_uid"
        else:
            yield "EVSE_ID_MISSING", "cdr_location.evse_id", "no evse_id, only the uid"
        return
    assert place.evse_id is not None
    if not evse_id.is_valid(place.evse_id):
        yield "EVSE_ID_FORM", "cdr_location.evse_id", "not of the form CC*PPP*E…"
        return
    sender = f"{charge.country_code or ''}{charge.party_id or ''}".upper()
    if sender and evse_id.operator(place.evse_id) not in {sender, *(each.upper() for each in case.facts.operators)}:
        yield "EVSE_OPERATOR_DIFFERS", "cdr_location.evse_id", f"the EVSE's operator is not {sender}"


def _token(case: _Case) -> Iterator[Raised]:
    """Check 11 as far as the CDR tells: whose driver this was."""
    token = case.charge.token
    if token.country_code and token.party_id:
        return
    if contract_id.is_valid(token.contract_id or ""):
        if case.charge.version != "2.1.1":
            yield "TOKEN_PARTY_MISSING", "cdr_token.party_id", "no eMSP party, only the contract id tells it"
    else:
        yield "EMSP_UNIDENTIFIED", "cdr_token", "neither an eMSP party nor a well-formed contract id"


def _tariff(case: _Case) -> Iterator[Raised]:
    """Checks 8 and 17: the CDR's own tariff leads to its own totals, and no period runs into another price."""
    charge = case.charge
    if not charge.tariffs:
        yield "NO_TARIFF", "tariffs", "the CDR carries no tariff to check its price with"
        return
    if case.facts.time_zone is None or charge.is_unpriced:
        return
    result = rating.verify(charge, case.facts.time_zone, case.limits.cost_tolerance)
    own = {m.code for m in rating.self_consistency(charge)}
    for mismatch in result.mismatches:
        if mismatch.code not in own and mismatch.code not in ("NO_TARIFF", "CURRENCY"):
            message = f"{mismatch.claimed} claimed, {mismatch.computed} by the CDR's own tariff"
            yield "TARIFF_MISMATCH", mismatch.field, message
    if result.rating is not None and "PERIOD_SPANS_PRICE_CHANGE" in result.rating.flags:
        yield "PERIOD_SPANS_PRICE_CHANGE", "charging_periods", "a period runs into another price"


def _credit(case: _Case) -> Iterator[Raised]:
    """Check 15 as far as the CDR tells; whether the original exists is asked of the store."""
    charge = case.charge
    if not charge.credit:
        if charge.credit_reference_id:
            yield "CREDIT_REFERENCE_WITHOUT_CREDIT", "credit_reference_id", "names a credited CDR but is no credit"
        if len(charge.id) > 36:
            yield "ID_TOO_LONG", "id", "only a credit's id may have more than 36 characters"
        return
    if charge.total_cost is not None and charge.total_cost.excl_vat > 0:
        yield "CREDIT_NOT_NEGATIVE", "total_cost", "a credit's total is negative"
    if (charge.credit_reference_id or "").casefold() == charge.id.casefold():
        yield "CREDIT_OF_ITSELF", "credit_reference_id", "a credit names another CDR"


def _consistency(case: _Case) -> Iterator[Raised]:
    """Check 16: the CDR agrees with itself."""
    for mismatch in rating.self_consistency(case.charge):
        yield mismatch.code, mismatch.field, mismatch.message


def _signed(case: _Case) -> Iterator[Raised]:
    """Check 18: signed meter values where the law wants them."""
    charge = case.charge
    needs = charge.location.country in case.limits.signed_data_countries
    if needs and not charge.has_signed_data and charge.total_energy_kwh > 0:
        yield "SIGNED_DATA_MISSING", "signed_data", f"signed meter values are law in {charge.location.country}"


def _reading(case: _Case) -> Iterator[Raised]:
    """What was bent to read the object, and words the standard does not know."""
    charge = case.charge
    if charge.session_id in (None, NOT_APPLICABLE) and charge.version != "2.1.1":
        yield (
            "SESSION_ID_MISSING",
            "session_id",
            "no session id: a second CDR of the session cannot be recognised by it",
        )
    for field, value in (("auth_method", charge.auth_method), ("token_type", charge.token.type)):
        if value is not None and value.upper() not in _ENUMS[field]:
            yield "UNKNOWN_ENUM", field, f"{value[:40]} is no value of OCPI"
    for quirk in charge.quirks:
        code, _, field = quirk.partition(":")
        if code != "PERIODS_UNORDERED":
            yield "READ_WITH_QUIRK", field or code, f"read in spite of {code}"


#: All rules, in the order in which their findings are shown.
RULES: tuple[Callable[[_Case], Iterator[Raised]], ...] = (
    *(_times, _energy, _volumes, _power, _cost, _currency, _evse, _token),
    *(_credit, _consistency, _tariff, _signed, _age, _reading),
)
