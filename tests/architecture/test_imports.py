"""What the API functions really load when they start, beside what the import contract reads from the sources."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("fpdf", "lxml", "xlsxwriter", "PIL", "segno", "babel", "sepaxml")


@pytest.mark.parametrize("name", ["ocpi_api", "finance_api", "open_link"])
def test_an_api_function_loads_nothing_heavy(name: str) -> None:
    if not (ROOT / "functions" / name / "handler.py").exists():
        pytest.skip("the function does not exist yet")
    code = f"import functions.{name}.handler, sys; print(*[m for m in {HEAVY!r} if m in sys.modules])"
    environ = {"PYTHONPATH": f"{ROOT}:{ROOT / 'shared'}", "ROAMCLEAR_STAGE": "local", "POWERTOOLS_SERVICE_NAME": name}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environ)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []
