"""``roamclear recover [--apply]``: after a restore, compare a stage with its archive and bring it forward."""

from __future__ import annotations

import argparse
import getpass
import sys
from typing import Any

from roamclear.cli import store
from roamclear.cli.files import read_object
from roamclear.kernel.numbers_json import dumps
from roamclear.kernel.time import parse_instant
from roamclear.recovery import service as recovery


def add(subparsers: Any) -> None:
    """Register the command."""
    parser = subparsers.add_parser("recover", help="compare a restored stage with its archive and bring it forward")
    parser.add_argument("--apply", action="store_true", help="bring forward what is missing; lift RECOVERY when clean")
    parser.add_argument("--since", help="take changes from this instant on (default: the last beat of the tables)")
    parser.add_argument("--names", help="JSON file with the variables of the stage's function recover")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Prints one JSON report; exit 0 when nothing differs, 1 when something does, 2 when the input is bad."""
    since = parse_instant(arguments.since, field="since") if arguments.since else None
    ctx = store.stage(read_object(arguments.names) if arguments.names else {})
    report = recovery.recover(ctx, apply=arguments.apply, since=since, by=f"operator:{getpass.getuser()}")
    sys.stdout.write(dumps(report.dump() | {"clean": report.clean}, indent=2) + "\n")
    return 0 if report.clean else 1
