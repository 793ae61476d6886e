"""What issuing, drawing lists and the eMSP's record hold in memory, at one size and at ten times that size.

Goal: what issuing holds grows with the lines of the document, not with its sessions: at ten times the sessions at most
1.5 times the memory. Lists hold the links of one sheet, at most 65,000; the record as much as a sorter holds. Tables
and buckets are the service's, not the function's: rows are copied one by one, objects lie on disk.

``make bench`` compares 300 with 3,000 sessions; ROAMCLEAR_BENCH_MEMORY=3000 compares 3,000 with 30,000.
"""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

LIMIT = 1.5
TIMES = 10
LINK_KB = 1.2
RECORD_MB = 40.0


class DiskObjects:
    """``Objects`` in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kept: dict[tuple[str, str], Path] = {}

    def put(
        self, bucket: str, key: str, body: bytes, content_type: str, *, retain_until: datetime | None = None
    ) -> Any:
        """Keep bytes."""
        self._place(bucket, key).write_bytes(body)
        return self._told(bucket, key)

    def put_file(
        self, bucket: str, key: str, path: Path, content_type: str, *, retain_until: datetime | None = None
    ) -> Any:
        """Keep a file."""
        shutil.copyfile(path, self._place(bucket, key))
        return self._told(bucket, key)

    def get(self, bucket: str, key: str) -> bytes | None:
        """The bytes or None."""
        found = self._kept.get((bucket, key))
        return found.read_bytes() if found else None

    def get_file(self, bucket: str, key: str, path: Path) -> bool:
        """Write the bytes into a file."""
        found = self._kept.get((bucket, key))
        if found:
            shutil.copyfile(found, path)
        return found is not None

    def length(self, bucket: str, key: str) -> int | None:
        """How many bytes."""
        found = self._kept.get((bucket, key))
        return found.stat().st_size if found else None

    def keys(self, bucket: str, prefix: str = "") -> Iterator[str]:
        """Keys below a prefix."""
        yield from sorted(key for name, key in self._kept if name == bucket and key.startswith(prefix))

    def _place(self, bucket: str, key: str) -> Path:
        return self._kept.setdefault((bucket, key), self._folder / str(len(self._kept)))

    def _told(self, bucket: str, key: str) -> Any:
        from roamclear.kernel.context import StoredObject

        return StoredObject(bucket, key, self._kept[bucket, key].stat().st_size, "")


def run() -> list[tuple[str, float, str, float]]:
    """Measure and return (name, ratio, what it is compared with, limit)."""
    sessions = int(os.environ.get("ROAMCLEAR_BENCH_MEMORY", "300"))
    peaks(20)  # what is loaded once is no memory per session
    small, large = peaks(sessions), peaks(sessions * TIMES)
    many = sessions * TIMES
    further = (large["lists"] - small["lists"]) * 1000 / (many - sessions)
    return [
        (f"memory of issue at {many:,}, times", large["issue"] / small["issue"], f"{sessions:,} sessions", LIMIT),
        # A sheet holds the addresses of its links, of which it takes 65,000 at most.
        ("memory of lists per further session, KB", further, "the links of a sheet", LINK_KB),
        # Lines are held up to a bounded size before they are sorted to disk.
        (f"memory of the record at {many:,}, MB", large["record"], "what a sorter holds", RECORD_MB),
    ]


def peaks(sessions: int) -> dict[str, float]:
    """The peak of each step in MB, over what stood before it."""
    from infra.bench.bench_close import lay
    from infra.local.laid import IndexedTables
    from roamclear.billing import service as billing
    from roamclear.ocpi import reconciliation
    from roamclear.packages import service as packages
    from tests.integration import test_close as month
    from tests.support import builders as b
    from tests.support import memory_stage
    from tests.support.fonts import fonts_dir

    made = memory_stage.fresh()
    made.tables = IndexedTables()  # type: ignore[assignment]
    with tempfile.TemporaryDirectory() as folder:
        ctx = replace(
            made.ctx,
            db=made.tables,
            objects=DiskObjects(Path(folder)),
            fonts_dir=str(fonts_dir()),  # type: ignore[arg-type]
        )
        made.ctx = ctx
        lay(made, sessions)
        run_id = month.open_run(made).run_id
        made.clock.set(month.CLOSES + timedelta(seconds=61))
        billing.lock(ctx, b.ISSUER, run_id)
        return {
            "issue": _peak(lambda: billing.issue(ctx, b.ISSUER, run_id, packages.proof(ctx))),
            "lists": _peak(lambda: packages.render_sessions(ctx, b.ISSUER, run_id)),
            "record": _peak(lambda: _recorded(ctx, sessions, reconciliation)),
        }


def _recorded(ctx: Any, sessions: int, reconciliation: Any) -> None:
    from tests.support import builders as b

    for _ in range(sessions // reconciliation.PIECE + 1):
        reconciliation.publish_invoice(ctx, b.ISSUER, "VW-2026-000001")


def _peak(step: Callable[[], object]) -> float:
    gc.collect()
    tracemalloc.start()
    try:
        step()
        return tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()


if __name__ == "__main__":
    for name, value, floor, limit in run():
        print(f"{name:28} {value:8.2f}  <= {limit:6.1f}  ({floor})")
