"""Fonts and schemas of documents, built once for all tests."""

from __future__ import annotations

import subprocess
import sys
from functools import lru_cache
from pathlib import Path

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
