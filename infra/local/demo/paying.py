"""Part 4b: payout statements out of the locked sessions, and a payment file made by one person, approved by another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import sepaxml
from lxml import etree

from infra.local.demo.closing import euro, run_of
from infra.local.demo.desk import Desk
from infra.local.demo.people import ELBTAL, HERZ, OWN, RONDE, SEEBLICK
from infra.local.demo.when import Month, local, read

Json = dict[str, Any]
_PAIN = "{urn:iso:std:iso:20022:tech:xsd:pain.001.001.09}"


@dataclass(frozen=True, slots=True)
class Sent:
    """The payment file as the bank gets it."""

    name: str
    data: bytes
    execution: date


def play(desk: Desk, month: Month) -> Sent:
    """From the lock to the payment file."""
    desk.chapter("4  Payouts: statements, bank details, payment file")
    _statements(desk, month)
    _cooling_off(desk, month)
    return _batch(desk, month)


def payouts(desk: Desk) -> list[Json]:
    """All payouts, oldest first."""
    found: list[Json] = desk.api("FINANCE", "GET", "/v1/payouts")["items"]
    return found


def _statements(desk: Desk, month: Month) -> None:
    desk.at(month.after(10, 9))
    desk.run("sweep")
    made = desk.api("FINANCE", "POST", "/v1/payouts:close", {})["items"]
    again = desk.api("FINANCE", "POST", "/v1/payouts:close", {})["items"]
    desk.expect(again == [], "closing the payout cycle again states nothing twice", again)
    accounts = sorted(p["account_id"] for p in made)
    wanted = sorted(p.account_id for p in (OWN, ELBTAL, SEEBLICK))
    desk.expect(accounts == wanted, "each account with locked sessions gets one statement", made)
    locked = sum(run_of(desk, emsp, month)["locked_net"]["amount_minor"] for emsp in (RONDE, HERZ))
    parts = sum(p[name]["amount_minor"] for p in made for name in ("share", "commission", "own"))
    desk.expect(parts == locked, "sub-CPO shares + commission + own share = revenue net", (parts, locked))
    sessions = sum(run_of(desk, emsp, month)["locked"] for emsp in (RONDE, HERZ))
    desk.expect(sum(p["sessions"] for p in made) == sessions, "the statements hold exactly the locked sessions", made)
    by_account = {p["account_id"]: p for p in made}
    own = by_account["OWN"]
    desk.expect(own["pay"]["amount_minor"] == 0 and not own.get("document_number"),
                "the own account has a statement, no transfer and no self-billed document", own)  # fmt: skip
    numbers = sorted(by_account[a]["document_number"] for a in ("ELBTAL", "SEEBLICK"))
    year = month.end.year
    desk.expect(numbers == [f"NDG-{year}-000001", f"NDG-{year}-000002"], "self-billed numbers have no gap", numbers)
    for each in made:
        desk.note(f"{each['account_id']:<9} {each['sessions']:>3} sessions, revenue {euro(each['gross'])}, "
                  f"to pay {euro(each['pay'])}")  # fmt: skip
    desk.run("render_payout_statement")
    for each in made:
        files = desk.api("FINANCE", "GET", f"/v1/payouts/{each['payout_id']}/files")["files"]
        kinds = {name.rsplit(".", 1)[-1] for name in files}
        desk.expect({"pdf", "xlsx"} <= kinds, "each payout statement is there as PDF and XLSX", files)


def _cooling_off(desk: Desk, month: Month) -> None:
    """The bank details of one account are approved only now: nothing is paid to them for 72 hours."""
    desk.at(month.after(10, 9, 30))
    desk.api("FINANCE_APPROVER", "POST", f"/v1/payout-accounts/{SEEBLICK.account_id}/approve", {})
    account = desk.api("FINANCE", "GET", f"/v1/payout-accounts/{SEEBLICK.account_id}")["account"]
    waited = read(account["payable_from_utc"]) - month.after(10, 9, 30)
    cooled = timedelta(hours=72) <= waited < timedelta(hours=72, minutes=5)
    desk.expect(cooled, "new bank details cool off for 72 hours", account)
    desk.note("SEEBLICK's bank details approved by a second person; they cool off for 72 hours")


def _batch(desk: Desk, month: Month) -> Sent:
    desk.at(month.after(13, 10))
    made, execution = _made(desk, month.after(13, 10))
    desk.expect(len(made["items"]) == 2, "both external payouts are in the batch, the own account is not", made)
    path = f"/v1/batches/{made['batch_id']}/approve"
    refused = desk.ask("FINANCE", "POST", path, {"digest": made["digest"]})
    desk.expect(refused.status == 403, "who makes a batch does not approve it", refused.text)
    wrong = desk.ask("FINANCE_APPROVER", "POST", path, {"digest": "0" * 64})
    desk.expect(wrong.status == 409, "only the batch whose hash was shown is approved", wrong.text)
    desk.at(month.after(13, 11))
    desk.api("FINANCE_APPROVER", "POST", path, {"digest": made["digest"]})
    desk.run("export_payments")
    desk.run("export_payments")
    batch = desk.api("FINANCE", "GET", f"/v1/batches/{made['batch_id']}")
    desk.expect(batch["state"] == "EXPORTED", "the approved batch is exported", batch)
    told = desk.api("FINANCE_APPROVER", "POST", f"/v1/batches/{made['batch_id']}/download", {})
    data = desk.fetch(told["url"])
    _check_file(desk, data, batch)
    desk.note(f"{told['file_name']}: {len(batch['items'])} transfers, {euro(batch['total'])}, made by one person, "
              f"approved by another, valid pain.001.001.09")  # fmt: skip
    return Sent(told["file_name"], data, execution)


def _made(desk: Desk, now: datetime) -> tuple[Json, date]:
    """The batch for the next day on which the bank works."""
    for day in _days(now):
        answer = desk.ask("FINANCE", "POST", "/v1/batches", {"execution_date": day.isoformat()})
        if answer.status == 201:
            return answer.json(), day
    desk.expect(False, "finance makes a payment batch", answer.text)
    raise AssertionError


def _days(now: datetime) -> Iterator[date]:
    for ahead in range(1, 8):
        day = (now + timedelta(days=ahead)).date()
        if day.weekday() < 5:
            yield day


def _check_file(desk: Desk, data: bytes, batch: Json) -> None:
    """Against the schema of ISO 20022 (the copy that the package sepaxml ships) and the batch."""
    schema = Path(sepaxml.__file__).parent / "schemas" / "pain.001.001.09.xsd"
    validator = etree.XMLSchema(etree.parse(schema))
    root = etree.fromstring(data)
    desk.expect(validator.validate(root), "the payment file is valid pain.001.001.09", validator.error_log)
    minor = [int(e.text.replace(".", "")) for e in root.iter(f"{_PAIN}InstdAmt")]
    desk.expect(sum(minor) == batch["total"]["amount_minor"], "the payment file pays exactly the batch", minor)
    iban = {e.text for e in root.iter(f"{_PAIN}IBAN")}
    wanted = {SEEBLICK.terms["iban"], ELBTAL.terms["iban"]}
    desk.expect(wanted <= iban, "the transfers go to the approved bank details", iban)


def bank_days(sent: Sent) -> tuple[datetime, datetime]:
    """When the bank's two statements come: the evening of the execution day, and a business day later."""
    second = sent.execution + timedelta(days=1 if sent.execution.weekday() < 4 else 3)
    return local(sent.execution, 20), local(second, 20)
