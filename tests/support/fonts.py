"""Fonts and schemas of documents, built once for all tests."""

from __future__ import annotations

import subprocess
import sys
from functools import lru_cache
from pathlib import Path

from roamclear.kernel.context import Context

ROOT = Path(__file__).parents[2]
#: Every test stage names this folder; it is there after ``fonts_dir()``.
SCHEMAS = ROOT / "build" / "schemas"


@lru_cache(maxsize=1)
def fonts_dir() -> Path:
    """The folder of the font build; it and the schemas are made where they are not there yet."""
    folder = ROOT / "build" / "fonts"
    if not any(folder.glob("*.ttf")):
        subprocess.run([sys.executable, "-m", "infra.fonts"], cwd=ROOT, check=True)
    if not SCHEMAS.is_dir():
        subprocess.run([sys.executable, "-m", "infra.schemas"], cwd=ROOT, check=True)
    return folder


def with_fonts(ctx: Context) -> None:
    """Let the use cases of a stage draw."""
    object.__setattr__(ctx, "fonts_dir", str(fonts_dir()))
