"""Pure decisions on contracts: what is in force when, and the billing periods."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from roamclear.contracts.model import Contract, ContractVersion, ContractView, Frequency, Match, Status, Terms
from roamclear.contracts.payment import due, month_day
from roamclear.contracts.vat import VatTreatment, treatment
from roamclear.kernel.time import add_wall_hours, first_midnight_from, local_date, local_midnight, next_month

#: The lock comes this long after the close, so that a claim of the last second has landed (rules.md 6).
LOCK_AFTER = timedelta(seconds=60)
#: First Monday of the grid of two-week periods.
_BI_WEEKLY_ANCHOR = date(2024, 1, 1)


@dataclass(frozen=True, slots=True)
class Period:
    """Local days ``[first, end)`` of a billing period and its label."""

    label: str
    first: date
    end: date
    zone: str

    @property
    def start_utc(self) -> datetime:
        """The instant at which the period begins."""
        return local_midnight(self.first, self.zone)

    @property
    def end_utc(self) -> datetime:
        """The instant at which it ends (exclusive)."""
        return local_midnight(self.end, self.zone)


def period_of(instant: datetime, frequency: Frequency, zone: str, anchor: date | None = None) -> Period:
    """The period whose local days hold an instant (product.md rows 51, 53): of the calendar, or counted from an anchor.

    >>> from datetime import UTC
    >>> period_of(datetime(2026, 10, 31, 23, 20, tzinfo=UTC), Frequency.MONTHLY, "Europe/Berlin").label
    '2026-11'
    """
    day = local_date(instant, zone)
    if anchor is not None:
        return _anniversary(day, frequency, zone, anchor)
    if frequency is Frequency.MONTHLY:
        first = day.replace(day=1)
        return Period(f"{first:%Y-%m}", first, next_month(first), zone)
    if frequency is Frequency.QUARTERLY:
        first = date(day.year, (day.month - 1) // 3 * 3 + 1, 1)
        end = next_month(next_month(next_month(first)))
        return Period(f"{first.year}-Q{(first.month - 1) // 3 + 1}", first, end, zone)
    if frequency is Frequency.SEMI_MONTHLY:
        first = day.replace(day=1 if day.day < 16 else 16)
        end = first.replace(day=16) if first.day == 1 else next_month(first)
        return Period(f"{first:%Y-%m}-{'A' if first.day == 1 else 'B'}", first, end, zone)
    length = 7 if frequency is Frequency.WEEKLY else 14
    first = day - timedelta(days=(day - _BI_WEEKLY_ANCHOR).days % length)
    year, week, _ = first.isocalendar()
    return Period(f"{year}-W{week:02d}", first, first + timedelta(days=length), zone)


def _anniversary(day: date, frequency: Frequency, zone: str, anchor: date) -> Period:
    """Periods that begin on the anchor's day, labelled by their first day; a short month begins on its last day.

    Half months are fifteen days from that day on, and the rest.
    """
    if frequency in (Frequency.WEEKLY, Frequency.BI_WEEKLY):
        length = 7 if frequency is Frequency.WEEKLY else 14
        first = day - timedelta(days=(day - anchor).days % length)
        return Period(first.isoformat(), first, first + timedelta(days=length), zone)
    step = 3 if frequency is Frequency.QUARTERLY else 1
    # Months since year 0, so that a quarter is counted over the turn of the year.
    months = (day.year - anchor.year) * 12 + day.month - anchor.month
    turn = anchor.month + months // step * step
    if month_day(anchor.year, turn, anchor.day) > day:
        turn -= step
    first, end = month_day(anchor.year, turn, anchor.day), month_day(anchor.year, turn + step, anchor.day)
    if frequency is Frequency.SEMI_MONTHLY:
        half = first + timedelta(days=15)
        first, end = (first, half) if day < half else (half, end)
    return Period(first.isoformat(), first, end, zone)


def periods_between(
    since: datetime, until: datetime, frequency: Frequency, zone: str, anchor: date | None = None
) -> list[Period]:
    """All periods that end after ``since`` and not later than ``until``, oldest first."""
    found: list[Period] = []
    period = period_of(since, frequency, zone, anchor)
    while period.end_utc <= until:
        found.append(period)
        period = period_of(period.end_utc, frequency, zone, anchor)
    return found


def opening(period: Period, grace_hours: int) -> datetime:
    """When the list becomes readable: first local midnight at or after wall(period end) + grace (rules.md 6).

    >>> p = period_of(local_midnight(date(2026, 10, 5), "Europe/Berlin"), Frequency.MONTHLY, "Europe/Berlin")
    >>> opening(p, 24).isoformat()
    '2026-11-01T23:00:00+00:00'
    """
    return first_midnight_from(add_wall_hours(period.end_utc, grace_hours, period.zone), period.zone)


def closing(opened: datetime, window_days: int, zone: str) -> datetime:
    """Whole local days after the opening; opened late, the close moves with it.

    >>> from datetime import UTC
    >>> closing(datetime(2026, 11, 1, 23, tzinfo=UTC), 7, "Europe/Berlin").isoformat()
    '2026-11-08T23:00:00+00:00'
    """
    start = first_midnight_from(opened, zone)
    return local_midnight(local_date(start, zone) + timedelta(days=window_days), zone)


def in_force(versions: Sequence[ContractVersion], day: date) -> ContractVersion | None:
    """The latest version that starts on or before a day; of two for one day the later one."""
    fitting = [v for v in versions if v.valid_from <= day]
    return max(fitting, key=lambda v: (v.valid_from, v.version)) if fitting else None


def status(contract: Contract, now: datetime) -> Status:
    """A contract as it is seen at an instant (product.md rows 17-18): nobody has to act for it to begin or to end."""
    day = local_date(now, contract.zone)
    if contract.status == "DRAFT":
        return Status.DRAFT
    if contract.valid_to is not None and day >= contract.valid_to:
        return Status.ENDED
    if contract.suspended_at_utc is not None and now >= contract.suspended_at_utc:
        return Status.SUSPENDED
    return Status.UPCOMING if day < contract.valid_from else Status.ACTIVE


def view(contract: Contract, now: datetime) -> ContractView:
    """A contract as it is shown at an instant."""
    return ContractView.model_validate({**dict(contract), "state": status(contract, now)})


def covers(contract: Contract, start: datetime) -> bool:
    """Whether a session that starts at an instant lies in ``[valid_from, valid_to)`` of the contract's zone.

    What starts while the contract is suspended waits without a contract, and is attached when it goes on.
    """
    if contract.suspended_at_utc is not None and start >= contract.suspended_at_utc:
        return False
    day = local_date(start, contract.zone)
    return contract.valid_from <= day and (contract.valid_to is None or day < contract.valid_to)


def vat_of(version: ContractVersion, country: str, stop: datetime, component: str | None = None) -> VatTreatment | None:
    """The treatment a version states for a session of an EVSE country; None is VAT_MISSING, never 0 % (row 131).

    Which version prices a session is decided by its start; its VAT by the local day on which it was supplied, the stop.
    """
    terms = version.terms
    day = local_date(stop, terms.zone)
    return treatment(terms.vat, terms.vat_rules, terms.vat_basis, country=country, day=day, component=component)


def vat_filled(
    version: ContractVersion,
    known: Iterable[ContractVersion],
    country: str,
    stop: datetime,
    component: str | None = None,
) -> VatTreatment | None:
    """The treatment of a session by its own version; what that one left unsaid, the newest later one may say.

    A gap is filled and nothing stated is ever changed (decision 0025), so that a session held with VAT_MISSING is freed
    by completing the set-up.
    """
    later = sorted((v for v in known if v.version > version.version), key=lambda v: v.version, reverse=True)
    found = (vat_of(each, country, stop, component) for each in (version, *later))
    return next((treatment for treatment in found if treatment is not None), None)


def due_date(issue: date, terms: Terms) -> date:
    """When a document of these terms is due (product.md row 84), from its issue date."""
    return due(issue, terms.payment_rule, days=terms.payment_days, day=terms.payment_day, months=terms.payment_months)


def match(
    candidates: Iterable[tuple[Contract, Sequence[ContractVersion]]],
    emsp_party: str,
    start: datetime,
    now: datetime | None = None,
) -> Match:
    """Exactly one contract per session: none is NO_CONTRACT, several are AMBIGUOUS_CONTRACT (row 26).

    ``now`` tells the version of today; without it that of the start stands for it.
    """
    fitting: list[Match] = []
    for contract, versions in candidates:
        if contract.status != "ACTIVE" or not covers(contract, start):
            continue
        version = in_force(versions, local_date(start, contract.zone))
        if version is not None and emsp_party in version.terms.party_ids:
            current = in_force(versions, local_date(now, contract.zone)) if now else None
            fitting.append(Match(contract=contract, terms=version, current=current or version))
    if not fitting:
        return Match(reason="NO_CONTRACT")
    if len(fitting) > 1:
        return Match(reason="AMBIGUOUS_CONTRACT")
    return fitting[0]
