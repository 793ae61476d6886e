"""What a write does to a row and when it is refused: the tables' own rules, for doors that keep rows in memory.

As strict as DynamoDB: numbers lose their trailing zeros and have at most 38 digits, a missing column differs
from everything and meets no other comparison, texts and numbers never compare, a transaction touches a row once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from decimal import Decimal
from typing import Any

from roamclear.kernel.context import Row
from roamclear.kernel.errors import ConditionFailed, InvariantBroken
from roamclear.kernel.writes import Action, Put, Remove, Table, When, Write

#: The tables whose indexes hold whole rows; all other indexes give keys only.
ALL_COLUMNS = frozenset({Table.LEDGER})
_MOST_DIGITS = 38
_MOST_ACTIONS = 100
_ORDERED: dict[str, Callable[[Any, Any], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def index_names(index: str | None) -> tuple[str, ...]:
    """The two columns of an index, none for the table itself.

    >>> index_names("gsi2")
    ('gsi2pk', 'gsi2sk')
    """
    return (f"{index}pk", f"{index}sk") if index else ()


def projected(table: Table, row: Row, index: str | None) -> Row:
    """What a query gives of a row: all of it, or keys only behind an index that holds keys only."""
    if index is None or table in ALL_COLUMNS:
        return row
    return {name: row[name] for name in ("pk", "sk", *index_names(index))}


def within(value: str, prefix: str | None, after: str | None, before: str | None) -> bool:
    """Whether a sort key lies between the bounds of a query; a prefix takes the place of the others."""
    if prefix is not None:
        return value.startswith(prefix)
    return (after is None or value >= after) and (before is None or value < before)


def require_transaction(actions: Sequence[Action]) -> None:
    """Refuse what no transaction can be: none or more than 100 actions, or two on one row."""
    if not 1 <= len(actions) <= _MOST_ACTIONS:
        raise InvariantBroken("a transaction has 1 to 100 actions", count=len(actions))
    touched = [(a.table, a.key) for a in actions]
    if len(set(touched)) != len(touched):
        raise InvariantBroken("a transaction touches a row once", rows=[k.sk for _, k in touched])


def require(action: Action, current: Row | None, place: int) -> None:
    """Refuse an action whose condition the present row does not meet.

    Raises:
        ConditionFailed: with the action's place and the row that was found.
    """
    if not all(holds(term, current or {}) for term in action.when):
        raise ConditionFailed(
            f"{type(action).__name__} of {action.table.value}:{action.key.sk} was refused",
            index=place,
            table=action.table.value,
            current=deepcopy(current),
        )


def written(write: Write, current: Row | None) -> Row | None:
    """The row that a write leaves behind; None where it removes it."""
    base: Row = {"pk": write.key.pk, "sk": write.key.sk}
    if isinstance(write, Remove):
        return None
    if isinstance(write, Put):
        return base | {n: kept(v) for n, v in write.item.items() if v is not None}
    row = dict(current or base)
    row |= {n: kept(v) for n, v in write.put.items() if v is not None}
    for name, by in write.add.items():
        row[name] = row.get(name, 0) + by
    for name in (*write.remove, *(n for n, v in write.put.items() if v is None)):
        row.pop(name, None)
    return row


def holds(term: When, row: Row) -> bool:
    """Whether one term of a condition holds for a row (empty: there is none)."""
    there = term.attribute in row
    if term.operator in ("exists", "absent"):
        return there is (term.operator == "exists")
    if not there:
        return term.operator == "<>"  # what is missing differs from everything
    value = row[term.attribute]
    if term.operator == "in":
        return value in [kept(v) for v in term.value]
    wanted = kept(term.value)
    if term.operator == "prefix":
        return bool(str(value).startswith(wanted))
    if term.operator in ("=", "<>"):
        return bool((value == wanted) is (term.operator == "="))
    if isinstance(value, str) is not isinstance(wanted, str):
        return False
    return bool(_ORDERED[term.operator](value, wanted))


def kept(value: Any) -> Any:
    """A value as a table gives it back.

    >>> kept({"kwh": Decimal("20.500"), "n": Decimal("3.0"), "refs": ("A", "B")})
    {'kwh': Decimal('20.5'), 'n': 3, 'refs': ['A', 'B']}
    """
    if isinstance(value, bool) or value is None or isinstance(value, str | bytes):
        return value
    if isinstance(value, dict):
        return {k: kept(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [kept(v) for v in value]
    if isinstance(value, int | Decimal):
        return _number(Decimal(value))
    raise TypeError(f"{type(value).__name__} is not a value a table keeps")


def _number(number: Decimal) -> int | Decimal:
    if not number.is_finite() or len(number.as_tuple().digits) > _MOST_DIGITS:
        raise InvariantBroken("a table keeps numbers of at most 38 digits")
    text = format(number, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    plain = Decimal(text if text not in ("-0", "") else "0")
    return int(plain) if plain.as_tuple().exponent == 0 else plain
