"""Part 5: the bank's statements come in; payments find their invoices, payouts are confirmed, the rest is told once."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any

from infra.local.demo.bank import Bank, Booking
from infra.local.demo.closing import euro, invoices
from infra.local.demo.desk import Desk
from infra.local.demo.paying import Sent, bank_days, payouts
from infra.local.demo.people import HERZ, RONDE
from infra.local.demo.when import Month, read

Json = dict[str, Any]
SHORT_BY = Decimal("37.50")
_STRANGER = "DE17100500000123456700"


def play(desk: Desk, month: Month, sent: Sent) -> Bank:
    """Two statements, the second one twice."""
    desk.chapter("5  Bank: statements in the inbox, matching, exceptions")
    bank = Bank()
    first, second = bank_days(sent)
    desk.at(first)
    name, data = bank.statement(sent.execution, bank.execute(sent.data), first)
    _drop(desk, name, data)
    desk.until(lambda: _statements(desk) == 1, "the first statement is imported", timeout_s=90)
    _paid_out(desk)
    desk.at(second)
    name, data = bank.statement(second.date(), _payments(desk), second)
    _drop(desk, name, data)
    desk.until(lambda: _statements(desk) == 2, "the second statement is imported", timeout_s=90)
    _matched(desk)
    _again(desk, name, data)
    _silence(desk, month)
    return bank


def _drop(desk: Desk, name: str, data: bytes) -> None:
    """The bank's own way in: it puts the file into the inbox bucket."""
    desk.stack.boto("s3").put_object(Bucket=desk.stack.bucket("inbox"), Key=f"ebics/{name}", Body=data)
    desk.note(f"the bank dropped {name}")


def _statements(desk: Desk) -> int:
    return len(desk.api("FINANCE", "GET", "/v1/statements")["items"])


def _payments(desk: Desk) -> list[Booking]:
    """An exact payment with its RF reference, a short one with blanks in the number, and one nobody knows."""
    by_contract = {d["contract_id"]: d for d in invoices(desk)}
    ronde, herz = by_contract[RONDE.contract_id], by_contract[HERZ.contract_id]
    number = str(herz["number"])
    spread = f"{number[:-6]}{number[-6:-3]} {number[-3:]}".replace("-", "- ")
    return [
        Booking(_amount(ronde["gross"]), RONDE.name, RONDE.iban, "E2110001", creditor_reference=ronde["reference"]),
        Booking(_amount(herz["gross"]) - SHORT_BY, HERZ.name, HERZ.iban, "E2110002",
                text=(f"Rechnung {spread} abzgl.", f"Klaerung {SHORT_BY} EUR".replace(".", ","))),
        Booking(Decimal("184.20"), "Kantine am Hafen GmbH", _STRANGER, "E2110003", text=("Miete Stellplatz Q4",)),
    ]  # fmt: skip


def _amount(money: Json) -> Decimal:
    return Decimal(money["amount_minor"]) / 100


def _paid_out(desk: Desk) -> None:
    external = desk.until(
        lambda: _external(desk) if all(p["state"] == "CONFIRMED" for p in _external(desk)) else None,
        "the debits confirm the payouts",
    )
    desk.expect(len(external) == 2, "both payouts are CONFIRMED by the bank's debits", external)
    desk.note("both payouts are CONFIRMED")


def _external(desk: Desk) -> list[Json]:
    return [p for p in payouts(desk) if p["kind"] == "EXTERNAL"]


def _matched(desk: Desk) -> None:
    desk.until(lambda: all(d["state"] != "SENT" for d in invoices(desk)), "the payments reach their invoices")
    by_contract = {d["contract_id"]: d for d in invoices(desk)}
    ronde, herz = by_contract[RONDE.contract_id], by_contract[HERZ.contract_id]
    desk.expect((ronde["state"], ronde["open_amount"]["amount_minor"]) == ("PAID", 0),
                "the exact payment with the RF reference makes its invoice PAID", ronde)  # fmt: skip
    open_minor = int(SHORT_BY * 100)
    desk.expect((herz["state"], herz["open_amount"]["amount_minor"]) == ("PARTIALLY_PAID", open_minor),
                "the short payment with blanks in the number makes its invoice PARTIALLY_PAID", herz)  # fmt: skip
    left = desk.api("FINANCE", "GET", "/v1/payments")["items"]
    desk.expect([p["unapplied"]["amount_minor"] for p in left] == [18420], "the unknown payment stays unapplied", left)
    desk.note(f"{ronde['number']} PAID; {herz['number']} PARTIALLY_PAID, {euro(herz['open_amount'])} open")


def exceptions(desk: Desk, state: str = "OPEN") -> list[Json]:
    """Rows of the journal."""
    found: list[Json] = desk.api("FINANCE", "GET", "/v1/exceptions", state=state)["items"]
    return found


def _again(desk: Desk, name: str, data: bytes) -> None:
    """The same file again, under another name, and once more by the hourly list: nothing changes."""
    before = (_statements(desk), exceptions(desk), invoices(desk), desk.api("FINANCE", "GET", "/v1/payments"))
    kinds = Counter(row["kind"] for row in before[1])
    for kind in ("SHORT_PAY", "UNMATCHED_CREDIT"):
        desk.expect(kinds[kind] == 1, f"the journal holds {kind} once", dict(kinds))
    _drop(desk, name.replace(".xml", "_copy.xml"), data)
    desk.run("import_bank_file")
    after = (_statements(desk), exceptions(desk), invoices(desk), desk.api("FINANCE", "GET", "/v1/payments"))
    desk.expect(after == before, "the same file twice changes nothing", _differences(before, after))
    desk.note("the same file came again: nothing changed")


def _differences(before: tuple[Any, ...], after: tuple[Any, ...]) -> list[Any]:
    return [(old, new) for old, new in zip(before, after, strict=True) if old != new]


def _silence(desk: Desk, month: Month) -> None:
    """Five working days after the close the CPO's silence on a dispute is its acceptance (rules.md 6)."""
    desk.run("sweep")
    found = desk.api("EMSP_USER", "GET", "/v1/disputes", contract=RONDE.contract_id)["items"]
    states = sorted(d["state"] for d in found)
    late = [d for d in found if d["filed_by"] and d.get("resolved_by") == "system:disputes"]
    past = all(read(d["answer_due_utc"]) < desk.stack.now() for d in found)
    desk.expect(past and states == ["ACCEPTED", "ACCEPTED", "REJECTED"] and len(late) == 1,
                "the dispute nobody answered is granted after five working days", found)  # fmt: skip
    desk.note("the dispute without an answer was granted: its session is never billed")
