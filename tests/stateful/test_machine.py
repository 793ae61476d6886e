"""Intake, window, lock, invoice and payment under repeats, reorderings and crashes, with a model beside the system.

``HYPOTHESIS_PROFILE=deep`` runs long; the default stays small enough for every change.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from roamclear.billing import service as billing
from roamclear.billing.model import RunState
from roamclear.cdrs import service as cdrs
from roamclear.cdrs.model import Billing, DisputeState, Session
from roamclear.disputes import service as disputes
from roamclear.disputes.model import Claim, Reason
from roamclear.identity.model import Role
from roamclear.kernel.errors import Busy, Conflict, InvalidInput, NotFound
from roamclear.kernel.money import Money
from tests.stateful.story import Story
from tests.stateful.world import ASSIGNED, CONTRACTS, KWH, OTHER, UNASSIGNED, Sent, World, end_dispute
from tests.support import builders as b
from tests.support.crashing import survives

DEEP = os.environ.get("HYPOTHESIS_PROFILE") == "deep"
PROFILE = settings(
    max_examples=400 if DEEP else 40,
    stateful_step_count=60 if DEEP else 50,
    deadline=None,
    derandomize=not DEEP,
    database=None,
    phases=[Phase.generate, Phase.shrink] if DEEP else [Phase.generate],
    suppress_health_check=list(HealthCheck),
)

CRASH = st.one_of(st.none(), st.tuples(st.integers(0, 9), st.booleans()))
PLACE = st.integers(0, 30)


class Month(Story):
    """Everything that may happen to a month, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()

    # ---- bodies ------------------------------------------------------------------------------------------------
    @initialize(gates=st.sampled_from([0, 1, 1, 1, 2]), bodies=st.integers(4, 8))
    def some_traffic(self, gates: int, bodies: int) -> None:
        """A month without sessions proves nothing; most stories begin with an open window."""
        for number in range(bodies):
            self.world.post(emsp=(b.EMSP, "FRBEL")[number % 2], kwh=KWH[number % len(KWH)], evse=ASSIGNED)
        for _ in range(gates):
            self.world.start_due()
            for _ in range(2):
                self.wait()
                self.go_on(None)
                self.go_on(None)
                self.go_on(None)

    @rule(emsp=st.sampled_from([b.EMSP, b.EMSP, "FRBEL", "FRXXX"]), kwh=st.sampled_from([*KWH, "0", "20000"]),
          evse=st.sampled_from([ASSIGNED, ASSIGNED, UNASSIGNED]))  # fmt: skip
    def post(self, emsp: str, kwh: str, evse: str) -> None:
        """A new CDR."""
        self.world.post(emsp=emsp, kwh=kwh, evse=evse)

    @rule(place=PLACE, changed=st.booleans())
    def post_again(self, place: int, changed: bool) -> None:
        """A known CDR, or other content under its id."""
        self.world.again(self._pick(place), changed=changed)

    @rule(place=PLACE)
    def post_same_session(self, place: int) -> None:
        """Another CDR of a known session."""
        known = self._pick(place)
        if known.credit_of is None and known.contract_id is not None:
            emsp = CONTRACTS[known.contract_id][0]
            self.world.post(emsp=emsp, kwh=known.kwh, evse=known.evse, like=known)

    @rule(place=PLACE, suffix=st.sampled_from("CD"), wrong=st.sampled_from([False, False, True]))
    def post_credit(self, place: int, suffix: str, wrong: bool) -> None:
        """A credit CDR, right or wrong, once or twice."""
        known = self._pick(place)
        if known.credit_of is None:
            self.world.credit(known, suffix, wrong)

    # ---- machinery ---------------------------------------------------------------------------------------------
    @rule(places=st.lists(st.tuples(PLACE, CRASH, st.booleans()), min_size=1, max_size=5))
    def deliver(self, places: list[tuple[int, Any, bool]]) -> None:
        """Stream records, in any order, twice, with deaths."""
        for place, crash, keep in places:
            self.world.deliver(place, crash, keep=keep)

    @rule()
    def lose_stream(self) -> None:
        """Only the sweep is left."""
        self.world.lose_stream()

    @rule(crash=CRASH)
    def sweep(self, crash: Any) -> None:
        """The five-minute sweep; when it lives, no body is without a state."""
        if self.world.sweep(crash):
            assert set(self.world.sessions()) == set(self.world.sent), "a body was lost"

    @rule(crash=CRASH)
    def nightly(self, crash: Any) -> None:
        """The nightly retry."""
        self.world.nightly(crash)

    @precondition(lambda self: not self.world.assigned)
    @rule()
    def assign(self) -> None:
        """The unassigned EVSE finds its account."""
        self.world.assign()

    # ---- the close ---------------------------------------------------------------------------------------------
    @rule()
    def wait(self) -> None:
        """Until the next gate of a run, or the end of the month."""
        self.world.until_gate()

    @rule(crash=CRASH)
    def schedule(self, crash: Any) -> None:
        """The hourly start."""
        self.world.start_due(crash)

    @rule(steps=st.lists(st.tuples(PLACE, CRASH), min_size=1, max_size=6))
    def steps(self, steps: list[tuple[int, Any]]) -> None:
        """State machines try their next steps."""
        for place, crash in steps:
            self.world.step(place, crash)

    @rule(crash=CRASH)
    def go_on(self, crash: Any) -> None:
        """A quiet while: schedule, sweep, and one step of each state machine, the first of which may die."""
        self.world.start_due()
        self.world.sweep()
        for place in range(len(self.world.executions)):
            self.world.step(place, crash if place == 0 else None)

    # ---- the window --------------------------------------------------------------------------------------------
    @rule(place=PLACE, part=st.booleans(), crash=CRASH)
    def dispute(self, place: int, part: bool, crash: Any) -> None:
        """An eMSP disputes; it lands exactly when its window is open."""
        members = [ref for ref, s in self.world.sessions().items() if s.billing is Billing.IN_WINDOW]
        sent = self.world.sent[members[place % len(members)]] if members and place % 4 else self._pick(place)
        session = cdrs.session(self.world.ctx, b.ISSUER, sent.ref)
        if session is None or session.contract_id is None:
            return
        ctx = self.world.fused(crash)
        may = self._may(session)
        claimed = Money(max(1, (session.net.amount_minor if session.net else 2) // 2), "EUR") if part else None
        claim = Claim(cdr_ref=sent.ref, reason=Reason.FRAUD, text="half" if part else "all", claimed=claimed)
        stranger = b.emsp_user(OTHER if session.contract_id == b.CONTRACT else b.CONTRACT)
        with pytest.raises(NotFound):
            disputes.file(ctx, stranger, b.ISSUER, claim)
        with survives():
            try:
                disputes.file(ctx, b.emsp_user(session.contract_id), b.ISSUER, claim)
                assert may or session.dispute is not DisputeState.NONE, session
            except (Conflict, InvalidInput):
                assert not may, session
        after = cdrs.session(self.world.ctx, b.ISSUER, sent.ref)
        assert after is not None
        if session.dispute is DisputeState.NONE and after.dispute_id is not None:
            told = disputes.dispute(self.world.ctx, b.actor(Role.VIEWER), b.ISSUER, after.dispute_id)
            assert (told.state, after.dispute) == ("OPEN", DisputeState.OPEN)

    @rule(place=PLACE, how=st.sampled_from(["accept", "part", "reject", "withdraw"]), crash=CRASH)
    def answer(self, place: int, how: str, crash: Any) -> None:
        """Somebody ends a dispute."""
        disputed = [s for s in self.world.sessions().values() if s.dispute is DisputeState.OPEN]
        if not disputed:
            return
        session = disputed[place % len(disputed)]
        ctx = self.world.fused(crash)
        with survives():
            try:
                end_dispute(ctx, session, how)
            except (Conflict, Busy):
                pass  # being locked, or withdrawn by a credit

    def _may(self, session: Session) -> bool:
        if session.run_id is None or session.billing is not Billing.IN_WINDOW or session.net is None:
            return False
        run = billing.run(self.world.ctx, b.ISSUER, session.run_id)
        still = run.state is RunState.WINDOW and run.closes_at_utc is not None and self.world.now < run.closes_at_utc
        return still and session.dispute is DisputeState.NONE and session.net.amount_minor > 0

    # ---- money -------------------------------------------------------------------------------------------------
    @rule(place=PLACE, half=st.booleans(), crash=CRASH)
    def pay(self, place: int, half: bool, crash: Any) -> None:
        """A payment arrives."""
        self.world.pay(place, half, crash)

    @rule(place=PLACE)
    def bank_again(self, place: int) -> None:
        """A statement arrives twice."""
        self.world.bank_again(place)

    def _pick(self, place: int) -> Sent:
        refs = list(self.world.sent)
        return self.world.sent[refs[place % len(refs)]]


def test_a_month_in_any_order() -> None:
    run_state_machine_as_test(Month, settings=PROFILE)


def test_a_month_with_a_death_at_every_write() -> None:
    """The plain path, once for each moment at which a step may die."""
    for effect in range(12 if not DEEP else 40):
        world = World()
        try:
            _month(world, (effect, effect % 2 == 0))
            world.settle_all()
            world.check_end()
            assert world.documents()
        finally:
            world.close()


def test_a_month_with_deaths_on_moto() -> None:
    """The same story once through the real door."""
    world = World(on_moto=True)
    try:
        _month(world, (2, True))
        assert len(world.documents()) == 2
    finally:
        world.close()


def _month(world: World, crash: tuple[int, bool]) -> None:
    for number in range(4):
        sent = world.post(emsp=(b.EMSP, "FRBEL")[number % 2], kwh=KWH[number], evse=ASSIGNED)
        world.deliver(0, crash, keep=True)
        world.deliver(0, None, keep=False)
        if number == 3:
            world.credit(sent)
            world.deliver(0, crash, keep=True)
    world.stage.clock.set(datetime.fromisoformat("2026-10-31T23:05:00+00:00"))
    for _ in range(14):
        world.start_due(crash)
        world.start_due()
        world.sweep(crash)
        world.sweep()
        for place in range(2):
            world.step(place, crash)
            world.step(place)
        world.tick(timedelta(days=1))
        world.check()
    world.pay(0, False, crash)
    world.check()
