"""Template tests need Node to synthesise; without it they are skipped with that reason."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what reads a template where none can be written."""
    if shutil.which("node") is not None:
        return
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and item.path.name.startswith("test_template"):
            item.add_marker(pytest.mark.skip(reason="Node.js is missing: the template cannot be written"))
