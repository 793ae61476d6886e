"""Facts for webhooks: a late document once for ever, a payment nobody can place, a run that issued."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest

from roamclear.billing import overdue
from roamclear.billing import service as billing
from roamclear.cdrs import service as cdrs
from roamclear.cdrs.model import Session
from roamclear.contracts import service as contracts
from roamclear.facts import service as facts
from roamclear.identity.model import Role
from roamclear.kernel.context import Context
from roamclear.kernel.money import Money
from roamclear.kernel.writes import Table
from roamclear.webhooks import events
from roamclear.webhooks import service as webhooks
from roamclear.webhooks.sessions import Listeners
from tests.integration import test_close as month
from tests.stateful.test_concurrency import persistent, together
from tests.support import builders as b
from tests.support import memory_stage
from tests.support.moto_stack import Stage
from tests.support.receivables import issue

DUE = date(2026, 11, 30)


@pytest.fixture
def stage() -> Iterator[Stage]:
    with memory_stage.stage(datetime(2026, 11, 1, tzinfo=UTC)) as made:
        yield made


def told(ctx: Context, name: str) -> list[str]:
    """Subjects of the facts of a name that wait in the outbox; each is an event of the catalogue."""
    rows = [row for row in ctx.db.rows(Table.CLEARING, f"{b.ISSUER}#OUTBOX") if row["fact"] == name]
    assert all(event.kind == name for row in rows for event in events.of_fact(row))
    assert len([event for row in rows for event in events.of_fact(row)]) == len(rows)
    return [row["subject"] for row in rows]


def nightly(stage: Stage) -> None:
    faults: list[object] = []
    facts.nightly(stage.ctx, lambda *fault: faults.append(fault))
    assert faults == []


def test_a_late_document_is_told_once_for_ever(stage: Stage) -> None:
    b.found_issuer(stage.ctx)
    b.found_contract(stage.ctx)
    header = issue(stage.ctx, 1, "119.00", due=DUE)
    issue(stage.ctx, 2, "5.00", due=date(2027, 1, 31))
    stage.clock.set(datetime(2026, 11, 30, 22, 59, tzinfo=UTC))
    nightly(stage)
    assert told(stage.ctx, "invoice.overdue") == []
    stage.clock.set(datetime(2026, 11, 30, 23, 0, tzinfo=UTC))
    nightly(stage)
    nightly(stage)
    assert told(stage.ctx, "invoice.overdue") == [header.number]
    facts.answer_waiting(stage.ctx, b.ISSUER, datetime(2027, 1, 1, tzinfo=UTC), lambda *_: None)
    stage.clock.set(datetime(2026, 12, 20, tzinfo=UTC))
    nightly(stage)
    assert told(stage.ctx, "invoice.overdue") == []


def test_what_was_paid_is_never_told(stage: Stage) -> None:
    b.found_issuer(stage.ctx)
    b.found_contract(stage.ctx)
    header = issue(stage.ctx, 1, "119.00", due=DUE)
    _, put = billing.replace_document(header, open_amount=Money(0, "EUR"))
    stage.ctx.db.write(put)
    issue(stage.ctx, 2, "-5.00", due=DUE)
    stage.clock.set(datetime(2026, 12, 20, tzinfo=UTC))
    nightly(stage)
    assert told(stage.ctx, "invoice.overdue") == []


def test_two_workers_tell_it_once(stage: Stage) -> None:
    b.found_issuer(stage.ctx)
    b.found_contract(stage.ctx)
    header = issue(stage.ctx, 1, "119.00", due=DUE)
    stage.clock.set(datetime(2026, 12, 20, tzinfo=UTC))
    head = contracts.head(stage.ctx, b.ISSUER, b.CONTRACT)
    together(*[persistent(lambda: overdue.tell(stage.ctx, head))] * 4)
    assert told(stage.ctx, "invoice.overdue") == [header.number]


def test_a_run_tells_once_that_it_issued(stage: Stage) -> None:
    stage.clock.set(datetime(2026, 9, 1, tzinfo=UTC))
    month.start(stage)
    month.push(stage, b.cdr(1))
    run = month.close_run(stage, month.open_run(stage))
    month.close_run(stage, run)
    assert told(stage.ctx, "run.issued") == [run.run_id]


def test_an_empty_run_issues_nothing(stage: Stage) -> None:
    stage.clock.set(datetime(2026, 9, 1, tzinfo=UTC))
    month.start(stage)
    month.close_run(stage, month.open_run(stage))
    assert told(stage.ctx, "run.issued") == []


def test_a_cdr_is_told_to_who_asked_once_and_costs_nothing_where_nobody_did(stage: Stage) -> None:
    stage.clock.set(datetime(2026, 9, 1, tzinfo=UTC))
    month.start(stage)
    good = month.push(stage, b.cdr(1))
    held = month.push(stage, b.cdr(2, emsp="NLXXX"))
    nobody = Listeners(stage.ctx)
    for ref in (good, held):
        assert nobody.tell(session_of(stage, ref)) == 0
    known, _ = webhooks.subscribe(
        stage.ctx,
        b.actor(Role.ADMIN),
        b.ISSUER,
        "https://93.184.216.34/hook",
        ("cdr.received", "cdr.verified", "cdr.held"),
    )
    row = {"issuer_id": b.ISSUER, "pk": "x", "sk": "ORIGINAL"}
    for _ in range(2):
        listeners = Listeners(stage.ctx)
        for ref in (good, held):
            facts.took_in(stage.ctx, row | {"cdr_ref": ref}, listeners=listeners)
    stage.clock.advance(timedelta(minutes=1))
    found = webhooks.deliveries(stage.ctx, b.actor(Role.ADMIN), b.ISSUER, known.subscription_id, 50)["waiting"]
    assert sorted((d.kind, d.subject) for d in found) == [
        ("cdr.held", held), ("cdr.received", good), ("cdr.received", held), ("cdr.verified", good),
    ]  # fmt: skip
    (told_held,) = [d for d in found if d.kind == "cdr.held"]
    assert told_held.payload["reasons"] == ["NO_CONTRACT"]


def session_of(stage: Stage, ref: str) -> Session:
    found = cdrs.session(stage.ctx, b.ISSUER, ref)
    assert found is not None
    return found
