"""What the next periods of a contract will be: every instant in UTC and as the contract's clocks show it (row 53)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from roamclear.contracts import rules
from roamclear.contracts.model import Contract, ContractVersion
from roamclear.kernel.record import Record
from roamclear.kernel.time import local_date, local_midnight, zone

#: More than this nobody plans ahead.
MOST_PERIODS = 60


class Moment(Record):
    """One instant: ``utc``, and ``local`` as ISO 8601 with the offset of the contract's zone."""

    utc: datetime
    local: str


class PeriodPreview(Record):
    """One period: its local days ``[first, end)`` and what happens when, if every step is punctual.

    ``issues`` is None where a person approves the documents first; ``due_on`` follows from the issue day.
    """

    label: str
    first: date
    end: date
    zone: str
    contract_version: int
    starts: Moment
    ends: Moment
    opens: Moment
    closes: Moment
    locks: Moment
    issues: Moment | None = None
    due_on: date | None = None


def next_periods(
    contract: Contract, versions: Sequence[ContractVersion], now: datetime, count: int = 12
) -> list[PeriodPreview]:
    """The period of an instant, or the contract's first one, and those that follow; none begins behind its end."""
    since = max(now, local_midnight(contract.valid_from, contract.zone))
    found: list[PeriodPreview] = []
    while len(found) < min(count, MOST_PERIODS):
        period = rules.period_of(since, contract.frequency, contract.zone, contract.cycle_start)
        if contract.valid_to is not None and period.first >= contract.valid_to:
            break
        version = rules.in_force(versions, period.end - timedelta(days=1)) or versions[0]
        found.append(_preview(period, version))
        since = period.end_utc
    return found


def _preview(period: rules.Period, version: ContractVersion) -> PeriodPreview:
    terms = version.terms
    opens = rules.opening(period, terms.intake_grace_hours)
    closes = rules.closing(opens, terms.window_days, period.zone)
    locks = closes + rules.LOCK_AFTER
    paid = rules.due_date(local_date(locks, period.zone), terms)
    return PeriodPreview(
        label=period.label,
        first=period.first,
        end=period.end,
        zone=period.zone,
        contract_version=version.version,
        starts=_moment(period.start_utc, period.zone),
        ends=_moment(period.end_utc, period.zone),
        opens=_moment(opens, period.zone),
        closes=_moment(closes, period.zone),
        locks=_moment(locks, period.zone),
        issues=_moment(locks, period.zone) if terms.auto_issue else None,
        due_on=paid if terms.auto_issue else None,
    )


def _moment(instant: datetime, zone_name: str) -> Moment:
    return Moment(utc=instant, local=instant.astimezone(zone(zone_name)).isoformat())
