"""What changed between two versions of a contract: price lines by their id, everything else by its field (row 17)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from roamclear.contracts.model import ContractVersion
from roamclear.kernel.record import Record


class FieldChange(Record):
    """One field by its path; a value that is not there is None."""

    path: str
    before: Any = None
    after: Any = None


class LineChange(Record):
    """A price line that was ADDED, REMOVED or CHANGED, with its fields."""

    line_id: str
    kind: str
    fields: tuple[FieldChange, ...]


class Difference(Record):
    """From one version to another."""

    from_version: int
    to_version: int
    grid: tuple[LineChange, ...]
    terms: tuple[FieldChange, ...]


def difference(old: ContractVersion, new: ContractVersion, *, without: frozenset[str] = frozenset()) -> Difference:
    """The price grid line by line, then the other terms except ``without``; equal values are not told."""
    before, after = (
        {name: value for name, value in version.terms.dump().items() if name not in without} for version in (old, new)
    )
    lines = tuple(_lines(before.pop("grid"), after.pop("grid")))
    rest = tuple(_fields(before, after))
    return Difference(from_version=old.version, to_version=new.version, grid=lines, terms=rest)


def _lines(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> Iterator[LineChange]:
    was, now = _by_id(before), _by_id(after)
    for line_id in dict.fromkeys([*was, *now]):
        fields = tuple(_fields(was.get(line_id, {}), now.get(line_id, {})))
        if fields:
            kind = "CHANGED" if line_id in was and line_id in now else "ADDED" if line_id in now else "REMOVED"
            yield LineChange(line_id=line_id, kind=kind, fields=fields)


def _by_id(lines: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Lines by their id; of an id that stands twice the further ones count on."""
    found: dict[str, dict[str, Any]] = {}
    for line in lines:
        name = plain = str(line.get("id", ""))
        place = 2
        while name in found:
            name, place = f"{plain}#{place}", place + 1
        found[name] = line
    return found


def _fields(before: Any, after: Any) -> Iterator[FieldChange]:
    was, now = dict(_leaves(before)), dict(_leaves(after))
    for path in dict.fromkeys([*was, *now]):
        if was.get(path) != now.get(path):
            yield FieldChange(path=path, before=was.get(path), after=now.get(path))


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every single value of a tree with its path: ``tariff.elements.0.price_components.0.price``."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _leaves(item, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from _leaves(item, f"{path}.{place}" if path else str(place))
    else:
        yield path, value
