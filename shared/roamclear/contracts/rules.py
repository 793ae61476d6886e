"""Pure decisions on contracts: what is in force when, and the billing periods."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from roamclear.contracts.model import Basis, Contract, ContractVersion, Frequency, Match, Terms
from roamclear.contracts.vat import VatCategory, VatTreatment, treatment
from roamclear.kernel.time import add_wall_hours, first_midnight_from, local_date, local_midnight

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


def period_of(instant: datetime, frequency: Frequency, zone: str) -> Period:
    """The period whose local days hold an instant (product.md row 51).

    >>> from datetime import UTC
    >>> period_of(datetime(2026, 10, 31, 23, 20, tzinfo=UTC), Frequency.MONTHLY, "Europe/Berlin").label
    '2026-11'
    """
    day = local_date(instant, zone)
    if frequency is Frequency.MONTHLY:
        first = day.replace(day=1)
        return Period(f"{first:%Y-%m}", first, _next_month(first), zone)
    if frequency is Frequency.QUARTERLY:
        first = date(day.year, (day.month - 1) // 3 * 3 + 1, 1)
        end = _next_month(_next_month(_next_month(first)))
        return Period(f"{first.year}-Q{(first.month - 1) // 3 + 1}", first, end, zone)
    if frequency is Frequency.SEMI_MONTHLY:
        first = day.replace(day=1 if day.day < 16 else 16)
        end = first.replace(day=16) if first.day == 1 else _next_month(first.replace(day=1))
        return Period(f"{first:%Y-%m}-{'A' if first.day == 1 else 'B'}", first, end, zone)
    length = 7 if frequency is Frequency.WEEKLY else 14
    first = day - timedelta(days=(day - _BI_WEEKLY_ANCHOR).days % length)
    year, week, _ = first.isocalendar()
    return Period(f"{year}-W{week:02d}", first, first + timedelta(days=length), zone)


def periods_between(since: datetime, until: datetime, frequency: Frequency, zone: str) -> list[Period]:
    """All periods that end after ``since`` and not later than ``until``, oldest first."""
    found: list[Period] = []
    period = period_of(since, frequency, zone)
    while period.end_utc <= until:
        found.append(period)
        period = period_of(period.end_utc, frequency, zone)
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


def covers(contract: Contract, start: datetime) -> bool:
    """Whether a session that starts at an instant lies in ``[valid_from, valid_to)`` of the contract's zone."""
    day = local_date(start, contract.zone)
    return contract.valid_from <= day and (contract.valid_to is None or day < contract.valid_to)


def vat_of(version: ContractVersion, country: str, stop: datetime, component: str | None = None) -> VatTreatment | None:
    """The treatment a version states for a session of an EVSE country; None is VAT_MISSING, never 0 % (row 131).

    Which version prices a session is decided by its start; its VAT by the local day on which it was supplied, the stop.
    """
    terms = version.terms
    day = local_date(stop, terms.zone)
    return treatment(terms.vat, terms.vat_rules, terms.vat_basis, country=country, day=day, component=component)


def match(candidates: Iterable[tuple[Contract, Sequence[ContractVersion]]], emsp_party: str, start: datetime) -> Match:
    """Exactly one contract per session: none is NO_CONTRACT, several are AMBIGUOUS_CONTRACT (row 26)."""
    fitting: list[tuple[Contract, ContractVersion]] = []
    for contract, versions in candidates:
        if contract.status != "ACTIVE" or not covers(contract, start):
            continue
        version = in_force(versions, local_date(start, contract.zone))
        if version is not None and emsp_party in version.terms.party_ids:
            fitting.append((contract, version))
    if not fitting:
        return Match(reason="NO_CONTRACT")
    if len(fitting) > 1:
        return Match(reason="AMBIGUOUS_CONTRACT")
    return Match(contract=fitting[0][0], terms=fitting[0][1])


def missing(terms: Terms) -> list[str]:
    """What keeps a contract in DRAFT: fields without which its documents could not be issued (product.md row 17).

    Electronic addresses and a buyer reference are Peppol R010 and R003; the VAT id is due where the buyer owes the tax.
    """
    partner = terms.counterparty
    reversed_ = any(v.category is VatCategory.REVERSE_CHARGE for v in (terms.vat, *(f.vat for f in terms.fees)) if v)
    absent = {
        "terms.counterparty.electronic_address": not partner.electronic_address,
        "terms.counterparty.electronic_address_scheme": not partner.electronic_address_scheme,
        "terms.counterparty.buyer_reference": not partner.buyer_reference,
        "terms.counterparty.vat_id": reversed_ and not partner.vat_id,
        "terms.grid": not terms.grid and terms.basis is not Basis.CDR_TOTAL,
    }
    return [name for name, is_absent in absent.items() if is_absent]


def _next_month(first: date) -> date:
    return (first + timedelta(days=32)).replace(day=1)
