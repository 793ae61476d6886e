"""Which row of the partner's list is which session of ours: by CDR id, by session id, then by EVSE, start and energy.

One to one: a row joined once is never joined again. Where several could belong together the most pairs and then the
nearest values win, and what is equal in everything is interchangeable: the order of either list changes nothing.
Sorted and hashed, so O(n log n); knots of more than ``KNOT`` rows are joined in the order of their starts.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from operator import attrgetter

from roamclear.compare.assignment import best
from roamclear.compare.model import Join, Ours, Theirs, Tolerance, folded

#: Rows on one side up to which the best assignment is sought; a charger has few sessions in four minutes.
KNOT = 12
#: How many neighbours a row of a larger knot looks at.
_REACH = 48
_FAR = 10**12 - 1
_MICRO = Decimal(1_000_000)
_CDR_KEY, _SESSION_KEY = attrgetter("cdr_key"), attrgetter("session_key")

Joined = tuple[Ours, Theirs, Join]
Cost = Callable[[Ours, Theirs], int | None]


def join(
    ours: Sequence[Ours], theirs: Sequence[Theirs], tolerance: Tolerance
) -> tuple[list[Joined], list[Ours], list[Theirs]]:
    """The pairs, and what stands alone on either side."""
    rest_ours, rest_theirs = {id(o): o for o in ours}, {id(t): t for t in theirs}
    found: list[Joined] = []

    def take(pairs: Iterable[tuple[Ours, Theirs]], by: Join) -> None:
        for o, t in pairs:
            del rest_ours[id(o)], rest_theirs[id(t)]
            found.append((o, t, by))

    def any_cost(o: Ours, t: Theirs) -> int | None:
        return _cost(o, t, tolerance)

    def near_cost(o: Ours, t: Theirs) -> int | None:
        return _cost(o, t, tolerance) if _near(o, t, tolerance) else None

    by_id = _groups(ours, theirs, (_CDR_KEY, lambda o: folded(o.cdr_ref)), _CDR_KEY)
    take(_of_groups(by_id, any_cost), Join.CDR_ID)
    left, right = rest_ours.values(), rest_theirs.values()
    by_session = _groups(left, right, (_SESSION_KEY,), _SESSION_KEY)
    take(_of_groups(by_session, any_cost), Join.SESSION_ID)
    by_evse = _groups(left, right, (lambda o: o.evse,), lambda t: t.evse if t.starts else "")
    for group_ours, group_theirs in by_evse:
        take(_nearest(group_ours, group_theirs, tolerance, near_cost), Join.EVSE_START_ENERGY)
    return found, list(left), list(right)


def _groups(
    ours: Iterable[Ours],
    theirs: Iterable[Theirs],
    keys_of_ours: Sequence[Callable[[Ours], str]],
    key_of_theirs: Callable[[Theirs], str],
) -> list[tuple[list[Ours], list[Theirs]]]:
    """Rows of both lists under one key; a session found under two of its keys goes to the first that is asked for."""
    wanted: dict[str, list[Theirs]] = defaultdict(list)
    for t in theirs:
        key = key_of_theirs(t)
        if key:
            wanted[key].append(t)
    there: dict[str, list[Ours]] = defaultdict(list)
    for o in ours:
        for key_of in keys_of_ours:
            key = key_of(o)
            if key in wanted:
                there[key].append(o)
                break
    return [(found, wanted[key]) for key, found in there.items()]


def _of_groups(groups: Iterable[tuple[list[Ours], list[Theirs]]], cost: Cost) -> list[tuple[Ours, Theirs]]:
    found: list[tuple[Ours, Theirs]] = []
    for ours, theirs in groups:
        if len(ours) == 1 and len(theirs) == 1:
            found.append((ours[0], theirs[0]))
        else:
            found += _assigned(sorted(ours, key=_order_of_ours), sorted(theirs, key=_order_of_theirs), cost)
    return found


def _assigned(ours: list[Ours], theirs: list[Theirs], cost: Cost) -> list[tuple[Ours, Theirs]]:
    if len(ours) > KNOT or len(theirs) > KNOT:
        return _swept(ours, theirs, cost)
    return [(ours[i], theirs[j]) for i, j in best([[cost(o, t) for t in theirs] for o in ours])]


def _swept(ours: list[Ours], theirs: list[Theirs], cost: Cost, reach_s: int | None = None) -> list[tuple[Ours, Theirs]]:
    """Many on many: what is equal first, then each row takes the cheapest of the next free ones, in order of start.

    With ``reach_s`` a row looks from so many seconds before its own start on, else from the first free one on.
    """
    found, rest_ours, rest_theirs = _equal(ours, theirs, cost)
    starts = [o.start for o in rest_ours]
    following = list(range(len(rest_ours) + 1))

    def free_from(place: int) -> int:
        while following[place] != place:
            following[place] = following[following[place]]
            place = following[place]
        return place

    for t in rest_theirs:
        offers: list[tuple[int, int]] = []
        for low in (0,) if reach_s is None else (bisect_left(starts, at - reach_s) for at in t.starts):
            place = free_from(low)
            for _ in range(_REACH):
                if place == len(rest_ours):
                    break
                price = cost(rest_ours[place], t)
                if price is not None:
                    offers.append((price, place))
                place = free_from(place + 1)
        if offers:
            taken = min(offers)[1]
            found.append((rest_ours[taken], t))
            following[taken] = taken + 1
    return found


def _equal(
    ours: list[Ours], theirs: list[Theirs], cost: Cost
) -> tuple[list[tuple[Ours, Theirs]], list[Ours], list[Theirs]]:
    """Pairs that agree in start, energy and amount, and the rest of both lists in their order."""
    waiting: dict[tuple[object, ...], list[Ours]] = defaultdict(list)
    for o in reversed(ours):
        waiting[o.start, o.energy_kwh, o.amount_minor].append(o)
    found, rest = [], []
    for t in theirs:
        stack = next((s for at in t.starts if (s := waiting.get((at, t.energy_kwh, t.amount_minor)))), None)
        if stack and cost(stack[-1], t) is not None:
            found.append((stack.pop(), t))
        else:
            rest.append(t)
    taken = {id(o) for o, _ in found}
    return found, [o for o in ours if id(o) not in taken], rest


def _nearest(ours: list[Ours], theirs: list[Theirs], tolerance: Tolerance, cost: Cost) -> list[tuple[Ours, Theirs]]:
    """The sessions of one EVSE: rows that could be each other's form knots, each knot is assigned by itself."""
    ours, theirs = sorted(ours, key=_order_of_ours), sorted(theirs, key=_order_of_theirs)
    starts = [o.start for o in ours]
    reach: list[set[int]] = []
    for t in theirs:
        places: set[int] = set()
        for at in t.starts:
            low, high = bisect_left(starts, at - tolerance.start_s), bisect_right(starts, at + tolerance.start_s)
            if high - low > KNOT:
                return _swept(ours, theirs, cost, tolerance.start_s)
            places.update(i for i in range(low, high) if cost(ours[i], t) is not None)
        reach.append(places)
    found: list[tuple[Ours, Theirs]] = []
    for knot_ours, knot_theirs in _knots(len(ours), reach):
        if len(knot_ours) == 1 and len(knot_theirs) == 1:
            found.append((ours[knot_ours[0]], theirs[knot_theirs[0]]))
        else:
            found += _assigned([ours[i] for i in knot_ours], [theirs[j] for j in knot_theirs], cost)
    return found


def _knots(count: int, reach: list[set[int]]) -> list[tuple[list[int], list[int]]]:
    """Connected rows, each side in order; rows that reach nothing are in no knot."""
    root = list(range(count))

    def top(i: int) -> int:
        while root[i] != i:
            root[i] = root[root[i]]
            i = root[i]
        return i

    for places in reach:
        tops = {top(i) for i in places}
        for i in tops:
            root[i] = min(tops)
    knots: dict[int, tuple[list[int], list[int]]] = {}
    for j, places in enumerate(reach):
        if places:
            knots.setdefault(top(min(places)), ([], []))[1].append(j)
    for i in range(count):
        knot = knots.get(top(i))
        if knot is not None:
            knot[0].append(i)
    return [knots[key] for key in sorted(knots)]


def _near(o: Ours, t: Theirs, tolerance: Tolerance) -> bool:
    """Whether start and energy agree; where no energy is stated the amount must."""
    if not t.starts or seconds_apart(o, t) > tolerance.start_s:
        return False
    if t.energy_kwh is not None:
        return abs(t.energy_kwh - o.energy_kwh) <= tolerance.energy_kwh
    return t.amount_minor is not None and t.currency == o.currency and amounts_agree(o, t, tolerance)


def seconds_apart(o: Ours, t: Theirs) -> int:
    """Between the starts; of two that a local time may mean the nearer one, none where none is stated."""
    if len(t.starts) == 1:
        return abs(t.starts[0] - o.start)
    return min((abs(at - o.start) for at in t.starts), default=0)


def amounts_agree(o: Ours, t: Theirs, tolerance: Tolerance) -> bool:
    """Whether two stated amounts of one currency are the same within the tolerance."""
    return t.amount_minor is not None and abs(t.amount_minor - o.amount_minor) <= tolerance.amount_minor


def _cost(o: Ours, t: Theirs, tolerance: Tolerance) -> int:
    """How unlike two rows are: fields that differ first, then seconds, then energy, then minor units."""
    seconds = seconds_apart(o, t)
    energy = abs(t.energy_kwh - o.energy_kwh) if t.energy_kwh is not None else Decimal(0)
    minor = abs(t.amount_minor - o.amount_minor) if t.amount_minor is not None else 0
    fields = (seconds > tolerance.start_s) + (energy > tolerance.energy_kwh) + (minor > tolerance.amount_minor)
    fields += bool(t.evse and o.evse and t.evse != o.evse) + bool(t.currency and t.currency != o.currency)
    cost = fields
    for part in (seconds, int(energy * _MICRO), minor):
        cost = cost * (_FAR + 1) + min(part, _FAR)
    return cost


def _order_of_ours(o: Ours) -> tuple[object, ...]:
    return o.start, o.energy_kwh, o.amount_minor, o.cdr_ref


def _order_of_theirs(t: Theirs) -> tuple[object, ...]:
    """By content; the place in the file only decides between rows that are equal in everything."""
    energy = t.energy_kwh if t.energy_kwh is not None else Decimal(-1)
    minor = t.amount_minor if t.amount_minor is not None else 0
    return t.starts, energy, t.amount_minor is None, minor, t.currency, t.cdr_id, t.session_id, t.evse, t.row
