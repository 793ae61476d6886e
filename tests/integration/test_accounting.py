"""Handing the ledger to the bookkeeping: each entry in exactly one month, copies flagged, nothing changed unseen."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from roamclear.accounting import charts, store
from roamclear.accounting import service as accounting
from roamclear.accounting.model import Chart, Datev, Profile
from roamclear.identity import service as identity
from roamclear.identity.model import Role
from roamclear.kernel.errors import Conflict, Forbidden, InvariantBroken
from roamclear.kernel.money import Money
from roamclear.kernel.writes import Table
from roamclear.ledger import service as ledger
from roamclear.ledger.model import Account, Event, credit, debit
from tests.support import builders as b
from tests.support import memory_stage, receivables
from tests.support.moto_stack import Stage

FINANCE = b.actor(Role.FINANCE)


@pytest.fixture
def stage() -> Stage:
    made = memory_stage.fresh(datetime(2026, 10, 1, tzinfo=UTC))
    identity.save_issuer(made.ctx, b.actor(Role.ADMIN), b.issuer())
    return made


def at(stage: Stage, *moment: int) -> None:
    stage.clock.set(datetime(*moment, tzinfo=UTC))  # type: ignore[arg-type]


def digests(stage: Stage) -> list[tuple[str, bool]]:
    return [(e.unit, e.holds) for e in accounting.equations(stage.ctx, b.ISSUER)]


def two_months(stage: Stage) -> None:
    """Three entries around the last local midnight of October: two belong to October, one to November."""
    for number, moment in enumerate([(2026, 10, 9), (2026, 10, 31, 22, 59, 59), (2026, 10, 31, 23, 0, 0)], start=1):
        at(stage, *moment)
        receivables.issue(stage.ctx, number, "100.00")


def test_each_entry_is_in_exactly_one_month(stage: Stage) -> None:
    two_months(stage)
    at(stage, 2026, 12, 1, 12)
    made = [accounting.export(stage.ctx, FINANCE, b.ISSUER, label, Profile.CSV) for label in ("2026-10", "2026-11")]
    files = [(stage.ctx.objects.get("exports", each.files[0]) or b"").decode() for each in made]
    for number, home in ((1, 0), (2, 0), (3, 1)):
        assert [f"VW-2026-{number:06d}" in text for text in files] == [home == 0, home == 1]
    assert [p.bookings for p in store.all_periods(stage.ctx.db, b.ISSUER)] == [2, 1]
    assert all(holds for _, holds in digests(stage))


def test_a_month_is_written_only_when_it_is_over(stage: Stage) -> None:
    two_months(stage)
    at(stage, 2026, 10, 31, 23, 59)
    with pytest.raises(Conflict) as refused:
        accounting.export(stage.ctx, FINANCE, b.ISSUER, "2026-10", Profile.CSV)
    assert refused.value.details["exportable_at_utc"] == "2026-11-01T00:00:00.000000Z"
    at(stage, 2026, 11, 1, 0)
    assert accounting.export(stage.ctx, FINANCE, b.ISSUER, "2026-10", Profile.CSV).copies == 0


def test_again_is_the_same_bytes_flagged_as_a_copy(stage: Stage) -> None:
    two_months(stage)
    at(stage, 2026, 11, 2)
    first = accounting.export(stage.ctx, FINANCE, b.ISSUER, "2026-10", Profile.CSV)
    again = accounting.export(stage.ctx, b.actor(Role.VIEWER), b.ISSUER, "2026-10", Profile.CSV)
    assert (again.copies, again.sha256, again.made_by) == (1, first.sha256, FINANCE.actor_id)
    assert accounting.shown(stage.ctx, first)["files"][0]["name"] == "journal-2026-10.csv"
    (listed,) = accounting.exports(stage.ctx, FINANCE, b.ISSUER)
    assert listed["files"][0]["name"] == "COPY_journal-2026-10.csv"


def test_profiles_share_the_month_and_its_personal_accounts(stage: Stage) -> None:
    two_months(stage)
    at(stage, 2026, 11, 2)
    setup = Chart(issuer_id=b.ISSUER, classes=charts.proposed("DE"), datev=Datev(consultant=1001, client=1))
    accounting.save_chart(stage.ctx, FINANCE, setup)
    accounting.export(stage.ctx, FINANCE, b.ISSUER, "2026-10", Profile.CSV)
    datev = accounting.export(stage.ctx, FINANCE, b.ISSUER, "2026-10", Profile.DATEV)
    rows = (stage.ctx.objects.get("exports", datev.files[0]) or b"").decode("cp1252").split("\r\n")[2:-1]
    assert [row.split(";")[6] for row in rows] == ["10001", "10001"]
    known = accounting.chart(stage.ctx, FINANCE, b.ISSUER)
    with pytest.raises(Conflict) as refused:
        accounting.save_chart(
            stage.ctx, FINANCE, known.model_copy(update={"single": {f"receivable:{b.CONTRACT}": "10009"}})
        )
    assert refused.value.details["number"] == "10001"
    assert accounting.save_chart(stage.ctx, FINANCE, setup).single == known.single


def test_a_changed_ledger_is_seen_and_stops_the_export(stage: Stage) -> None:
    two_months(stage)
    at(stage, 2026, 11, 2)
    accounting.export(stage.ctx, FINANCE, b.ISSUER, "2026-10", Profile.CSV)
    late = ledger.entry(
        stage.ctx,
        issuer_id=b.ISSUER,
        event=Event.WRITE_OFF,
        subject="forged",
        currency="EUR",
        lines=[debit(Account.WRITE_OFF.of("x"), Money(1, "EUR")), credit(Account.BANK.of("x"), Money(1, "EUR"))],
    )
    row = late.item | {"at_utc": "2026-10-09T00:00:00.000000Z", "gsi1pk": f"{b.ISSUER}#LEDGER#2026-10"}
    stage.ctx.db.write(type(late)(Table.LEDGER, late.key, row))
    assert digests(stage) == [("entries", False), ("digests", False), ("EUR", False)]
    setup = Chart(issuer_id=b.ISSUER, classes=charts.proposed("DE"), siren="552100554")
    accounting.save_chart(stage.ctx, FINANCE, setup)
    with pytest.raises(InvariantBroken):
        accounting.export(stage.ctx, FINANCE, b.ISSUER, "2026-10", Profile.FEC)


def test_a_lost_file_is_not_handed_out_as_a_copy(stage: Stage) -> None:
    two_months(stage)
    at(stage, 2026, 11, 2)
    made = accounting.export(stage.ctx, FINANCE, b.ISSUER, "2026-10", Profile.CSV)
    stage.ctx.objects.put("exports", made.files[0], b"other", "text/csv")
    with pytest.raises(InvariantBroken):
        accounting.export(stage.ctx, FINANCE, b.ISSUER, "2026-10", Profile.CSV)


def test_operations_do_not_export(stage: Stage) -> None:
    with pytest.raises(Forbidden):
        accounting.export(stage.ctx, b.actor(Role.OPS), b.ISSUER, "2026-10", Profile.CSV)
    with pytest.raises(Forbidden):
        accounting.save_chart(stage.ctx, b.actor(Role.VIEWER), Chart(issuer_id=b.ISSUER, classes={}))
