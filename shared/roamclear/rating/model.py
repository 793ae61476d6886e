"""The one internal shape of a CDR and a tariff, whatever OCPI version they came in, and what rating makes of them.

Units: energy in kWh, time in hours as received, money as exact ``Decimal`` in major units of ``currency``; instants are
aware UTC. Nothing here is rounded but where a name says so. Strings are kept as received; compare them folded.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Literal, NamedTuple

from pydantic import SkipValidation

from roamclear.kernel.money import Money
from roamclear.kernel.record import Record

NOT_APPLICABLE = "#NA"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class TaxIncluded(StrEnum):
    """Whether tariff prices are gross (OCPI 2.3.0 ``tax_included``); 2.1.1 and 2.2.1 prices are always net."""

    YES = "YES"
    NO = "NO"
    NOT_APPLICABLE = "N/A"


class OnSpan(StrEnum):
    """What to do with a charging period that runs into another price (rules.md 4)."""

    START = "START"
    HOLD = "HOLD"


class Tax(Record):
    """One tax of an amount (OCPI 2.3.0 ``TaxAmount``)."""

    name: str
    amount: Decimal
    percentage: Decimal | None = None
    account_number: str | None = None


class Price(Record):
    """An amount without tax and, where it is known, with tax; ``taxes`` only where 2.3.0 listed them."""

    excl_vat: Decimal
    incl_vat: Decimal | None = None
    taxes: tuple[Tax, ...] = ()


class PriceLimit(Record):
    """A minimum or maximum of a session's total; either side may be missing."""

    excl_vat: Decimal | None = None
    incl_vat: Decimal | None = None


class Restrictions(Record):
    """When an element applies: all given terms together (OCPI mod_tariffs, TariffRestrictions).

    Times are minutes of the local day (``end_minute`` 1440 = end of day), days are 0 = Monday, durations are seconds.
    """

    start_minute: int | None = None
    end_minute: int | None = None
    start_date: date | None = None
    end_date: date | None = None
    min_kwh: Decimal | None = None
    max_kwh: Decimal | None = None
    min_current: Decimal | None = None
    max_current: Decimal | None = None
    min_power: Decimal | None = None
    max_power: Decimal | None = None
    min_duration_s: Decimal | None = None
    max_duration_s: Decimal | None = None
    weekdays: tuple[int, ...] = ()
    reservation: str | None = None


class PriceComponent(Record):
    """A price per kWh, per hour or per session; ``step_size`` in Wh or seconds, 0 means no steps."""

    type: str
    price: Decimal
    vat: Decimal | None = None
    step_size: int = 1


class TariffElement(Record):
    """Components that apply together under one set of restrictions."""

    components: tuple[PriceComponent, ...]
    restrictions: Restrictions | None = None


class Tariff(Record):
    """A tariff of any OCPI version or the price of one contract line: the same model (issue text, Rating)."""

    id: str
    currency: str
    elements: tuple[TariffElement, ...]
    country_code: str | None = None
    party_id: str | None = None
    type: str | None = None
    min_price: PriceLimit | None = None
    max_price: PriceLimit | None = None
    start: datetime | None = None
    end: datetime | None = None
    tax_included: TaxIncluded = TaxIncluded.NO
    last_updated: datetime | None = None


class Dimension(Record):
    """One measured volume of a period: kWh, hours, A or kW by ``type``; unknown types are kept and never priced."""

    type: str
    volume: Decimal


class Period(Record):
    """A charging period; it ends where the next one starts, the last one at the session's end."""

    start: datetime
    dimensions: tuple[Dimension, ...]
    tariff_id: str | None = None

    def volume(self, type_: str) -> Decimal | None:
        """Sum of the volumes of one type, None where the period does not carry it."""
        found = [d.volume for d in self.dimensions if d.type == type_]
        return sum(found[1:], found[0]) if found else None


class Token(Record):
    """Who charged. ``country_code`` and ``party_id`` are those of the eMSP; 2.1.1 knows only ``contract_id``."""

    country_code: str | None = None
    party_id: str | None = None
    uid: str | None = None
    type: str | None = None
    contract_id: str | None = None


class Location(Record):
    """Where the session took place; ``country`` is ISO 3166 alpha-3, coordinates stay texts as received."""

    id: str | None = None
    name: str | None = None
    address: str | None = None
    city: str | None = None
    postal_code: str | None = None
    country: str | None = None
    latitude: str | None = None
    longitude: str | None = None
    evse_uid: str | None = None
    evse_id: str | None = None
    connector_id: str | None = None
    connector_standard: str | None = None
    connector_format: str | None = None
    connector_power_type: str | None = None


class ChargeRecord(Record):
    """A CDR of any OCPI version. ``country_code``/``party_id`` are None for 2.1.1: the credential tells them.

    ``periods`` are in order of time; ``quirks`` names what was bent to read the object, as ``CODE`` or ``CODE:field``.
    ``total_cost`` is None only where an input for rating alone carried none.
    """

    version: str
    id: str
    start: datetime
    end: datetime
    currency: str
    periods: tuple[Period, ...]
    token: Token
    location: Location
    country_code: str | None = None
    party_id: str | None = None
    session_id: str | None = None
    auth_method: str | None = None
    authorization_reference: str | None = None
    meter_id: str | None = None
    tariffs: tuple[Tariff, ...] = ()
    total_cost: Price | None = None
    total_fixed_cost: Price | None = None
    total_energy_kwh: Decimal = Decimal(0)
    total_energy_cost: Price | None = None
    total_time_h: Decimal = Decimal(0)
    total_time_cost: Price | None = None
    total_parking_time_h: Decimal | None = None
    total_parking_cost: Price | None = None
    total_reservation_cost: Price | None = None
    remark: str | None = None
    invoice_reference_id: str | None = None
    credit: bool = False
    credit_reference_id: str | None = None
    home_charging_compensation: bool = False
    has_signed_data: bool = False
    last_updated: datetime | None = None
    quirks: tuple[str, ...] = ()

    @property
    def has_known_times(self) -> bool:
        """False where a side sent the agreed ``1970-1-1T00:00:00Z`` for an unknown instant (mod_cdrs)."""
        return self.start != EPOCH and self.end != EPOCH

    @property
    def is_unpriced(self) -> bool:
        """True where the CPO left pricing to the contract: no total, or 0 for real energy without any tariff."""
        if self.total_cost is None:
            return True
        return self.total_cost.excl_vat == 0 and self.total_energy_kwh > 0 and not self.tariffs


Component = Literal["ENERGY", "FLAT", "TIME", "PARKING", "RESERVATION", "CAP"]
Unit = Literal["kWh", "h", "1"]


class RatingLine(NamedTuple):
    """One component at one unit price. ``amount`` is net and exact to 34 digits; ``vat`` in percent, None = none."""

    component: Component
    quantity: Decimal
    unit: Unit
    unit_price: Decimal
    amount: Decimal
    vat: Decimal | None = None
    bracket: str = ""
    tariff_id: str = ""

    def dump(self) -> dict[str, Any]:
        """Plain values, like ``Record.dump``."""
        return {name: value for name, value in zip(self._fields, self, strict=True) if value is not None}


class RatedLine(Record):
    """A rating line whose amount was rounded half-up to minor units, once (rules.md 7)."""

    line: RatingLine
    net: Money


class TraceStep(NamedTuple):
    """One line of the hand calculation; plain tuples, because a session has dozens of them.

    ``SEGMENT``: quantity x unit price = amount; ``STEP``: how a total was rounded up to a step (small units: Wh or s);
    ``LIMIT``: how a price limit moved a total; ``NOTE``: something a reader must know, its code in ``rule``.
    """

    kind: Literal["SEGMENT", "STEP", "LIMIT", "NOTE"]
    rule: str = ""
    component: str = ""
    period: int | None = None
    at: datetime | None = None
    measured: Decimal | None = None
    quantity: Decimal | None = None
    unit: str | None = None
    unit_price: Decimal | None = None
    amount: Decimal | None = None
    vat: Decimal | None = None
    remark: str = ""

    @property
    def at_local(self) -> str | None:
        """The moment that chose the component, on the EVSE's wall clock with its offset."""
        return None if self.at is None else self.at.isoformat()

    @property
    def text(self) -> str:
        """The step in words and figures, as one would write it by hand."""
        if self.kind != "SEGMENT" or self.quantity is None or self.unit_price is None or self.amount is None:
            return self.remark
        quantity, unit = f"{self.quantity:.10f}".rstrip("0").rstrip("."), self.unit or ""
        if unit == "h":
            # Hours after a step seldom end; seconds do.
            seconds = f"{self.quantity * 3600:.4f}".rstrip("0").rstrip(".")
            quantity, unit = seconds, "s / 3600"
        label = f" ({self.remark})" if self.remark else ""
        measured = quantity if unit in ("", "1") else f"{quantity} {unit}"
        return f"{measured} x {self.unit_price:f} = {self.amount:.10f}".rstrip("0").rstrip(".") + label

    def dump(self) -> dict[str, Any]:
        """Plain values for storing and printing, the words included."""
        told = self._asdict()
        del told["at"], told["remark"]
        told |= {"at_local": self.at_local, "text": self.text}
        return {name: value for name, value in told.items() if value is not None and value != ""}


class Billed(NamedTuple):
    """Quantities after steps; only what a component priced counts."""

    energy_wh: Decimal
    time_s: Decimal
    parking_s: Decimal
    reservation_s: Decimal


class Subtotals(NamedTuple):
    """Exact amounts per dimension before price limits; None where not derivable."""

    energy: Decimal | None
    time: Decimal | None
    parking: Decimal | None
    flat: Decimal | None
    reservation: Decimal | None


class Rating(Record):
    """What a session costs and why. ``total_*`` are after price limits; None where not derivable."""

    currency: str
    tariff_id: str
    total_excl_vat: Decimal | None
    total_incl_vat: Decimal | None
    # Made by this room alone, so they are not checked field by field again: that would cost more than pricing.
    subtotals: SkipValidation[Subtotals]
    subtotals_incl_vat: SkipValidation[Subtotals]
    billed: SkipValidation[Billed]
    lines: SkipValidation[tuple[RatingLine, ...]]
    trace: SkipValidation[tuple[TraceStep, ...]]
    flags: tuple[str, ...] = ()
    hold_reasons: tuple[str, ...] = ()
    line_id: str | None = None

    def dump(self) -> dict[str, Any]:
        """Plain values for storing; what is a tuple here becomes an object with its names."""
        told = super().dump()
        for name in ("subtotals", "subtotals_incl_vat", "billed"):
            told[name] = {k: v for k, v in getattr(self, name)._asdict().items() if v is not None}
        return told | {"lines": [x.dump() for x in self.lines], "trace": [x.dump() for x in self.trace]}


class Mismatch(Record):
    """One difference between what the CDR says and what was computed or what its own parts say."""

    code: str
    field: str
    claimed: Decimal | None = None
    computed: Decimal | None = None
    message: str = ""


class Verification(Record):
    """The CDR's own totals against its own (or a given) tariff; ``checked`` names the fields that were compared."""

    ok: bool
    checked: tuple[str, ...]
    mismatches: tuple[Mismatch, ...]
    rating: Rating | None = None
