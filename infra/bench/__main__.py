"""``make bench``: every figure beside its floor and its limit; exit 1 when one is over."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from pathlib import Path


def main() -> int:
    """Run every ``bench_*`` module and print a table."""
    sys.path[:0] = [".", "shared"]
    wanted = sys.argv[1:]
    over = 0
    for found in sorted(m.name for m in pkgutil.iter_modules([str(Path(__file__).parent)])):
        if not found.startswith("bench_") or (wanted and found.removeprefix("bench_") not in wanted):
            continue
        print(f"\n{found.removeprefix('bench_')}")
        for name, value, floor, limit in importlib.import_module(f"infra.bench.{found}").run():
            verdict = "" if limit is None else ("ok" if value <= limit else "OVER")
            over += verdict == "OVER"
            bound = "" if limit is None else f"<= {limit:g}"
            print(f"  {name:62} {value:9.2f} {bound:>9} {verdict:5} against {floor}")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
