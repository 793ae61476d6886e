"""Each import contract is proven once: a fault planted in a copy of the tree is reported under its name."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
_SKIPPED = shutil.ignore_patterns("__pycache__", "*.pyc", "*.ttf")


def lint(root: Path) -> tuple[int, str]:
    """Run import-linter over a tree."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--config", ".importlinter", "--no-cache"]
    environ = os.environ | {"PYTHONPATH": f"{root / 'shared'}{os.pathsep}{root}", "COLUMNS": "200"}
    done = subprocess.run(command, cwd=root, env=environ, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tree without tests and build results."""
    root = tmp_path_factory.mktemp("tree")
    shutil.copytree(ROOT / "shared", root / "shared", ignore=_SKIPPED)
    shutil.copytree(ROOT / "functions", root / "functions", ignore=_SKIPPED)
    shutil.copytree(ROOT / "infra", root / "infra", ignore=_SKIPPED)
    shutil.copy(ROOT / ".importlinter", root)
    return root


def test_the_contracts_hold_in_the_copy(copy: Path) -> None:
    code, text = lint(copy)
    assert code == 0, text


FAULTS = [
    ("Rooms call downwards only", "shared/roamclear/cdrs/model.py", "from roamclear.billing import model as _fault"),
    ("Leaves know the kernel only", "shared/roamclear/notify/words.py", "from roamclear.aws import keys as _fault"),
    (
        "Models, rules, rating, bank, documents and kernel never touch AWS",
        "shared/roamclear/billing/rules.py",
        "import boto3 as _fault",
    ),
    (
        "Functions do not import each other",
        "functions/sweep/handler.py",
        "from functions.ocpi_api import handler as _f",
    ),
    (
        "API functions never load what draws or reads files",
        "functions/finance_api/handler.py",
        "from roamclear.documents import pdf as _fault",
    ),
    (
        "A close never calls out",
        "shared/roamclear/billing/national_vat.py",
        "from roamclear.outgoing import service as _fault",
    ),
    ("The template imports no runtime code", "infra/settings.py", "from roamclear.kernel import money as _fault"),
    (
        "Runtime code knows neither functions, infra nor tests",
        "shared/roamclear/kernel/money.py",
        "from infra import settings as _fault",
    ),
]


@pytest.mark.parametrize(("contract", "place", "line"), FAULTS, ids=[f[0] for f in FAULTS])
def test_a_planted_fault_breaks_its_contract(contract: str, place: str, line: str, copy: Path) -> None:
    path = copy / place
    kept = path.read_text() if path.exists() else None
    path.write_text((kept or '"""Planted."""\n') + f"\n{line}\n")
    try:
        code, text = lint(copy)
    finally:
        if kept is None:
            path.unlink()
        else:
            path.write_text(kept)
    assert code == 1, text
    assert f"{contract} BROKEN" in text


def test_a_new_room_without_a_place_is_an_error(copy: Path) -> None:
    room = copy / "shared" / "roamclear" / "loyalty"
    room.mkdir()
    (room / "__init__.py").write_text('"""Planted."""\n')
    try:
        code, text = lint(copy)
    finally:
        shutil.rmtree(room)
    assert code == 1
    assert "loyalty" in text
