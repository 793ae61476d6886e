"""Sums of sessions and documents; pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from decimal import Decimal

from roamclear.billing.lateness import is_overdue
from roamclear.billing.model import Document, Run
from roamclear.billing.rules import is_credit
from roamclear.cdrs.model import Session
from roamclear.contracts.model import Contract
from roamclear.contracts.rules import Period, period_of
from roamclear.kernel.money import Money, total
from roamclear.status.model import Paid, Part


def recent(head: Contract, today: Period, most: int) -> list[Period]:
    """The period that runs and those before it, the newest first; none before the contract began."""
    found = [today]
    while len(found) < most and found[-1].first > head.valid_from:
        before = found[-1].start_utc - timedelta(seconds=1)
        found.append(period_of(before, head.frequency, head.zone, head.cycle_start))
    return found


def part(sessions: Iterable[Session], currency: str) -> Part:
    """The sum of some sessions of one currency."""
    found = list(sessions)
    return Part(
        sessions=len(found),
        energy_kwh=sum((s.energy_kwh for s in found), Decimal(0)),
        net=total((s.net for s in found if s.net), currency),
        claimed=sum((s.cdr_total for s in found if s.net is None and s.cdr_total), Decimal(0)),
    )


def together(parts: Sequence[Part], currency: str) -> Part:
    """The sum of sums."""
    return Part(
        sessions=sum(p.sessions for p in parts),
        energy_kwh=sum((p.energy_kwh for p in parts), Decimal(0)),
        net=total((p.net for p in parts), currency),
        claimed=sum((p.claimed for p in parts), Decimal(0)),
    )


def locked(run: Run, fees: Money) -> Part:
    """What a lock froze: its sessions and, in the net, its fees."""
    return Part(
        sessions=run.locked,
        energy_kwh=sum((route.energy_kwh for route in run.routes), Decimal(0)),
        net=(run.locked_net or Money.zero(run.currency)) + fees,
    )


def invoiced(documents: Iterable[Document], currency: str) -> Part:
    """What issued documents state; a credit note takes from the net and from nothing else."""
    found = list(documents)
    billed = [d for d in found if not is_credit(d.type_code)]
    return Part(
        sessions=sum(d.sessions for d in billed),
        energy_kwh=sum((d.energy_kwh for d in billed), Decimal(0)),
        net=total((d.net for d in found), currency),
    )


def money(documents: Iterable[Document], currency: str, today: date) -> Paid:
    """What is owed and what came for issued documents."""
    found = list(documents)
    late = (d.open_amount for d in found if is_overdue(d, today))
    return Paid(
        documents=tuple(d.number for d in found),
        net=total((d.net for d in found), currency),
        gross=total((d.gross for d in found), currency),
        paid=total((d.gross - d.open_amount for d in found), currency),
        open=total((d.open_amount for d in found), currency),
        overdue=total(late, currency),
    )
