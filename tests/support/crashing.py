"""Doors that die: a process that is killed before or after its n-th write, as a real one may be."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from roamclear.kernel.context import Context, Row
from roamclear.kernel.writes import Action, Update, Write


class SimulatedCrash(BaseException):
    """The process is gone. No ``except Exception`` of the code under test may stop it."""


@dataclass
class Fuse:
    """Counts effects and goes off at one of them; ``left`` None never goes off.

    ``after`` says whether the effect still happens.
    """

    left: int | None = None
    after: bool = False
    effects: int = 0

    def burn(self, effect: Callable[[], Any]) -> Any:
        """Let one effect happen, or die before or after it."""
        self.effects += 1
        if self.left is None:
            return effect()
        self.left -= 1
        if self.left >= 0:
            return effect()
        self.left = None
        if self.after:
            effect()
        raise SimulatedCrash


class _Tables:
    def __init__(self, real: Any, fuse: Fuse) -> None:
        self._real, self._fuse = real, fuse

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def write(self, write: Write) -> None:
        """One write, or death."""
        self._fuse.burn(lambda: self._real.write(write))

    def write_and_read(self, update: Update) -> Row:
        """One update with its answer, or death."""
        row: Row = self._fuse.burn(lambda: self._real.write_and_read(update))
        return row

    def transact(self, actions: Sequence[Action]) -> None:
        """One transaction, or death."""
        self._fuse.burn(lambda: self._real.transact(actions))


class _Effects:
    """A door of which some methods change the world."""

    def __init__(self, real: Any, fuse: Fuse, names: tuple[str, ...]) -> None:
        self._real, self._fuse, self._names = real, fuse, names

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._real, name)
        if name not in self._names:
            return method
        return lambda *args, **kwargs: self._fuse.burn(lambda: method(*args, **kwargs))


def mortal(ctx: Context, fuse: Fuse) -> Context:
    """The same context through doors that obey a fuse."""
    return replace(
        ctx,
        db=_Tables(ctx.db, fuse),
        objects=_Effects(ctx.objects, fuse, ("put", "put_file")),
        mailer=_Effects(ctx.mailer, fuse, ("send",)),
        workflows=_Effects(ctx.workflows, fuse, ("start_close", "complete", "wake_at")),
    )


@contextmanager
def survives() -> Iterator[list[bool]]:
    """The block may die; the list then holds one True."""
    died: list[bool] = []
    try:
        yield died
    except SimulatedCrash:
        died.append(True)
