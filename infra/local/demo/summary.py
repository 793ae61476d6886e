"""The readable end: amounts, states, exceptions, files, proof."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from infra.local.demo import people, proving, pushing
from infra.local.demo.cash import exceptions
from infra.local.demo.closing import euro, invoices, run_id, run_of
from infra.local.demo.desk import Desk
from infra.local.demo.oddities import after_opening, of_month
from infra.local.demo.paying import payouts
from infra.local.demo.sessions import Planned
from infra.local.demo.when import Month

Json = dict[str, Any]


def write(
    desk: Desk, month: Month, planned: list[Planned], equations: list[Json], files: list[Path], folder: Path
) -> str:
    """The summary as text; it is also kept beside the files."""
    parts = [
        f"Roaming month {month.label} of {people.issuer()['legal_name']}",
        "=" * 78,
        *_runs(desk, month),
        *_documents(desk),
        *_payouts(desk),
        *_states(desk, month, planned),
        *_exceptions(desk),
        *_proof(equations),
        "",
        f"Promises checked on the way: {len(desk.confirmed)} ({desk.requests} HTTP requests)",
        "",
        f"Files in {_short(folder)}/",
        *_files(files, folder),
    ]
    text = "\n".join(parts) + "\n"
    (folder / "summary.txt").write_text(text)
    return text


def _runs(desk: Desk, month: Month) -> list[str]:
    told = ["", "Runs of the month close"]
    for emsp in people.EMSPS:
        run = run_of(desk, emsp, month)
        net = euro(run["locked_net"]) if run.get("locked_net") else "nothing to bill"
        told.append(f"  {emsp.contract_id:<13}{run['state']:<9}members {run['members']:>4}  locked "
                    f"{run.get('locked', 0):>4}  left {run.get('left', 0):>2}  {net:>16}")  # fmt: skip
    return told


def _documents(desk: Desk) -> list[str]:
    told = ["", "Invoices"]
    for d in invoices(desk):
        told.append(f"  {d['number']:<16}{d['partner_name'][:26]:<27}net {euro(d['net']):>15}  VAT "
                    f"{euro(d['tax']):>13}  gross {euro(d['gross']):>15}")  # fmt: skip
        told.append(f"  {'':<16}{d['state']:<16} open {euro(d['open_amount']):>13}  due {d['due_date']}  "
                    f"{d['reference']}")  # fmt: skip
    return told


def _payouts(desk: Desk) -> list[str]:
    told = ["", "Payouts"]
    for p in payouts(desk):
        told.append(f"  {p['payout_id']:<18}{p['state']:<11}{p['sessions']:>4} sessions  revenue "
                    f"{euro(p['gross']):>14}  commission {euro(p['commission']):>13}  paid {euro(p['pay']):>14}"
                    f"  {p.get('document_number') or ''}")  # fmt: skip
    return told


def _states(desk: Desk, month: Month, planned: list[Planned]) -> list[str]:
    """Every CDR that was accepted, by the one billing state it is in now."""
    found: dict[str, tuple[str, str]] = {}
    for item in pushing.listed(desk):
        found[item["cdr_ref"]] = (item["billing"], ", ".join(item.get("reasons", [])))
    for emsp in people.EMSPS:
        rows = desk.api("FINANCE", "GET", f"/v1/runs/{run_id(emsp, month)}/sessions")
        for row in rows["items"]:
            found[row["cdr_ref"]] = (row["billing"], "")
        for row in rows["left"]:
            found[row["cdr_ref"]] = (row["billing"], ", ".join(row.get("reasons", [])))
    known = [*(p.cdr_id for p in planned)]
    known += [o.cdr_id for o in (*of_month(month, planned), *after_opening(month)) if o.cdr_id]
    for cdr_id in dict.fromkeys(known):
        if pushing.ref(cdr_id) not in found:
            trace = pushing.trace(desk, cdr_id)
            reasons = ", ".join(trace["session"].get("reasons", []))
            found[pushing.ref(cdr_id)] = (trace["billing"], reasons)
    desk.expect(len(found) == len(set(known)), "every accepted CDR is in exactly one state", (len(found), len(known)))
    counts = Counter(found.values())
    told = ["", f"CDRs accepted: {len(found)}, each in one state"]
    for (state, reasons), number in sorted(counts.items(), key=lambda each: -each[1]):
        told.append(f"  {number:>5}  {state:<13}{reasons}")
    return told


def _exceptions(desk: Desk) -> list[str]:
    rows = [(row["state"], row["kind"]) for state in ("OPEN", "RESOLVED") for row in exceptions(desk, state)]
    told = ["", "Exception journal"]
    told += [f"  {number:>5}  {state:<9} {kind}" for (state, kind), number in sorted(Counter(rows).items())]
    return told


def _proof(equations: list[Json]) -> list[str]:
    return ["", f"Proof ({len(equations)} equations)", *(f"  {line}" for line in proving.lines(equations))]


def _files(files: list[Path], folder: Path) -> list[str]:
    return [f"  {path.relative_to(folder)!s:<78}{path.stat().st_size:>9,} bytes" for path in files]


def _short(folder: Path) -> str:
    return "/".join(folder.parts[-2:])
