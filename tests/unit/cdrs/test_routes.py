"""Totals per route in the lists and in the summary of a period (product.md row 8)."""

from __future__ import annotations

from decimal import Decimal

from roamclear.billing import service as billing
from roamclear.cdrs import service as cdrs
from roamclear.cdrs.model import Billing
from roamclear.kernel.money import Money
from roamclear.kernel.pages import Asked
from tests.support import builders as b
from tests.support.moto_stack import Stage
from tests.unit.cdrs import month as m

FINANCE = b.actor("FINANCE")


def by_hub(stage: Stage, number: int) -> str:
    """A CDR that came through a hub."""
    raw = b.cdr(number)
    stage.clock.set(m.OPENS.replace(month=10, day=25))
    body = b.body_of(raw, received=stage.clock.now()).model_copy(update={"route": "Gireve"})
    cdrs.receive(stage.ctx, body)
    cdrs.process(stage.ctx, b.ISSUER, body.cdr_ref)
    return body.cdr_ref


def test_lists_and_runs_say_how_their_sessions_came() -> None:
    stage = m.started()
    m.push(stage, b.cdr(1))
    m.push(stage, b.cdr(2))
    hub = by_hub(stage, 3)
    (rated,) = cdrs.summary(stage.ctx, FINANCE, b.ISSUER)
    expected = [("Gireve", 1, Decimal(20), Money(830, "EUR")), ("P2P", 2, Decimal(40), Money(1660, "EUR"))]
    assert [(r.route, r.count, r.energy_kwh, r.net) for r in rated.routes] == expected
    (narrowed,) = cdrs.summary(stage.ctx, FINANCE, b.ISSUER, "Gireve")
    assert (narrowed.count, narrowed.net) == (1, Money(830, "EUR"))
    listed = cdrs.unbilled_page(stage.ctx, FINANCE, b.ISSUER, Billing.VERIFIED, b.CONTRACT, Asked(9), "Gireve")
    assert [s.cdr_ref for s in listed.items] == [hub]
    run = m.opened(stage)
    assert [(r.route, r.count) for r in run.routes] == [("Gireve", 1), ("P2P", 2)]
    cdrs.invalidate(stage.ctx, FINANCE, b.ISSUER, hub, "charger fault")
    m.issued(stage, run)
    closed = billing.run(stage.ctx, b.ISSUER, run.run_id)
    assert [(r.route, r.count, r.net) for r in closed.routes] == [("P2P", 2, Money(1660, "EUR"))]
    assert sum(r.net.amount_minor for r in closed.routes) == Money(1660, "EUR").amount_minor
