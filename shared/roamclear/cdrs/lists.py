"""The lists Rated / On hold / Not rated in sums."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from roamclear.cdrs.model import Billing, Session
from roamclear.kernel.money import Money
from roamclear.kernel.record import Record

_NAMES = {Billing.VERIFIED: "RATED", Billing.ON_HOLD: "ON_HOLD", Billing.NOT_RATED: "NOT_RATED"}


class RouteSum(Record):
    """Sessions that came one way (``P2P`` or the name of a hub): count, energy in kWh, ``net`` of what is priced."""

    route: str
    count: int
    energy_kwh: Decimal
    net: Money


class ListSum(Record):
    """One list of one contract in one currency: ``net`` of what is priced, ``claimed`` by the CPO for the rest."""

    name: str
    contract_id: str | None
    currency: str
    count: int
    priced: int
    net: Money
    claimed: Decimal
    reasons: dict[str, int]
    routes: tuple[RouteSum, ...] = ()


def list_sums(contract_id: str | None, state: Billing, sessions: Iterable[Session]) -> list[ListSum]:
    """Sums by currency; ``reasons`` counts each session under its first reason."""
    groups: dict[str, list[Session]] = {}
    for session in sessions:
        groups.setdefault(session.net.currency if session.net else session.currency, []).append(session)
    found = []
    for currency, members in sorted(groups.items()):
        reasons: dict[str, int] = {}
        for session in members:
            if session.reasons:
                reasons[session.reasons[0]] = reasons.get(session.reasons[0], 0) + 1
        found.append(
            ListSum(
                name=_NAMES[state],
                contract_id=contract_id,
                currency=currency,
                count=len(members),
                priced=sum(s.net is not None for s in members),
                net=Money(sum(s.net.amount_minor for s in members if s.net), currency),
                claimed=sum((s.cdr_total for s in members if s.net is None and s.cdr_total), Decimal(0)),
                reasons=reasons,
                routes=route_sums(members, currency),
            )
        )
    return found


def route_sums(sessions: Iterable[Session], currency: str) -> tuple[RouteSum, ...]:
    """Totals per route of sessions of one currency (product.md row 8); their sum is that of the list."""
    sums = RouteSums(currency)
    for session in sessions:
        sums.add(session)
    return sums.sums()


class RouteSums:
    """Totals per route, added up session by session."""

    def __init__(self, currency: str) -> None:
        self._currency = currency
        self._known: dict[str, tuple[int, Decimal, int]] = {}

    def add(self, session: Session) -> None:
        """One more session."""
        count, energy, net = self._known.get(session.route, (0, Decimal(0), 0))
        own = session.net.amount_minor if session.net else 0
        self._known[session.route] = count + 1, energy + session.energy_kwh, net + own

    def sums(self) -> tuple[RouteSum, ...]:
        """The totals so far, by the route's name."""
        return tuple(
            RouteSum(route=route, count=count, energy_kwh=energy, net=Money(net, self._currency))
            for route, (count, energy, net) in sorted(self._known.items())
        )
