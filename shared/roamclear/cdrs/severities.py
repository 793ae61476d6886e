"""How grave each plausibility rule is where a contract says nothing (product.md row 10)."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from roamclear.kernel.errors import InvalidInput


class Severity(StrEnum):
    """REJECT answers 2001 at the wire, HOLD keeps the session out of runs, WARN is shown beside it."""

    REJECT = "REJECT"
    HOLD = "HOLD"
    WARN = "WARN"


#: Without what these ask for no price, no payee and no period can be told: no contract may lower them.
FIXED = frozenset(
    """
    TIMES_UNKNOWN END_BEFORE_START EMSP_UNIDENTIFIED EVSE_UNIDENTIFIED CURRENCY_UNKNOWN CURRENCY_CONTRACT
    COST_NEGATIVE CREDIT_NOT_NEGATIVE CREDIT_OF_ITSELF
    """.split()  # noqa: SIM905 - a list of ids reads better as words
)
HOLDS = frozenset(
    """
    IN_FUTURE ZERO_DURATION DURATION_TOO_LONG ENERGY_NEGATIVE ENERGY_IN_WH ENERGY_TOO_HIGH ZERO_ENERGY_LONG
    NEGATIVE_VOLUME POWER_TOO_HIGH COST_TOO_HIGH COST_TOO_LOW CURRENCY_TARIFF ENERGY_SUM SUBTOTALS_SUM
    """.split()  # noqa: SIM905
)
WARNS = frozenset(
    """
    ENERGY_TOO_LOW ENERGY_PERIOD_NEGATIVE ENERGY_ZERO DURATION_TOO_SHORT PERIOD_BEFORE_START PERIOD_AFTER_END
    PERIODS_UNORDERED TIME_SPAN TIME_IN_SECONDS PARKING_SUM PARKING_EXCEEDS_TIME TARIFF_ID_UNKNOWN INCL_BELOW_EXCL
    CDR_NOT_PRICED FREE_SESSION NO_TARIFF TARIFF_MISMATCH PERIOD_SPANS_PRICE_CHANGE EVSE_ID_MISSING EVSE_ID_FORM
    EVSE_OPERATOR_DIFFERS TOKEN_PARTY_MISSING SESSION_ID_MISSING TOO_OLD ID_TOO_LONG CREDIT_REFERENCE_WITHOUT_CREDIT
    SIGNED_DATA_MISSING LAST_UPDATED_BEFORE_END UNKNOWN_ENUM UNKNOWN_DIMENSION PRICE_PER_KWH_TOO_HIGH READ_WITH_QUIRK
    """.split()  # noqa: SIM905
)


def usual(rule_id: str) -> Severity:
    """How grave a rule is; what is not listed holds: better a question too many than a wrong invoice."""
    return Severity.WARN if rule_id in WARNS else Severity.HOLD


def require_changeable(rule_ids: Iterable[str]) -> None:
    """Refuse severities of rules that are not there, or that no contract may change.

    Raises:
        InvalidInput: naming the rule as ``severities.RULE``.
    """
    for rule_id in rule_ids:
        if rule_id in FIXED:
            raise InvalidInput(f"{rule_id} always holds a session", field=f"severities.{rule_id}")
        if rule_id not in HOLDS | WARNS:
            raise InvalidInput(f"{rule_id} is no rule", field=f"severities.{rule_id}")
