"""What an agreement finds plausible in a CDR (product.md row 10, ocpi.md section 9); the rules are of the cdrs room."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from roamclear.kernel.record import Record

_Kwh = Annotated[Decimal, Field(ge=0, le=100_000)]
_Hours = Annotated[Decimal, Field(ge=0, le=10_000)]
_Amount = Annotated[Decimal, Field(ge=0, le=10**9)]
#: Country and party of an EVSE operator, folded: ``DEABC``.
_Operator = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}[A-Z0-9]{3}$")]
_Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
_RuleId = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z_]{2,39}$")]


class Judgement(StrEnum):
    """What a rule that did not pass leads to: the session waits, it is only told, or it is not even told."""

    HOLD = "HOLD"
    WARN = "WARN"
    OFF = "OFF"


class Plausibility(Record):
    """Thresholds of the plausibility rules; what is left out is as usual, ``severities`` can switch a rule off.

    Energy in kWh, times in the unit of the name, amounts in major units of the contract's currency without VAT.
    ``power_factor`` is how far mean power may lie above the connector's; ``cost_tolerance`` how far each amount of a
    CDR may lie from its own tariff; ``signed_data_countries`` (alpha-3) are those whose sessions need signed meter
    values; ``operators`` may stand in EVSE ids beside the sender itself; ``severities`` overrides rules by their id.
    """

    wh_suspicion_kwh: _Kwh = Decimal(1000)
    min_energy_kwh: _Kwh = Decimal("0.2")
    min_duration_s: int = Field(120, ge=0, le=86_400)
    idle_duration_h: _Hours = Decimal(1)
    power_factor: Decimal = Field(Decimal("1.1"), ge=1, le=10)
    min_cost: _Amount | None = None
    max_cost: _Amount = Decimal(1000)
    max_price_per_kwh: _Amount = Decimal(5)
    cost_tolerance: _Amount = Decimal("0.02")
    clock_skew_s: int = Field(300, ge=0, le=86_400)
    max_age_days: int = Field(90, ge=1, le=3_650)
    signed_data_countries: tuple[_Country, ...] = Field((), max_length=60)
    operators: tuple[_Operator, ...] = Field((), max_length=200)
    severities: dict[_RuleId, Judgement] = Field(default_factory=dict, max_length=60)
