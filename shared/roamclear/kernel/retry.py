"""Trying a use case again when it lost a race that a fresh read settles, and going on after one that failed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from roamclear.kernel.errors import Busy, ConditionFailed
from roamclear.kernel.writes import Table

Item = TypeVar("Item")
T = TypeVar("T")
#: Whether a step may begin another piece of its work; False asks it to stop where the next call can go on.
TimeLeft = Callable[[], bool]
_TRIES = 12


def always() -> bool:
    """Time for everything: who calls is not cut off."""
    return True


def again_on_race(attempt: Callable[[], T], *, tables: tuple[Table, ...] = (Table.AUDIT,)) -> T:
    """Run ``attempt`` again while it loses a conditional write of one of ``tables``.

    Audit chains are extended optimistically: two writers may read the same head, one loses, reads again and wins.
    Any other lost condition is the caller's business and goes through.
    """
    for _ in range(_TRIES):
        try:
            return attempt()
        except ConditionFailed as error:
            if error.table not in tables:
                raise
    raise Busy("an object is changed by too many at once")


def each(items: Iterable[Item], work: Callable[[Item], T]) -> list[T]:
    """The work on every item; one that fails never stops the others, but fails the call at its end."""
    done: list[T] = []
    failed: Exception | None = None
    for item in items:
        try:
            done.append(work(item))
        except Exception as error:
            failed = failed or error
    if failed is not None:
        raise failed
    return done
