"""The rules of house.md hold, and each check reports the fault it is there for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.architecture import house

ROOT = Path(__file__).resolve().parents[2]
Rule = Callable[[Path], list[str]]


@pytest.mark.parametrize("rule", house.RULES, ids=lambda rule: rule.__name__)
def test_the_tree_keeps_the_rule(rule: Rule) -> None:
    assert rule(ROOT) == []


PLANTED: list[tuple[Rule, str, str]] = [
    (house.clock_faults, "billing/service.py", "from datetime import UTC, datetime\nx = datetime.now(UTC)\n"),
    (house.clock_faults, "billing/service.py", "import time\nx = time.time()\n"),
    (house.float_faults, "rating/rules.py", "price = 0.59\n"),
    (house.float_faults, "rating/rules.py", "def f(x: float) -> None: ...\n"),
    (house.once_faults, "ledger/store.py", "w = Put(Table.LEDGER, key, item, when=())\n"),
    (house.once_faults, "ledger/store.py", "w = Update(Table.LEDGER, key, put={})\n"),
    (house.once_faults, "audit/store.py", "w = Remove(table=Table.AUDIT, key=key)\n"),
    (house.length_faults, "billing/service.py", "def f() -> None:\n" + "    x = 1\n" * 71),
    (house.length_faults, "billing/service.py", "x = 1\n" * 401),
    (house.door_faults, "billing/service.py", "from roamclear.aws import keys\n"),
    (house.door_faults, "billing/store.py", "import boto3\n"),
    (house.connection_faults, "billing/issue.py", "import http.client\n"),
    (house.connection_faults, "rates/service.py", "from urllib.request import urlopen\n"),
    (house.connection_faults, "contracts/vat_proofs.py", "import requests\n"),
    (house.front_door_faults, "billing/service.py", "from roamclear.cdrs import store\n"),
    (house.keeping_faults, "billing/issue.py", 'ctx.objects.put("documents", key, body, "application/json")\n'),
    (house.keeping_faults, "audit/store.py", 'objects.put_file("archive", key, path, "application/json")\n'),
]


@pytest.mark.parametrize(("rule", "place", "text"), PLANTED)
def test_a_planted_fault_is_reported(rule: Rule, place: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / "shared" / "roamclear" / place
    path.parent.mkdir(parents=True)
    (tmp_path / "functions").mkdir()
    (tmp_path / "infra").mkdir()
    (tmp_path / "shared" / "roamclear" / "cdrs").mkdir(exist_ok=True)
    path.write_text(text)
    (fault,) = rule(tmp_path)
    assert place in fault


def test_a_planted_handler_fault_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "functions" / "sweep" / "handler.py"
    path.parent.mkdir(parents=True)
    path.write_text("import os\nx = os.environ\n")
    assert house.handler_faults(tmp_path) == ["functions/sweep/handler.py:1 imports os"]


def test_what_is_right_is_not_reported(tmp_path: Path) -> None:
    path = tmp_path / "shared" / "roamclear" / "ledger" / "store.py"
    path.parent.mkdir(parents=True)
    (tmp_path / "functions").mkdir()
    (tmp_path / "infra").mkdir()
    path.write_text(
        "from roamclear.aws import keys\n"
        "a = Put(Table.LEDGER, key, item)\n"
        "b = Put(Table.AUDIT, key, item, when=ABSENT)\n"
        "c = Update(Table.CLEARING, key)\n"
        "d = json.loads(text, parse_float=Decimal)\n"
        "e = clock.now()\n"
    )
    assert [fault for rule in house.RULES for fault in rule(tmp_path)] == []


def test_a_long_file_may_say_why(tmp_path: Path) -> None:
    path = tmp_path / "functions" / "x" / "handler.py"
    path.parent.mkdir(parents=True)
    path.write_text(f"{house.REASON} a table of the standard\n" + "x = 1\n" * 500)
    assert house.length_faults(tmp_path) == []
