"""The ``roamclear`` command: pure rooms at the prompt.

A command is a module of this package with ``add(subparsers)``, which sets ``run(args) -> exit code``; it is entered in
``COMMANDS`` and loaded only when it is called. Results go to stdout and nothing else does; what was wrong with the
input is one line on stderr, exit code 2.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from importlib import import_module
from io import TextIOWrapper
from typing import NoReturn

from roamclear.kernel.errors import RoamclearError

BAD_INPUT = 2

#: first word -> (module of roamclear.cli, one line of help)
COMMANDS: dict[str, tuple[str, str]] = {
    "rate": ("rate", "price the periods of a CDR with a tariff and show the whole calculation"),
    "cdr": ("cdr", "check: run every plausibility rule over a CDR"),
    "bank": ("bank", "read: what a bank file says"),
    "recover": ("recover", "after a restore: compare a stage with its archive and bring it forward"),
    "verify-lock": ("verify_lock", "check a lock manifest against the CDRs it locked, offline"),
}


class _Parser(ArgumentParser):
    """An argument parser that keeps to one line when it complains."""

    def error(self, message: str) -> NoReturn:
        self.exit(BAD_INPUT, f"{self.prog}: {message}\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")  # JSON is UTF-8, whatever the console is set to
    words = list(sys.argv[1:] if argv is None else argv)
    parser = build_parser(words)
    args = parser.parse_args(words)
    run = getattr(args, "run", None)
    if run is None:
        parser.error("a command is missing; --help lists them")
    try:
        return int(run(args))
    except RoamclearError as error:
        reason = " ".join(error.message.split())
        print(f"roamclear: {reason}", file=sys.stderr)
        return BAD_INPUT
    except OverflowError:
        print("roamclear: a date lies outside the calendar", file=sys.stderr)
        return BAD_INPUT
    except BrokenPipeError:
        return 0


def build_parser(words: Sequence[str]) -> ArgumentParser:
    """The parser with all commands in its help; only the called one's module is loaded."""
    parser = _Parser(prog="roamclear", description="Clearing for EV roaming, at the prompt.")
    top = parser.add_subparsers(metavar="COMMAND")
    for word, (module_name, help_text) in COMMANDS.items():
        if word in words[:1]:
            import_module(f"roamclear.cli.{module_name}").add(top)
        else:
            top.add_parser(word, help=help_text)
    return parser


if __name__ == "__main__":
    sys.exit(main())
