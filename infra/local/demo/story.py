"""The whole month from the first credential to the proof, on a running laptop stack."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.local.demo import cash, closing, opening, paying, proving, pushing, results, summary
from infra.local.demo.desk import Desk
from infra.local.demo.when import Month


@dataclass(frozen=True, slots=True)
class Told:
    """What came out."""

    summary: str
    equations: list[dict[str, Any]]
    files: list[Path]


def play(desk: Desk, month: Month, count: int, folder: Path) -> Told:
    """Clear a month of ``count`` sessions and leave its files in a folder.

    Raises:
        Unexpected: something did not come out as the rules say.
    """
    opening.play(desk, month)
    planned = pushing.play(desk, month, count)
    closing.play(desk, month, planned)
    sent = paying.play(desk, month)
    bank = cash.play(desk, month, sent)
    equations = proving.play(desk)
    files = results.collect(desk, folder, sent, bank, equations)
    text = summary.write(desk, month, planned, equations, files, folder)
    return Told(text, equations, files)
