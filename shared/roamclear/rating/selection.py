"""Which price component applies to a dimension at a moment (OCPI mod_tariffs, Tariff object and TariffRestrictions).

Elements are walked in order; per dimension the first one wins that has a component for it and whose restrictions all
match. Dimensions are looked up independently. An element with ``reservation`` prices reserved time and nothing else;
an element without never prices reserved time.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict

from roamclear.rating.model import PriceComponent, Restrictions, Tariff
from roamclear.rating.moments import DAY_S, Moment
from roamclear.rating.restrictions import beyond_clock, describe, matches, window_of

RESERVATION, EXPIRES = "RESERVATION", "RESERVATION_EXPIRES"


class Rule:
    """One component of one element."""

    __slots__ = ("_bracket", "_restrictions", "element", "name", "price", "step_size", "tariff", "vat")

    def __init__(self, tariff: Tariff, element: int, component: PriceComponent, r: Restrictions | None) -> None:
        self.tariff = tariff
        self.element = element
        # A model's fields are slower to read than these, and a session reads them for each of its segments.
        self.price = component.price
        self.vat = component.vat
        self.step_size = component.step_size
        self.name = f"tariff {tariff.id} element {element}"
        self._restrictions = r
        self._bracket: str | None = None

    @property
    def bracket(self) -> str:
        """Its restrictions in words, written only for what is really used."""
        if self._bracket is None:
            self._bracket = describe(self._restrictions)
        return self._bracket


#: start and end second of the local day, whether that wraps midnight, weekdays or (), the other restrictions, the rule
_Row = tuple[int, int, bool, tuple[int, ...], Restrictions | None, Rule]


#: rows that a stretch of a weekday leaves over, and the second of the day before which nothing can change (0: unknown)
_Left = tuple[list[tuple[Restrictions | None, Rule]], int]


class _Column:
    """The rows that price one dimension.

    Between two bounds of the day nothing changes on the clock, so the rows that a stretch of a weekday leaves over are
    found once and kept: a session asks the same stretch again and again.
    """

    __slots__ = ("_bounds", "_left", "_rows", "_steady")

    def __init__(self) -> None:
        self._rows: list[_Row] = []
        self._bounds: list[int] = []
        self._left: dict[int, _Left] = {}
        self._steady = True

    def add(self, row: _Row) -> None:
        """Append a row."""
        self._rows.append(row)
        self._steady = self._steady and row[4] is None

    def close(self) -> None:
        """Find the bounds of the day once all rows are there."""
        self._bounds = sorted({bound for row in self._rows for bound in row[:2]})

    def find(self, m: Moment) -> tuple[Rule | None, int]:
        """The first row that matches, and the second of the local day before which it stays so (0: unknown)."""
        stretch = bisect_right(self._bounds, m.second_of_day)
        left = self._left.get(stretch * 7 + m.weekday)
        if left is None:
            left = self._left[stretch * 7 + m.weekday] = self._on_the_clock(stretch, m.second_of_day, m.weekday)
        for rest, rule in left[0]:
            if rest is None or matches(rest, m):
                return rule, left[1]
        return None, left[1]

    def _on_the_clock(self, stretch: int, now: int, weekday: int) -> _Left:
        """Rows whose time of day and weekday match, up to the first that asks for nothing else."""
        left: list[tuple[Restrictions | None, Rule]] = []
        for start, end, wraps, days, rest, rule in self._rows:
            if wraps:
                if end <= now < start:
                    continue
            elif now < start or now >= end:
                continue
            if days and weekday not in days:
                continue
            left.append((rest, rule))
            if rest is None:
                break
        until = self._bounds[stretch] if stretch < len(self._bounds) else DAY_S
        return left, until if self._steady else 0


class TariffRules:
    """A tariff's components by what they price, in the order of its elements."""

    __slots__ = ("_charging", "_columns", "has_vat", "tariff")

    def __init__(self, tariff: Tariff) -> None:
        self.tariff = tariff
        self.has_vat = False
        self._columns: dict[tuple[str | None, str], _Column] = {}
        for index, element in enumerate(tariff.elements):
            r = element.restrictions
            kind = r.reservation if r is not None else None
            start, end, wraps = window_of(r)
            days, rest = r.weekdays if r is not None else (), beyond_clock(r)
            for component in element.components:
                self.has_vat = self.has_vat or component.vat is not None
                rule = Rule(tariff, index, component, r)
                column = self._columns.setdefault((kind, component.type), _Column())
                column.add((start, end, wraps, days, rest, rule))
        for column in self._columns.values():
            column.close()
        self._charging = {name: column for (kind, name), column in self._columns.items() if kind is None}

    def prices(self, dimension: str) -> bool:
        """Whether any element has a component for a dimension of charging."""
        return dimension in self._charging

    def find(self, dimension: str, moment: Moment) -> tuple[Rule | None, int]:
        """``choose`` for charging, with the second of the local day before which the answer stays (0: unknown)."""
        column = self._charging.get(dimension)
        return (None, DAY_S) if column is None else column.find(moment)

    def choose(self, dimension: str, moment: Moment, reservation: str | None = None) -> Rule | None:
        """The component that prices a dimension (``FLAT``, ``ENERGY``, ``TIME``, ``PARKING_TIME``) at a moment."""
        column = self._columns.get((reservation, dimension))
        return None if column is None else column.find(moment)[0]

    def choose_reserved_time(self, moment: Moment, *, expired: bool) -> Rule | None:
        """Reserved time: the expired reservation's own TIME replaces the ordinary one where both are there."""
        if expired:
            found = self.choose("TIME", moment, EXPIRES)
            if found is not None:
                return found
        return self.choose("TIME", moment, RESERVATION)


_COMPILED: OrderedDict[int, TariffRules] = OrderedDict()
_COMPILED_LIMIT = 256


def rules_of(tariff: Tariff) -> TariffRules:
    """The rules of a tariff; tariffs never change, so a contract's price list is laid out once per process.

    Entries are found by identity and hold their tariff, so an address cannot come to mean another one.
    """
    known = _COMPILED.get(id(tariff))
    if known is not None:
        return known
    made = TariffRules(tariff)
    _COMPILED[id(tariff)] = made
    if len(_COMPILED) > _COMPILED_LIMIT:
        _COMPILED.popitem(last=False)
    return made
