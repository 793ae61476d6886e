"""Every partition begins with its issuer, or with the platform's sign (rules.md 2)."""

from __future__ import annotations

import inspect
from datetime import UTC, date, datetime
from typing import Any, get_type_hints

import pytest

from roamclear.aws import keys
from roamclear.kernel.writes import Key

BUILDERS = [
    (name, made)
    for name, made in inspect.getmembers(keys, inspect.isfunction)
    if made.__module__ == keys.__name__ and not name.startswith("_")
]
#: The list of all issuers is the platform's own.
PLATFORM = {"issuer_listed"}


def arguments(made: Any) -> dict[str, Any]:
    hints = get_type_hints(made)
    head = Key("voltwerk#INGEST#P", "S")
    day = datetime(2026, 11, 1, tzinfo=UTC)
    values: dict[Any, Any] = {str: "x", int: 7, datetime: day, date: day.date(), Key: head}
    found = {name: values[hints[name]] for name in inspect.signature(made).parameters}
    return found | {name: "voltwerk" for name in ("issuer", "issuer_id") if name in found}


@pytest.mark.parametrize(("name", "made"), BUILDERS, ids=[name for name, _ in BUILDERS])
def test_a_partition_begins_with_its_issuer(name: str, made: Any) -> None:
    given = arguments(made)
    key = made(**given)
    pk = key.pk if isinstance(key, Key) else key
    mine = name not in PLATFORM and any(p in given for p in ("issuer", "issuer_id", "head"))
    assert pk.startswith("voltwerk#" if mine else "@#"), pk


def test_two_issuers_share_no_partition() -> None:
    for builder, made in BUILDERS:
        given = arguments(made)
        name = None if builder in PLATFORM else next((p for p in ("issuer", "issuer_id") if p in given), None)
        if name is not None:
            one, other = made(**given), made(**(given | {name: "other"}))
            assert getattr(one, "pk", one) != getattr(other, "pk", other)


def test_constants_are_the_platforms() -> None:
    assert keys.ISSUERS.startswith("@#")
    assert keys.LINK_SECRET.pk.startswith("@#")
