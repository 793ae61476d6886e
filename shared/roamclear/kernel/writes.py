"""What a use case wants written, as plain data; the aws door turns it into requests.

A use case collects writes from the rooms it touches and hands them over in one transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal


class Table(StrEnum):
    """The five tables, cut by retention and permission."""

    IDENTITY = "identity"
    INTAKE = "intake"
    CLEARING = "clearing"
    LEDGER = "ledger"
    AUDIT = "audit"


@dataclass(frozen=True, slots=True)
class Key:
    """Partition and sort key of a row."""

    pk: str
    sk: str


Operator = Literal["=", "<>", "<", "<=", ">", ">=", "in", "exists", "absent", "prefix"]


@dataclass(frozen=True, slots=True)
class When:
    """One term of a condition; a tuple of terms is their AND. ``value`` of ``in`` is a tuple."""

    attribute: str
    operator: Operator
    value: Any = None


EXISTS = (When("pk", "exists"),)
ABSENT = (When("pk", "absent"),)


@dataclass(frozen=True, slots=True)
class Put:
    """Write a whole row. ``when`` defaults to ``ABSENT``: a row is created once for ever."""

    table: Table
    key: Key
    item: Mapping[str, Any]
    when: tuple[When, ...] = ABSENT


@dataclass(frozen=True, slots=True)
class Update:
    """Change columns of a row; ``when`` defaults to ``EXISTS``."""

    table: Table
    key: Key
    put: Mapping[str, Any] = field(default_factory=dict)
    add: Mapping[str, int] = field(default_factory=dict)
    remove: tuple[str, ...] = ()
    when: tuple[When, ...] = EXISTS


@dataclass(frozen=True, slots=True)
class Remove:
    """Delete a row (never of ledger or audit)."""

    table: Table
    key: Key
    when: tuple[When, ...] = ()


@dataclass(frozen=True, slots=True)
class Check:
    """Make the transaction depend on a row that it does not change."""

    table: Table
    key: Key
    when: tuple[When, ...]


Write = Put | Update | Remove
Action = Put | Update | Remove | Check
