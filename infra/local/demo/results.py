"""What a person may look at afterwards: everything lies in out/demo/."""

from __future__ import annotations

import csv
import shutil
from io import StringIO
from pathlib import Path
from typing import Any

from infra.local.demo.bank import Bank
from infra.local.demo.cash import exceptions
from infra.local.demo.closing import as_json, invoices
from infra.local.demo.desk import Desk
from infra.local.demo.paying import Sent, payouts

Json = dict[str, Any]
_COLUMNS = (
    "raised_at_utc", "kind", "severity", "state", "subject", "partner", "document", "message", "expected", "received",
    "gap", "next_action", "resolved_at_utc", "resolution",
)  # fmt: skip


def collect(desk: Desk, folder: Path, sent: Sent, bank: Bank, equations: list[Json]) -> list[Path]:
    """Write all files anew; documents come through the signed addresses of the API."""
    shutil.rmtree(folder, ignore_errors=True)
    for document in invoices(desk):
        files = desk.api("FINANCE", "GET", f"/v1/invoices/{document['number']}")["files"]
        for file in files:
            _put(folder / "invoices" / file["name"], desk.fetch(file["link"]))
    for payout in payouts(desk):
        found = desk.api("FINANCE", "GET", f"/v1/payouts/{payout['payout_id']}/files")["files"]
        for name, link in found.items():
            _put(folder / "payouts" / f"{payout['payout_id']}-{name}", desk.fetch(link))
    _put(folder / "payments" / sent.name, sent.data)
    for name, data in bank.written.items():
        _put(folder / "bank" / name, data)
    for mail in desk.stack.mails():
        _put(folder / "mails" / mail.name, mail.read_bytes())
    rows = [row for state in ("OPEN", "RESOLVED") for row in exceptions(desk, state)]
    _put(folder / "exceptions.csv", _csv(rows).encode())
    _put(folder / "proof.json", as_json(equations).encode())
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _csv(rows: list[Json]) -> str:
    text = StringIO()
    writer = csv.writer(text)
    writer.writerow(_COLUMNS)
    for row in sorted(rows, key=lambda each: each["raised_at_utc"]):
        writer.writerow([_cell(row.get(name)) for name in _COLUMNS])
    return text.getvalue()


def _cell(value: Any) -> str:
    """Plain text that no spreadsheet takes for a formula."""
    if isinstance(value, dict) and "amount_minor" in value:
        return f"{value['amount_minor'] / 100:.2f} {value['currency']}"
    text = "" if value is None else str(value)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text
