"""Reading what a Step Functions task is given."""

from __future__ import annotations

from typing import Any

from roamclear.kernel.errors import InvalidInput

#: No id, gate or step is longer; a task token is at most 2,048 characters (SendTaskSuccess, API reference).
_LONGEST = 2048


def named(event: Any, *names: str) -> tuple[str, ...]:
    """The texts of a task's input by name.

    A missing path of the state machine arrives as an absent key or as another type (platform.md 3), so each is looked
    at before anything is written.

    Raises:
        InvalidInput: a name is missing, empty or no text.

    >>> named({"issuer_id": "voltwerk", "run_id": "C-RON.2026-10.CLOSE"}, "issuer_id", "run_id")
    ('voltwerk', 'C-RON.2026-10.CLOSE')
    """
    given = event if isinstance(event, dict) else {}
    for name in names:
        value = given.get(name)
        if not isinstance(value, str) or not 0 < len(value) <= _LONGEST:
            raise InvalidInput(f"the task's input has no {name}", field=name)
    return tuple(given[name] for name in names)
