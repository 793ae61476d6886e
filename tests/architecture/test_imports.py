"""What the API functions really load when they start, beside what the import contract reads from the sources."""

from __future__ import annotations

import configparser
import subprocess
import sys
from pathlib import Path

import grimp
import pytest

from infra.catalogue import CLOSE_TASKS, FUNCTIONS

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("fpdf", "lxml", "xlsxwriter", "PIL", "segno", "babel", "sepaxml", "openpyxl", "holidays")


@pytest.mark.parametrize("name", ["ocpi_api", "finance_api", "open_link", "serve_console"])
def test_an_api_function_loads_nothing_heavy(name: str) -> None:
    code = f"import functions.{name}.handler, sys; print(*[m for m in {HEAVY!r} if m in sys.modules])"
    environ = {"PYTHONPATH": f"{ROOT}:{ROOT / 'shared'}", "ROAMCLEAR_STAGE": "local", "POWERTOOLS_SERVICE_NAME": name}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environ)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


def test_exactly_the_functions_that_need_it_carry_the_documents_layer() -> None:
    """A function that can reach one of its packages would fail on AWS without the layer, not on this machine."""
    graph = grimp.build_graph("roamclear", "functions", include_external_packages=True, cache_dir=None)
    packages = [name for name in HEAVY if name in graph.modules]
    for spec in FUNCTIONS:
        reached = [p for p in packages if graph.find_shortest_chains(f"functions.{spec.name}", p, as_packages=True)]
        if spec.name in {"ocpi_api", "finance_api", "open_link", "serve_console"}:
            continue  # the import contract "API functions never load ..." says no
        assert bool(reached) == spec.documents_layer, f"{spec.name} reaches {reached}"


def test_every_function_of_a_close_stands_in_its_import_contract() -> None:
    """ "A close never calls out" names the functions one by one: a new task of the close is named too."""
    read = configparser.ConfigParser()
    read.read(ROOT / ".importlinter")
    named = set(read["importlinter:contract:close"]["source_modules"].split())
    assert named == {f"functions.{name}" for name in (*CLOSE_TASKS, "start_close", "rehearse")}
