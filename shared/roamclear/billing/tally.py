"""One pass over the sessions of a run: what they come to, in memory that does not grow with their number."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from roamclear.billing.charges import FeeCount
from roamclear.billing.model import Run
from roamclear.cdrs.lists import RouteSum, RouteSums
from roamclear.cdrs.model import Session
from roamclear.contracts.fees import FeeCharge
from roamclear.kernel.context import Context
from roamclear.kernel.money import Money

_CHUNK = 100


class Tally:
    """Count, net, routes and fees of the sessions that passed through ``over``; all amounts in the run's currency."""

    def __init__(self, ctx: Context, run: Run) -> None:
        self._run = run
        self._routes = RouteSums(run.currency)
        self._fees = FeeCount(ctx, run)
        self.count = 0
        self.net_minor = 0

    def over(self, sessions: Iterable[Session]) -> Iterator[Session]:
        """The same sessions, counted chunk by chunk on their way."""
        rest = iter(sessions)
        while chunk := list(islice(rest, _CHUNK)):
            self._fees.add(chunk)
            for session in chunk:
                self.count += 1
                self.net_minor += session.net.amount_minor if session.net else 0
                self._routes.add(session)
                yield session

    @property
    def net(self) -> Money:
        """Σ net."""
        return Money(self.net_minor, self._run.currency)

    @property
    def routes(self) -> tuple[RouteSum, ...]:
        """Totals per route (product.md row 8)."""
        return self._routes.sums()

    def fees(self) -> tuple[FeeCharge, ...]:
        """What the fees of the run's contract version come to, in the order of the contract."""
        return self._fees.charges()


def of(ctx: Context, run: Run, sessions: Iterable[Session]) -> Tally:
    """The tally of all of these sessions."""
    made = Tally(ctx, run)
    for _ in made.over(sessions):
        pass
    return made
