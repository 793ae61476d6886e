"""Rows of requests by their key."""

from __future__ import annotations

from roamclear.aws import keys
from roamclear.kernel.context import Database
from roamclear.kernel.writes import Key, Put, Remove, Table, When
from roamclear.repeats.model import Kept, State

_STARTED = (When("state", "=", State.STARTED.value),)


def find(db: Database, issuer_id: str, name: str) -> Kept | None:
    """What a key stands for, or None."""
    row = db.get(Table.CLEARING, keys.asked_before(issuer_id, name))
    return Kept.load(row) if row else None


def begin(made: Kept, name: str) -> Put:
    """A key stands for one request, once for ever."""
    return Put(Table.CLEARING, _key(made, name), made.dump())


def end(made: Kept, name: str) -> Put:
    """Keep the answer of what was started."""
    return Put(Table.CLEARING, _key(made, name), made.dump(), when=_STARTED)


def forget(made: Kept, name: str) -> Remove:
    """A refused request stood for nothing."""
    return Remove(Table.CLEARING, _key(made, name), when=_STARTED)


def _key(made: Kept, name: str) -> Key:
    return keys.asked_before(made.issuer_id, name)
