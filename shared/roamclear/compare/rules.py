"""Classes, sums and claims of a comparison; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from operator import attrgetter
from typing import TypeVar

from roamclear.compare.joining import amounts_agree, join, seconds_apart
from roamclear.compare.model import ClassSum, Difference, Join, Match, Ours, Pair, Theirs, Tolerance
from roamclear.disputes.model import Claim, Reason
from roamclear.kernel.money import Money

R = TypeVar("R", Ours, Theirs)
#: In a result money comes first: what differs, what one side lacks, then what agrees.
ORDER = (Match.AMOUNT_DIFFERS, Match.MISSING_THERE, Match.MISSING_HERE, Match.PARTIAL, Match.EXACT)
_PLACES = {match: place for place, match in enumerate(ORDER)}
_MONEY = frozenset({Difference.AMOUNT, Difference.CURRENCY})


def compared(ours: Sequence[Ours], theirs: Sequence[Theirs], tolerance: Tolerance) -> list[Pair]:
    """Every row of both lists in exactly one pair, by class and then by start."""
    joined, alone_here, alone_there = join(ours, theirs, tolerance)
    pairs = [_judged(o, t, by, tolerance) for o, t, by in joined]
    twins_here = _twins([o for o, _, _ in joined], alone_here, _NAMES_OF_OURS)
    twins_there = _twins([t for _, t, _ in joined], alone_there, _NAMES_OF_THEIRS)
    for o in alone_here:
        said = (Difference.DUPLICATE,) if id(o) in twins_here else ()
        pairs.append(Pair(Match.MISSING_THERE, o, None, None, said))
    for t in alone_there:
        said = (Difference.DUPLICATE,) if id(t) in twins_there else ()
        nothing = not (t.cdr_id or t.session_id or (t.evse and t.starts))
        pairs.append(Pair(Match.MISSING_HERE, None, t, None, (Difference.NOTHING_TO_JOIN,) if nothing else said))
    return sorted(pairs, key=_order)


def _judged(o: Ours, t: Theirs, by: Join, tolerance: Tolerance) -> Pair:
    if _agrees(o, t):
        return Pair(Match.EXACT, o, t, by)
    found: list[Difference] = []
    if t.amount_minor is None:
        found.append(Difference.AMOUNT_NOT_STATED)
    elif t.currency != o.currency:
        found.append(Difference.CURRENCY)
    elif not amounts_agree(o, t, tolerance):
        found.append(Difference.AMOUNT)
    if t.energy_kwh is not None and abs(t.energy_kwh - o.energy_kwh) > tolerance.energy_kwh:
        found.append(Difference.ENERGY)
    if seconds_apart(o, t) > tolerance.start_s:
        found.append(Difference.START)
    if t.evse and o.evse and t.evse != o.evse:
        found.append(Difference.EVSE)
    match = Match.EXACT
    if found:
        match = Match.PARTIAL if _MONEY.isdisjoint(found) else Match.AMOUNT_DIFFERS
    return Pair(match, o, t, by, tuple(found))


def _agrees(o: Ours, t: Theirs) -> bool:
    """Whether everything is stated and the same: the usual row, for which no tolerance need be asked."""
    return (
        t.amount_minor == o.amount_minor
        and t.currency == o.currency
        and t.energy_kwh == o.energy_kwh
        and t.starts == (o.start,)
        and t.evse == o.evse
    )


#: By what two rows of one list are the same session, each by itself; nothing where it is not stated.
_NAMES_OF_OURS: tuple[Callable[[Ours], object], ...] = (
    attrgetter("cdr_key"),
    attrgetter("session_key"),
    lambda o: o.evse and (o.evse, o.start, o.energy_kwh),
)
_NAMES_OF_THEIRS: tuple[Callable[[Theirs], object], ...] = (
    attrgetter("cdr_key"),
    attrgetter("session_key"),
    lambda t: t.evse and t.starts and t.energy_kwh is not None and (t.evse, t.starts, t.energy_kwh),
)


def _twins(joined: Sequence[R], alone: Sequence[R], names: Iterable[Callable[[R], object]]) -> set[int]:
    """The rows that stand alone and say what a joined row of the same list says already, by ``id``."""
    found: set[int] = set()
    for name in names:
        said = {id(row): what for row in alone if (what := name(row))}
        twice = set(said.values()).intersection(map(name, joined)) if said else set()
        found.update(row for row, what in said.items() if what in twice)
    return found


def _order(pair: Pair) -> tuple[int, int, str, int]:
    """By class, start, name and row; what only the partner has stands by its own start."""
    here, there = pair.here, pair.there
    if here is not None:
        return _PLACES[pair.match], here.start, here.cdr_ref, there.row if there is not None else 0
    assert there is not None
    return _PLACES[pair.match], there.starts[0] if there.starts else 0, "", there.row


def sums(pairs: Iterable[Pair], currency: str) -> tuple[ClassSum, ...]:
    """Each class in rows, money and energy of each side; over the classes they are the sums of the two lists."""
    groups: dict[Match, list[Pair]] = {match: [] for match in ORDER}
    for pair in pairs:
        groups[pair.match].append(pair)
    return tuple(_sum(match, members, currency) for match, members in groups.items())


def _sum(match: Match, pairs: list[Pair], currency: str) -> ClassSum:
    here, there = [p.here for p in pairs if p.here], [p.there for p in pairs if p.there]
    stated: dict[str, int] = {}
    for t in there:
        if t.amount_minor is not None:
            stated[t.currency] = stated.get(t.currency, 0) + t.amount_minor
    return ClassSum(
        match=match,
        rows_here=len(here),
        rows_there=len(there),
        net_here=Money(sum(o.amount_minor for o in here), currency),
        net_there=tuple(Money(minor, name) for name, minor in sorted(stated.items())),
        energy_kwh_here=sum((o.energy_kwh for o in here), Decimal(0)),
        energy_kwh_there=sum((t.energy_kwh for t in there if t.energy_kwh is not None), Decimal(0)),
    )


def claim(pair: Pair) -> Claim | None:
    """The dispute a difference is worth: what we ask for above the partner's own amount, or all of it.

    None where we ask for less than the partner expects, nothing is asked for, or the session was disputed before.
    """
    o = pair.here
    if o is None or o.disputed or o.amount_minor <= 0:
        return None
    if pair.match is Match.MISSING_THERE:
        twice = Difference.DUPLICATE in pair.differences
        reason = Reason.DUPLICATE_SESSION if twice else Reason.NO_SUCH_SESSION
        text = "listed twice" if twice else "not in our own list"
        return Claim(cdr_ref=o.cdr_ref, reason=reason, text=f"Comparison of lists: {text}.")
    if pair.match is not Match.AMOUNT_DIFFERS or pair.there is None or pair.there.amount_minor is None:
        return None
    t, minor = pair.there, pair.there.amount_minor
    text = f"Comparison of lists: our row {t.row} says {Money(minor, t.currency)}"
    text += f", {t.energy_kwh:f} kWh." if t.energy_kwh is not None else "."
    if Difference.CURRENCY in pair.differences:
        return Claim(cdr_ref=o.cdr_ref, reason=Reason.CURRENCY_OR_VAT, text=text)
    if minor >= o.amount_minor:
        return None
    claimed = Money(min(o.amount_minor - minor, o.amount_minor), o.currency)
    return Claim(cdr_ref=o.cdr_ref, reason=_reason(pair, o, t), text=text, claimed=claimed)


def _reason(pair: Pair, o: Ours, t: Theirs) -> Reason:
    if Difference.ENERGY in pair.differences and t.energy_kwh is not None and o.energy_kwh > t.energy_kwh:
        return Reason.ENERGY_TOO_HIGH
    return Reason.WRONG_EVSE_OR_LOCATION if Difference.EVSE in pair.differences else Reason.PRICE_NOT_AS_AGREED
