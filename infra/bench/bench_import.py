"""Import time of each API function against ``import boto3`` with one client, in fresh processes (goal: at most 2.0)."""

from __future__ import annotations

import os
import subprocess
import sys

REPEATS = 9
LIMIT = 2.0
FUNCTIONS = ("ocpi_api", "finance_api", "open_link")
_FLOOR = "import boto3; boto3.client('dynamodb')"
_PROGRAM = "import time; t = time.process_time(); {code}; print(time.process_time() - t)"


def cpu_of(code: str) -> float:
    """CPU seconds that a statement takes in a fresh interpreter."""
    environ = os.environ | {
        "PYTHONPATH": os.pathsep.join([".", "shared"]),
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "ROAMCLEAR_STAGE": "bench",
        "POWERTOOLS_SERVICE_NAME": "bench",
    }
    found = subprocess.run(
        [sys.executable, "-c", _PROGRAM.format(code=code)], env=environ, check=True, capture_output=True, text=True
    )
    return float(found.stdout)


def run() -> list[tuple[str, float, str, float | None]]:
    """Rows of (name, ratio, floor, limit); runs are interleaved so that a busy neighbour hits both sides."""
    programs = {name: f"import functions.{name}.handler" for name in FUNCTIONS} | {"floor": _FLOOR}
    times: dict[str, list[float]] = {name: [] for name in programs}
    for code in programs.values():
        cpu_of(code)  # fills the byte-code caches
    for _ in range(REPEATS):
        for name, code in programs.items():
            times[name].append(cpu_of(code))
    # The least of both: what a busy machine adds is never less than nothing.
    floor = min(times["floor"])
    return [(f"import of {name}", min(times[name]) / floor, "import boto3 + one client", LIMIT) for name in FUNCTIONS]
