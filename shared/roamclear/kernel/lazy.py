"""A room's door whose heavy parts are imported when they are first asked for (house.md 2: nothing built at import).

The OCPI endpoint takes a body through ``cdrs.service`` and must not pay the import of pricing for it at every cold
start (infra/bench, import time).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def exports(door: str, parts: Mapping[str, tuple[str, ...]]) -> Callable[[str], Any]:
    """A module's ``__getattr__`` (PEP 562): names by the module that holds them.

    >>> exports("door", {"roamclear.kernel.money": ("allocate",)})("allocate").__name__
    'allocate'
    """
    places = {name: module for module, names in parts.items() for name in names}

    def load(name: str) -> Any:
        if name not in places:
            raise AttributeError(f"module {door!r} has no attribute {name!r}")
        return getattr(import_module(places[name]), name)

    return load
