"""The mode of a stage."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from roamclear.kernel.record import Record


class Mode(StrEnum):
    """NORMAL, or RECOVERY: nothing is numbered, sent, paid or changed by hand until a comparison was clean."""

    NORMAL = "NORMAL"
    RECOVERY = "RECOVERY"


class StageMode(Record):
    """One row for the whole stage. ``beat`` counts the sweeps; the same count lies outside the tables."""

    mode: Mode = Mode.NORMAL
    beat: int = 0
    beat_at_utc: datetime | None = None
    reason: str = ""
    since_utc: datetime | None = None
    changed: int = 0
