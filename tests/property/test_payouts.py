"""Money is neither made nor lost by splitting it, by repeats, by crashes, or by many at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from roamclear.bank import service as bank
from roamclear.evses import service as evses
from roamclear.evses.model import AccountKind
from roamclear.identity.model import system
from roamclear.kernel.context import Context
from roamclear.kernel.money import Money
from roamclear.payouts import export, proof, rules
from roamclear.payouts import service as payouts
from roamclear.payouts.model import BatchState, PayoutStatus
from tests.support.crashing import Fuse, SimulatedCrash, mortal, survives
from tests.support.moto_stack import Stage
from tests.support.payees import CHECKER, ISSUER, MAKER, issuer, own_terms, revenue, session, terms

CENTS = st.integers(-10_000_000, 10_000_000)
PERCENT = st.decimals(0, 100, places=4)
SYSTEM = system("close", ISSUER)


# ---- pure ----------------------------------------------------------------------------------------------------------
@settings(deadline=None)
@given(CENTS, PERCENT)
def test_a_split_sums_to_the_whole_and_a_credit_undoes_it(cents: int, percent: Decimal) -> None:
    gross = Money(cents, "EUR")
    share, commission, own = rules.split(gross, terms(share_percent=percent))
    assert share + commission + own == gross
    assert rules.split(-gross, terms(share_percent=percent)) == (-share, -commission, -own)
    assert abs(share.amount_minor * 100 - cents * percent) < 100
    assert rules.split(gross, own_terms()) == (Money.zero("EUR"), Money.zero("EUR"), gross)


@settings(deadline=None)
@given(CENTS, st.lists(st.integers(-5_000, 5_000), min_size=1, max_size=40))
def test_vat_given_back_to_sessions_sums_to_the_document(whole: int, parts: list[int]) -> None:
    assume(sum(parts) != 0)
    given_back = rules.spread(Money(whole, "EUR"), [Money(p, "EUR") for p in parts])
    assert sum(g.amount_minor for g in given_back) == whole
    for got, part in zip(given_back, parts, strict=True):
        assert abs(got.amount_minor - Decimal(part) * whole / sum(parts)) <= 1


@settings(deadline=None)
@given(CENTS, st.lists(CENTS, min_size=1, max_size=10), st.integers(0, 10_000))
def test_balances_carry_without_loss(opening: int, added: list[int], minimum: int) -> None:
    carry, paid = Money(opening, "EUR"), 0
    for amount in added:
        pay, closing, state = rules.settle(AccountKind.EXTERNAL, carry, Money(amount, "EUR"), Money(minimum, "EUR"))
        assert carry.amount_minor + amount == pay.amount_minor + closing.amount_minor
        assert pay.amount_minor == 0 or pay.amount_minor >= minimum
        assert pay.amount_minor >= 0
        assert (state is PayoutStatus.READY) == (pay.amount_minor > 0)
        carry, paid = closing, paid + pay.amount_minor
    assert paid + carry.amount_minor == opening + sum(added)


# ---- exactly once --------------------------------------------------------------------------------------------------
NETS = (1001, -250, 333, 4999, 7, 2500)


@pytest.fixture
def house(stage: Stage) -> Stage:
    """An issuer with two external accounts and an own one, payable."""
    issuer(stage.ctx)
    for account_id in ("P1", "P2"):
        evses.create_account(stage.ctx, MAKER, ISSUER, account_id, account_id, terms(minimum=None))
        evses.approve_account(stage.ctx, CHECKER, ISSUER, account_id)
    evses.create_account(stage.ctx, MAKER, ISSUER, "OWN", "Our own", own_terms())
    revenue(stage.ctx, "R1", sum(NETS))
    stage.clock.set(datetime(2026, 11, 10, 9, tzinfo=UTC))
    return stage


def sessions() -> list[object]:
    owners = ("P1", "P1", "OWN", "P2", None, "P2")
    return [session(n, cents, account=owner) for n, (cents, owner) in enumerate(zip(NETS, owners, strict=True))]


def month(ctx: Context) -> None:
    """Everything from the lock to the booked debit, as streams, schedules and people would do it again and again."""
    payouts.accrue(ctx, ISSUER, "R1", sessions())  # type: ignore[arg-type]
    payouts.close_cycle(ctx, SYSTEM, ISSUER, ctx.now())
    if not payouts.batches(ctx, MAKER, ISSUER):
        payouts.make_batch(ctx, MAKER, ISSUER, date(2026, 11, 20))
    for batch in payouts.batches(ctx, MAKER, ISSUER):
        if batch.state is BatchState.MADE:
            payouts.approve_batch(ctx, CHECKER, ISSUER, batch.batch_id, batch.digest)
    export.export_due(ctx, ISSUER)
    for batch in payouts.batches(ctx, MAKER, ISSUER):
        for item in batch.items:
            fact = {"end_to_end_id": item.end_to_end_id, "amount": item.amount.amount_minor, "booked_on": "2026-11-20"}
            amount = {"amount_minor": item.amount.amount_minor, "currency": "EUR"}
            payouts.confirm_debit(ctx, ISSUER, fact | {"amount": amount, "entry_key": f"e-{item.payout_id}"})


def expect_the_month(ctx: Context) -> None:
    found = {p.account_id: p for p in payouts.payouts(ctx, MAKER, ISSUER)}
    assert {a: (p.gross.amount_minor, p.state) for a, p in found.items()} == {
        "OWN": (333, PayoutStatus.CONFIRMED),
        "P1": (751, PayoutStatus.CONFIRMED),
        "P2": (7499, PayoutStatus.CONFIRMED),
    }
    assert sorted(p.document_number or "" for p in found.values()) == ["", "ACG-2026-000001", "ACG-2026-000002"]
    (batch,) = payouts.batches(ctx, MAKER, ISSUER)
    (key,) = ctx.objects.keys("exports")
    data = ctx.objects.get("exports", key)
    assert data is not None
    assert bank.schema_faults(data) == []
    assert batch.total.amount_minor == found["P1"].pay.amount_minor + found["P2"].pay.amount_minor
    # The bank's own postings are another room's; without them the transfers stand in transit.
    wrong = [e for e in proof.equations(ctx, ISSUER) if not e.holds and e.name != "in transit = transfers not booked"]
    assert wrong == []


class Novelty(Fuse):
    """A fuse that only what is new burns: a repeat that finds its row written costs nothing."""

    def burn(self, effect: Callable[[], Any]) -> Any:
        """Let one effect happen, or die before or after a new one."""
        if self.left == 0 and not self.after:
            raise SimulatedCrash
        result = effect()
        self.left = (self.left or 0) - 1
        if self.left < 0:
            raise SimulatedCrash
        return result


@pytest.mark.parametrize("after", [False, True])
def test_a_crash_at_every_write_leaves_one_month(house: Stage, after: bool) -> None:
    deaths, died = 0, [True]
    while died:
        assert deaths < 60
        with survives() as died:
            month(mortal(house.ctx, Novelty(left=deaths // 5 + (not after), after=after)))
        deaths += bool(died)
    assert deaths > 10
    expect_the_month(house.ctx)


def test_many_at_once_make_one_month(house: Stage) -> None:
    faults: list[BaseException] = []

    def together(work: Callable[[], object]) -> None:
        def run() -> None:
            try:
                work()
            except BaseException as error:
                faults.append(error)

        threads = [threading.Thread(target=run) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    together(lambda: payouts.accrue(house.ctx, ISSUER, "R1", sessions()))  # type: ignore[arg-type]
    together(lambda: payouts.close_cycle(house.ctx, SYSTEM, ISSUER, house.ctx.now()))
    assert faults == []
    together(lambda: payouts.make_batch(house.ctx, MAKER, ISSUER, date(2026, 11, 20)))
    assert {getattr(f, "details", {}).get("rule") for f in faults} == {"NOTHING_TO_PAY"}
    faults.clear()
    (batch,) = payouts.batches(house.ctx, MAKER, ISSUER)
    payouts.approve_batch(house.ctx, CHECKER, ISSUER, batch.batch_id, batch.digest)
    together(lambda: export.export_due(house.ctx, ISSUER))
    together(lambda: month(house.ctx))
    assert faults == []
    expect_the_month(house.ctx)
