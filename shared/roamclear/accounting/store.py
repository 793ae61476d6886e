"""Rows of charts, frozen periods and exports."""

from __future__ import annotations

from collections.abc import Iterator

from roamclear.accounting.model import Balances, Chart, Export, Period, Profile
from roamclear.aws import keys
from roamclear.kernel.context import Database
from roamclear.kernel.writes import ABSENT, Put, Table, When


def chart(db: Database, issuer_id: str) -> Chart | None:
    """The stored chart or None."""
    row = db.get(Table.CLEARING, keys.chart_of_accounts(issuer_id))
    return Chart.load(row) if row else None


def chart_put(made: Chart, known: Chart | None) -> Put:
    """The next chart over exactly the one that was read."""
    following = made.model_copy(update={"changed": known.changed + 1 if known else 0})
    when = (When("changed", "=", known.changed),) if known else ABSENT
    return Put(Table.CLEARING, keys.chart_of_accounts(made.issuer_id), following.dump(), when=when)


def period(db: Database, issuer_id: str, label: str) -> Period | None:
    """A frozen period or None."""
    row = db.get(Table.CLEARING, keys.accounting_period(issuer_id, label))
    return Period.load(row) if row else None


def period_put(made: Period) -> Put:
    """A period is frozen once."""
    return Put(Table.CLEARING, keys.accounting_period(made.issuer_id, made.label), made.dump(), when=ABSENT)


def export(db: Database, issuer_id: str, label: str, profile: Profile) -> Export | None:
    """The export of a period in a profile or None."""
    row = db.get(Table.CLEARING, keys.accounting_export(issuer_id, label, profile.value))
    return Export.load(row) if row else None


def export_put(made: Export, known: Export | None) -> Put:
    """A new export, or one more copy of exactly the one that was read."""
    when = (When("copies", "=", known.copies),) if known else ABSENT
    key = keys.accounting_export(made.issuer_id, made.period, made.profile.value)
    return Put(Table.CLEARING, key, made.dump(), when=when)


def all_periods(db: Database, issuer_id: str) -> Iterator[Period]:
    """Every frozen period, oldest first."""
    for row in db.rows(Table.CLEARING, keys.accounting(issuer_id), prefix="PERIOD#", consistent=True):
        yield Period.load(row)


def all_exports(db: Database, issuer_id: str) -> Iterator[Export]:
    """Every export by period and profile."""
    for row in db.rows(Table.CLEARING, keys.accounting(issuer_id), prefix="EXPORT#", consistent=True):
        yield Export.load(row)


def last_balances(db: Database, issuer_id: str, label: str) -> Balances | None:
    """The latest kept balances of this month or one before it."""
    bounds = {"after": "BALANCES#", "before": f"BALANCES#{label}~"}
    for row in db.rows(Table.CLEARING, keys.accounting(issuer_id), **bounds, forward=False, consistent=True):
        return Balances.load(row)
    return None


def balances_put(made: Balances) -> Put:
    """Balances of a month are kept once."""
    return Put(Table.CLEARING, keys.accounting_balances(made.issuer_id, made.label), made.dump(), when=ABSENT)
