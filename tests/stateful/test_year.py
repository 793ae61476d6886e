"""Everything that may follow an invoice, in any order, with deaths: credit notes, cancellations, prices of past days.

``HYPOTHESIS_PROFILE=deep`` runs long; the default stays small enough for every change.
"""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule, run_state_machine_as_test

from tests.stateful.story import Story
from tests.stateful.world import ASSIGNED, CONTRACTS, KWH, OTHER
from tests.stateful.year import PARTNER, PRICES, Year
from tests.support import builders as b

DEEP = os.environ.get("HYPOTHESIS_PROFILE") == "deep"
PROFILE = settings(
    max_examples=int(os.environ.get("HYPOTHESIS_EXAMPLES", "200")) if DEEP else 16,
    stateful_step_count=40 if DEEP else 30,
    deadline=None,
    derandomize=not DEEP,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
CRASH = st.one_of(st.none(), st.tuples(st.integers(0, 12), st.booleans()))
PLACE = st.integers(0, 30)
KIND = st.sampled_from(["CDRS", "AMOUNT", "CANCEL", "AGAIN", "AT_ONCE"])
CONTRACT = st.sampled_from([b.CONTRACT, OTHER])
#: What becomes of the first dispute of a story.
STORY = st.sampled_from(
    ["", "accept", "part", "withdraw", "reject", "reject escalate", "reject escalate accept", "reject escalate reject"]
)
ANSWER = st.sampled_from(["accept", "part", "reject", "reject", "withdraw", "escalate", "escalate"])


class Corrections(Story):
    """Months that are billed, and what people and machines change of them."""

    world: Year

    def __init__(self) -> None:
        super().__init__()
        self.world = Year()

    @initialize(
        bodies=st.integers(4, 8),
        gates=st.sampled_from([1, 2, 3, 3, 3, 5]),
        kinds=st.lists(KIND, max_size=2),
        story=STORY,
        part=st.booleans(),
        answered_after=st.sampled_from([1, 1, 2, 3]),
    )
    def a_month(
        self, bodies: int, gates: int, kinds: list[str], story: str, *, part: bool, answered_after: int
    ) -> None:
        """Most stories begin with issued invoices, some of them disputed before and corrected afterwards."""
        for number in range(bodies):
            self.post(number % 2 == 0, KWH[number % len(KWH)], number % 3 == 0)
        for turn in range(gates):
            self.gate(None)
            if turn == 1 and story:
                self.world.dispute(0, part=part, crash=None)
            if turn == answered_after:
                for how in story.split():
                    self.world.answer(0, how, None)
        for place, kind in enumerate(kinds):
            self.correct(place, kind, None, soon=place == 0)

    @rule(first=st.booleans(), kwh=st.sampled_from(KWH), partner=st.booleans())
    def post(self, first: bool, kwh: str, partner: bool) -> None:
        """A new CDR."""
        emsp = CONTRACTS[b.CONTRACT if first else OTHER][0]
        self.world.post(emsp=emsp, kwh=kwh, evse=PARTNER if partner else ASSIGNED)
        self.world.deliver(len(self.world.stream) - 1, None, keep=False)

    @rule(place=PLACE, crash=CRASH)
    def credit(self, place: int, crash: Any) -> None:
        """A credit CDR."""
        known = list(self.world.sent.values())
        original = known[place % len(known)]
        if original.credit_of is None:
            self.world.credit(original)
            self.world.deliver(len(self.world.stream) - 1, crash, keep=False)

    @rule(crash=CRASH)
    def gate(self, crash: Any) -> None:
        """The next gate of a month, and what follows."""
        self.world.until_gate()
        for each in (crash, None, None):
            self.world.go_on(each)
            self.world.tell(each)

    @rule(crash=CRASH)
    def go_on(self, crash: Any) -> None:
        """One step of everything."""
        self.world.go_on(crash)

    @rule(crash=CRASH)
    def tell(self, crash: Any) -> None:
        """Facts reach their consumers."""
        self.world.tell(crash)

    @rule(place=PLACE, kind=KIND, crash=CRASH,
          soon=st.booleans())  # fmt: skip
    def correct(self, place: int, kind: str, crash: Any, *, soon: bool) -> None:
        """A correction of an invoice, with or without the time to end."""
        self.world.correct(place, kind, crash)
        for _ in range(6 if soon else 0):
            self.world.tell()
            self.world.go_on()

    @rule(contract_id=CONTRACT, kwh=st.sampled_from(PRICES), crash=CRASH)
    def backdate(self, contract_id: str, kwh: str, crash: Any) -> None:
        """A price of past days."""
        self.world.backdate(contract_id, kwh, crash)

    @rule(contract_id=CONTRACT, crash=CRASH)
    def rerate(self, contract_id: str, crash: Any) -> None:
        """A job prices again."""
        self.world.rerate(contract_id, crash)

    @rule(place=PLACE, part=st.booleans(), crash=CRASH)
    def dispute(self, place: int, part: bool, crash: Any) -> None:
        """An eMSP disputes."""
        self.world.dispute(place, part, crash)

    @rule(place=PLACE, how=ANSWER, crash=CRASH)
    def answer(self, place: int, how: str, crash: Any) -> None:
        """A dispute goes on."""
        self.world.answer(place, how, crash)

    @rule(place=PLACE, half=st.booleans(), crash=CRASH)
    def pay(self, place: int, half: bool, crash: Any) -> None:
        """Money comes in."""
        self.world.settle_invoice(place, half, crash)

    @rule(crash=CRASH)
    def pay_out(self, crash: Any) -> None:
        """Partners get their statements."""
        self.world.pay_out(crash)

    @rule(days=st.integers(1, 9))
    def rest(self, days: int) -> None:
        """Days pass."""
        self.world.tick(timedelta(days=days))


def test_a_year_of_corrections_in_any_order() -> None:
    run_state_machine_as_test(Corrections, settings=PROFILE)
