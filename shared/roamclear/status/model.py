"""One billing period of a contract in sums."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

from roamclear.kernel.money import Money
from roamclear.kernel.record import Record


class Part(Record):
    """Sessions in one state: ``net`` of what is priced, ``claimed`` by the CPO for the rest (major units)."""

    sessions: int = 0
    energy_kwh: Decimal = Decimal(0)
    net: Money
    claimed: Decimal = Decimal(0)


class Contested(Record):
    """Undecided disputes: how many, and by how much the sessions should cost less (net)."""

    disputes: int = 0
    claimed: Money


class Paid(Record):
    """Documents of a period with those that correct them: ``paid = gross - open``; credit notes count negative."""

    documents: tuple[str, ...] = ()
    net: Money
    gross: Money
    paid: Money
    open: Money
    overdue: Money


class PeriodStatus(Record):
    """One period in one currency (product.md row 83).

    ``verified``, ``on_hold`` and ``not_rated`` are sessions whose stop lies in the period and that are in no run.
    ``in_window``, ``locked`` and ``invoiced`` are what the period's run bills, earlier sessions too; ``fees`` is that
    part of them which no session stands for. ``gap`` is everything delivered that no issued document states yet.
    A CARRIED run is ``locked`` until ``billed_by`` issues; then the documents of that run's period state it.
    """

    period: str
    first: date
    end: date
    currency: str
    run_id: str | None = None
    run_state: str | None = None
    closes_at_utc: datetime | None = None
    billed_by: str | None = None
    verified: Part
    on_hold: Part
    not_rated: Part
    in_window: Part
    locked: Part
    invoiced: Part
    fees: Money
    disputed: Contested
    money: Paid
    gap: Part


class ContractStatus(Record):
    """The periods of a contract, the newest first, as they stand at an instant."""

    contract_id: str
    as_of_utc: datetime
    periods: tuple[PeriodStatus, ...]
