"""``roamclear verify-lock MANIFEST CDR [CDR …]``: whether a lock still holds, offline.

A CDR is a file with the body exactly as it was received; a folder stands for all its files.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from roamclear.billing import manifest
from roamclear.kernel.errors import InvalidInput
from roamclear.kernel.numbers_json import dumps


def add(subparsers: Any) -> None:
    """Register the command."""
    parser = subparsers.add_parser("verify-lock", help="check a lock manifest against the CDRs it locked")
    parser.add_argument("manifest", type=Path)
    parser.add_argument("cdrs", type=Path, nargs="+", help="files with CDR bodies, or folders of them")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Prints one JSON object; exit 0 when the lock holds, 1 when it does not, 2 when the input cannot be read."""
    verdict = manifest.verify(manifest.read(_bytes(arguments.manifest)), _bodies(arguments.cdrs))
    sys.stdout.write(dumps(verdict.dump(), indent=2) + "\n")
    return 0 if verdict.holds else 1


def _bodies(paths: list[Path]) -> Iterator[bytes]:
    for path in paths:
        for file in sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]:
            yield _bytes(file)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidInput(f"{path.name}: {error.strerror}", field="file") from error
