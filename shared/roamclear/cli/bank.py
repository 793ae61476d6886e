"""``roamclear bank read FILE``: what a bank file says, as one JSON object on stdout."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from roamclear.bank import service
from roamclear.bank.model import CamtFile, Limits, StatementEnd
from roamclear.kernel.errors import InvalidInput
from roamclear.kernel.money import Money
from roamclear.kernel.numbers_json import dumps
from roamclear.kernel.record import plain


def add(subparsers: Any) -> None:
    """Register ``bank`` with its verbs."""
    bank = subparsers.add_parser("bank", help="read bank files")
    verbs = bank.add_subparsers(dest="verb", required=True)
    reading = verbs.add_parser("read", help="print a camt.052/053/054 or pain.002 file (XML, zip, gzip) as JSON")
    reading.add_argument("file", type=Path)
    reading.set_defaults(run=run_read)


def run_read(arguments: argparse.Namespace) -> int:
    """Exit 0 when the file was read; 2 with a one-line reason on stderr when it was refused."""
    try:
        print(dumps(describe(_bytes(arguments.file)), indent=2))
    except InvalidInput as error:
        print(f"roamclear bank read: {error.message} ({error.field})", file=sys.stderr)
        return 2
    return 0


def _bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > Limits().file_bytes:
            raise InvalidInput(f"the file has more than {Limits().file_bytes} bytes", field="file")
        return path.read_bytes()
    except OSError as error:
        raise InvalidInput(f"{path.name}: {error.strerror}", field="file") from error


def describe(data: bytes) -> dict[str, Any]:
    """The contents of a bank file as plain values."""
    head = next(iter(service.open_members(data))).read(4096)
    if service.message_kind(head) == "pain.002":
        return {"kind": "pain.002", **service.read_status(data).dump()}
    return _camt(service.read_camt(data))


def _camt(file: CamtFile) -> dict[str, Any]:
    statements = []
    for statement in file.statements:
        entries = [{**plain(entry), "signed": str(entry.signed)} for entry in statement.entries]
        statements.append({**plain(statement.head), **_totals(statement.end), "entries": entries})
    return {"kind": "camt", "statements": statements}


def _totals(end: StatementEnd) -> dict[str, Any]:
    return {
        "opening": plain(end.opening),
        "closing": plain(end.closing),
        "balances": plain(end.balances),
        "count": {"entries": end.entries, "transactions": end.transactions},
        "booked": {currency: str(Money(minor, currency)) for currency, minor in end.booked.items()},
        "credits": {currency: str(Money(minor, currency)) for currency, minor in end.credits.items()},
        "debits": {currency: str(Money(minor, currency)) for currency, minor in end.debits.items()},
        "consistent": end.consistent,
        "findings": plain(end.findings),
    }
